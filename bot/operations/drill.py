"""Drill: a backup into a throw-away volume, compared, checked, and all of it removed: proof that it can be restored.

Must not know who asked for it; never touches the volume that the backup is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from bot.engine import RUN_LABEL, Check, Engine, Volume
from bot.errors import BotError, Conflict, EngineError, NotFound
from bot.language import say
from bot.model import Status
from bot.operations.context import REMOVE_HELPER, REMOVE_VOLUME, RunContext
from bot.operations.filling import Filler, Spot, filling
from bot.operations.holds import drilled, failed_drill, is_about, target_of_source
from bot.operations.stage import tool_of
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup, Marks
from bot.stores.audit import Audit

_TAIL_CHARACTERS = 1_000
_SAYS_NOTHING = (Status.CANCELLED.value, Status.INTERRUPTED.value)
_BACKUPS_FAULT = (Reason.DAMAGED, Reason.DIFFERS, Reason.CHECK)


@dataclass(frozen=True, kw_only=True)
class DrillRule:
    """A check that is run on what was restored of the volumes that match one of the patterns (fnmatch)."""

    volumes: tuple[str, ...]
    check: Check


@dataclass(frozen=True, kw_only=True)
class DrillPlan:
    """A backup, the throw-away volume that it is restored into, and the checks by their names."""

    backup: Backup
    volume: str
    checks: Mapping[str, Check]


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What came of a drill that passed. `losses` says what a restore would not put back."""

    backup: Backup
    marks: Marks
    entries: int
    raw_bytes: int
    checks: tuple[str, ...]
    losses: tuple[str, ...] = ()


def newest(archive: Archive, volume: str, hosts: Iterable[str | None]) -> Backup:
    """The newest whole backup of the volume on the first of the hosts that has one; None stands for all of them.

    Raises NotFound without one, Conflict when only other hosts have some, and several do.
    """
    for host in hosts:
        whole = [backup for backup in archive.backups(host, volume, anew=True) if backup.is_ok]
        places = sorted({backup.host for backup in whole})
        if len(places) > 1:
            raise Conflict(
                say(
                    "There are backups of {volume} from the hosts {hosts}. Nothing was drilled. Say which by "
                    "--host, or name a backup by --backup.",
                    volume=volume,
                    hosts=", ".join(places),
                )
            )
        if whole:
            return whole[0]
    raise NotFound(
        say(
            "There is no whole backup of {volume}. Nothing was drilled. `backups` lists what there is.",
            volume=volume,
        )
    )


def last_tried(audit: Audit, host: str) -> Callable[[str], datetime | None]:
    """Tells of a source when a drill of it on that host was last carried to an end, by the audit log."""

    def tried(source: str) -> datetime | None:
        ending = audit.last_ending(
            "drill", host, target_of_source(source), lambda all_: is_about(all_, source)
        )
        return ending.at if ending and ending.kind not in _SAYS_NOTHING else None

    return tried


def refuse_partial(backup: Backup) -> None:
    """Raises Conflict for a partial backup: it is known not to hold everything."""
    if not backup.is_ok:
        raise Conflict(
            say(
                "Backup {backup} of {volume} is partial: a drill cannot prove that what it lacks would come back. "
                "Nothing was drilled. Drill a whole one.",
                backup=backup.manifest.run_id,
                volume=backup.volume,
            )
        )


def plan(backup: Backup, run_id: str, rules: Mapping[str, DrillRule]) -> DrillPlan:
    """A throw-away volume that bears the run's id, and every check that is for the backup's volume.

    A check looks at a volume's files, so there is none for a dump.
    """
    checks = {
        name: rule.check
        for name, rule in sorted(rules.items())
        if backup.manifest.source.kind != "dump"
        and any(fnmatchcase(backup.volume, pattern) for pattern in rule.volumes)
    }
    return DrillPlan(backup=backup, volume=f"shipkeeper-drill-{run_id}", checks=checks)


def drill(
    engine: Engine, archive: Archive, run: RunContext, plan: DrillPlan, clock: Callable[[], datetime]
) -> Drilled:
    """Restore, compare, check; whatever happens, nothing of it is left on the engine.

    A backup that is damaged, that does not come back as it is, or whose check fails, is marked: it does not count
    until a drill of it passes. When Docker fails, a check's image is missing or a check does not end, nothing is
    known of the backup, and its marks stay. Raises ArchiveError, EngineError, NotFound, or what `run.check` raises.
    """
    try:
        filler = _restored_and_checked(engine, archive, run, plan)
    except BotError as error:
        if error.reason in _BACKUPS_FAULT:
            _mark_failed(archive, plan.backup, clock(), error)
        raise
    marks = archive.mark(plan.backup, lambda marks: drilled(marks, clock()))
    return Drilled(
        backup=plan.backup,
        marks=marks,
        entries=filler.entries,
        raw_bytes=filler.raw_bytes,
        checks=tuple(plan.checks),
        losses=filler.losses,
    )


def in_words(done: Drilled) -> str:
    """What a drill that passed proved, and what it did not."""
    said = [
        say(
            "Backup {run_id} of {volume} can be restored: it was unpacked into a throw-away "
            "volume and is the same, entry by entry.",
            run_id=done.backup.manifest.run_id,
            volume=done.backup.volume,
        ),
        say("Checks that passed: {checks}.", checks=", ".join(done.checks))
        if done.checks
        else say("No check is set for it."),
    ]
    if done.losses:
        said.append(say("What a restore does not put back: {losses}.", losses="; ".join(done.losses)))
    return " ".join((*said, say("The throw-away volume was removed again.")))


def _restored_and_checked(engine: Engine, archive: Archive, run: RunContext, plan: DrillPlan) -> Filler:
    refuse_partial(plan.backup)
    run.check()
    with filling(engine, archive, run, plan.backup) as filler:
        # Always a local volume without options: those of the original may be a name for storage that is in use.
        volume = Volume(name=plan.volume, driver="local", labels={RUN_LABEL: run.run_id})
        with run.undoable(REMOVE_VOLUME, name=plan.volume, run=run.run_id):
            engine.create_volume(volume)
            _fill(engine, run, filler, plan.volume)
            for name, check in plan.checks.items():
                _check(engine, run, plan, name, check)
    return filler


def _fill(engine: Engine, run: RunContext, filler: Filler, volume: str) -> None:
    spot = Spot.volume(volume, filler.root, is_directory=filler.is_directory)
    tool = tool_of(run.run_id)
    with run.undoable(REMOVE_HELPER, name=tool):
        engine.create_tool(tool, volume, run_id=run.run_id, read_only=True)
        filler.refuse_full(tool, say("in volume {volume}", volume=volume))
        filler.fill(spot)
        filler.compare(spot, tool if filler.has_inventory else None)


def _check(engine: Engine, run: RunContext, plan: DrillPlan, name: str, check: Check) -> None:
    container = f"shipkeeper-check-{run.run_id}"

    def end() -> None:
        with suppress(BotError):  # the journal tries again, and says so if it cannot
            engine.remove_helper(container)

    run.progress(say("running the check {check}", check=name))
    with run.undoable(REMOVE_HELPER, name=container):
        try:
            with run.watched(end):
                done = engine.run_check(container, check, plan.volume, run_id=run.run_id)
        except BotError:
            run.check()  # who asked for an end is told so, and not of the container that was removed for it
            raise
        run.check()
    if done.exit_code != 0:
        raise EngineError(
            say(
                "Backup {backup} of {volume} was restored and is the same, but the check {check} did not pass: exit "
                "code {exit_code}. What was restored for it was removed again, and nothing else was changed. The end "
                "of what it said: {output}",
                backup=plan.backup.manifest.run_id,
                volume=plan.backup.volume,
                check=name,
                exit_code=done.exit_code,
                output=done.output[-_TAIL_CHARACTERS:].strip() or say("(nothing)"),
            ),
            reason=Reason.CHECK,
        )


def _mark_failed(archive: Archive, backup: Backup, at: datetime, error: BotError) -> None:
    """What was found out must be told even if it cannot be written down."""
    why = str(error)
    try:
        archive.mark(backup, lambda marks: failed_drill(marks, at, why))
    except BotError as problem:
        error.add_note(say("And that could not be written beside the backup: {reason}", reason=problem))
