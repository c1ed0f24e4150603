"""Backup: a source's bytes out of the engine into the archive, proven whole, or with what is not whole by name.

Must not know who asked for it, nor how the journal and the archive keep what they keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.engine import Engine, EngineInfo
from bot.errors import Conflict, EngineError
from bot.language import say
from bot.operations.backupplan import BackupPlan
from bot.operations.context import DISCARD_DRAFT, RunContext
from bot.operations.copying import Copy, copy_of
from bot.operations.downtime import Downtime
from bot.operations.dumping import Dumped
from bot.operations.hooks import HookRun, hooked
from bot.operations.quiesce import (
    Quiesce,
    QuiescePolicy,
    asleep,
    refuse_awake,
    refuse_other_users,
    sleepers,
)
from bot.operations.sources import Source, users_of
from bot.reasons import Reason
from bot.stores.archive import (
    OUTCOME_OK,
    OUTCOME_PARTIAL,
    SAFETY,
    Archive,
    Backup,
    Draft,
    EngineFacts,
    HookFacts,
    Manifest,
    Problems,
    QuiesceFacts,
    Sealed,
    SourceFacts,
    VolumeFacts,
)

_MORE_THAN_LAST = 1.1


@dataclass(frozen=True, kw_only=True)
class Backed:
    """What came of a backup. `notes` say, a sentence each, what is not as it was though the backup is made."""

    backup: Backup
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Still:
    """A source whose users are quiet already, for how long they may be so, and what its backup is for."""

    source: Source
    purpose: str = SAFETY
    downtime: Downtime


@dataclass(kw_only=True)
class Taken:
    """What happened around a copy, and whether the copy itself came to its end."""

    downtime: Downtime | None = None
    hooks: list[HookRun] = field(default_factory=list)
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One backup on its way into its draft."""

    engine: Engine
    run: RunContext
    plan: BackupPlan
    info: EngineInfo
    draft: Draft
    copy: Copy
    purpose: str = ""


def back_up(engine: Engine, archive: Archive, run: RunContext, plan: BackupPlan) -> Backed:
    """Carry the plan out. On any error nothing is published and whatever was touched is as it was.

    Raises Conflict when the source's users are no longer those of the plan, EngineError (StreamCut for an incomplete
    stream; reasons `downtime`, `hook`, `dump`), ArchiveError (`disk-full`), or what `run.check` raises.
    """
    run.check()
    with attempted(engine, archive, run, plan) as attempt:
        with attempt.copy.ready():
            refuse_full(archive, attempt)
            taken = _take(attempt)
        return publish(attempt, taken)


def back_up_still(engine: Engine, archive: Archive, run: RunContext, still: Still) -> Backup:
    """Take it now, while its users are kept still by somebody else; raises as `back_up`. May be partial: look."""
    run.check()
    plan = BackupPlan(source=still.source, users=(), sleepers=(), policy=QuiescePolicy())
    with attempted(engine, archive, run, plan, still.purpose) as attempt:
        with attempt.copy.ready(still.purpose or "still"):
            attempt.copy.take(still.downtime)
        return publish(attempt, Taken()).backup


@contextmanager
def attempted(
    engine: Engine, archive: Archive, run: RunContext, plan: BackupPlan, purpose: str = ""
) -> Iterator[Attempt]:
    """A draft that goes away again unless it was published."""
    info = engine.info()
    name = plan.source.name
    draft = archive.begin(engine.host, name, run.run_id)
    with run.undoable(DISCARD_DRAFT, host=engine.host, volume=name, backup=draft.id) as step, draft:
        copy = (
            Dumped(engine, run, plan.source, draft, plan.dump)
            if plan.dump
            else copy_of(engine, run, plan.source, draft)
        )
        yield Attempt(engine=engine, run=run, plan=plan, info=info, draft=draft, copy=copy, purpose=purpose)
        step.keep()


def refuse_full(archive: Archive, attempt: Attempt) -> None:
    """Before anybody sleeps: as much as the last good backup of the same took and a tenth more must be free.

    Without one nobody knows how well it compresses, so all that it takes on its own disk is asked for.
    """
    source, kind = attempt.plan.source, attempt.plan.kind
    for backup in archive.backups(attempt.engine.host, source.name):
        if backup.is_ok and backup.manifest.source.kind == kind:
            needed = int(backup.manifest.stored.bytes * _MORE_THAN_LAST)
            archive.refuse_full(
                needed, say("the backup of {source} (the last one and a tenth more)", source=source.words)
            )
            return
    needed = attempt.copy.used_bytes()
    archive.refuse_full(
        needed,
        say(
            "the backup of {source} (its whole size, for no backup tells how well it compresses)",
            source=source.words,
        ),
    )


def _take(attempt: Attempt) -> Taken:
    """The copy, inside the quiet time, inside the hooks. A failing hook after a good copy does not undo it."""
    engine, run, plan, taken = attempt.engine, attempt.run, attempt.plan, Taken()
    stopped = [one.container.id for one in plan.sleepers if one.mode is Quiesce.STOP]
    refuse_others(attempt)
    try:
        with hooked(engine, run, plan.users, plan.policy, stopped) as taken.hooks:
            with asleep(engine, run, plan.sleepers, plan.policy) as taken.downtime:
                attempt.copy.take(taken.downtime)
                taken.downtime.check()
                refuse_woken(attempt)
            taken.is_whole = True
    except EngineError as error:
        if not taken.is_whole or error.reason is not Reason.HOOK:
            raise
    return taken


def refuse_others(attempt: Attempt) -> None:
    """Raises Conflict when the source's users are no longer those of the plan."""
    plan = attempt.plan
    if plan.source.storage is not None and plan.dump is None:
        refuse_other_users(attempt.engine, plan.source.storage, plan.sleepers, plan.asked, plan.policy)


def refuse_woken(attempt: Attempt) -> None:
    """Raises Conflict when somebody woke or started a user that was to sleep."""
    engine, plan = attempt.engine, attempt.plan
    if plan.source.storage is not None:
        refuse_awake(engine, plan.source.storage, plan.asked, plan.policy)
    elif sleepers(users_of(engine, plan.source), plan.asked, plan.policy):
        raise Conflict(
            say(
                "While {source} was read, somebody woke or started its container, so what was read may not "
                "fit together. Nothing was saved. Send the command again.",
                source=plan.source.words,
            )
        )


def publish(attempt: Attempt, taken: Taken) -> Backed:
    """Read the stored bytes back and publish; raises ArchiveError, or what `run.check` raises."""
    run, draft = attempt.run, attempt.draft
    run.check()
    problems = attempt.copy.problems()

    def tick(done_bytes: int) -> None:
        run.check()
        run.progress(say("reading back"), done_bytes, max(done_bytes, draft.raw_bytes))

    sealed = draft.seal(tick)
    run.check()
    backup = draft.publish(_manifest(attempt, taken, sealed, problems))
    return Backed(backup=backup, notes=taken.downtime.notes if taken.downtime else ())


def _manifest(attempt: Attempt, taken: Taken, sealed: Sealed, problems: Problems) -> Manifest:
    info, plan, copy = attempt.info, attempt.plan, attempt.copy
    slept = taken.downtime.seconds if taken.downtime and plan.sleepers else None
    return Manifest(
        id=sealed.id,
        host=sealed.host,
        engine=EngineFacts(name=info.name, version=info.version, api_version=info.api_version),
        volume=_volume_facts(plan.source),
        actor=attempt.run.actor,
        run_id=attempt.run.run_id,
        quiesce=QuiesceFacts(mode=plan.mode, containers=tuple(one.container.name for one in plan.sleepers)),
        started_at=sealed.started_at,
        ended_at=sealed.ended_at,
        raw=sealed.raw,
        stored=sealed.stored,
        entries=sealed.entries,
        outcome=OUTCOME_PARTIAL if problems.count else OUTCOME_OK,
        proof=copy.proof,
        lost=(*map(say, copy.lost), *_left_out(plan)),
        note=plan.note,
        source=_source_facts(plan),
        problems=problems,
        inventory=sealed.inventory,
        downtime_seconds=slept,
        hooks=tuple(_hook_facts(one) for one in taken.hooks),
        dump=copy.facts if isinstance(copy, Dumped) else None,
        purpose=attempt.purpose,
    )


def _volume_facts(source: Source) -> VolumeFacts:
    """Of a path only a name: what it is restored into is a plain volume."""
    if source.volume is None or not source.is_volume:
        return VolumeFacts(name=source.name, driver="local")
    return VolumeFacts(
        name=source.name,
        driver=source.volume.driver,
        labels=dict(sorted(source.volume.labels.items())),
        options=dict(sorted(source.volume.options.items())),
    )


def _source_facts(plan: BackupPlan) -> SourceFacts:
    source = plan.source
    if plan.dump is not None:
        return SourceFacts(kind=plan.kind, container=plan.dump.container.name)
    container = "" if source.container is None else source.container.name
    return SourceFacts(kind=plan.kind, container=container, path=source.place, root=source.root)


def _hook_facts(ran: HookRun) -> HookFacts:
    return HookFacts(
        container=ran.container,
        which=ran.which,
        command=ran.command,
        exit_code=ran.exit_code,
        output=ran.output,
    )


def _left_out(plan: BackupPlan) -> tuple[str, ...]:
    """What the container sees below the path and the backup does not hold, for it is mounted there."""
    return (
        ()
        if plan.dump is not None
        else tuple(say("what is mounted at {place}", place=place) for place in plan.source.inner)
    )
