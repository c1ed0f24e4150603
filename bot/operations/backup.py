"""Backup: a volume's bytes out of the engine into the archive, proven whole or not there at all.

Must not know who asked for it, nor how the journal and the archive keep what they keep.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from bot.engine import Container, Engine, EngineInfo, Volume
from bot.errors import Conflict
from bot.operations.context import DISCARD_DRAFT, REMOVE_HELPER, START, UNPAUSE, RunContext, Step
from bot.stores.archive import (
    Archive,
    Backup,
    Draft,
    EngineFacts,
    Manifest,
    QuiesceFacts,
    Sealed,
    VolumeFacts,
)
from bot.tarstream import TarReader

CHUNK_BYTES = 1 << 20


class Quiesce(StrEnum):
    """How the running users of a volume are kept still while it is read."""

    NONE = "none"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class BackupPlan:
    """What a backup will touch: the volume, all who mount it, and how the running ones are kept still."""

    volume: Volume
    users: tuple[Container, ...]
    quiesce: Quiesce
    stop_grace_seconds: int = 10

    @property
    def disturbed(self) -> tuple[Container, ...]:
        """The containers that will be paused or stopped: the running users, or nobody."""
        if self.quiesce is Quiesce.NONE:
            return ()
        return tuple(user for user in self.users if user.state == "running")


def plan(engine: Engine, volume: str, quiesce: Quiesce) -> BackupPlan:
    """Look, change nothing; raises NotFound for an unknown volume."""
    found = engine.volume(volume)
    return BackupPlan(volume=found, users=engine.users_of(volume), quiesce=quiesce)


def back_up(engine: Engine, archive: Archive, run: RunContext, plan: BackupPlan, note: str = "") -> Backup:
    """Carry the plan out. On any error nothing is published and whatever was touched is as it was.

    Raises Conflict when the volume's users are no longer those of the plan, EngineError (StreamCut for an
    incomplete stream), ArchiveError, or what `run.check` raises.
    """
    run.check()
    info = engine.info()
    name = plan.volume.name
    helper = f"shipkeeper-read-{run.run_id}"
    draft = archive.begin(engine.host, name, run.run_id)
    with run.undoable(DISCARD_DRAFT, host=engine.host, volume=name, backup=draft.id) as kept, draft:
        with run.undoable(REMOVE_HELPER, name=helper):
            engine.create_helper(helper, name, run_id=run.run_id, read_only=True)
            _copy_quiesced(engine, run, plan, draft, helper)
        sealed = _seal(run, draft)
        run.check()
        backup = draft.publish(_manifest(info, run, plan, sealed, note))
        kept.keep()
    return backup


def _copy_quiesced(engine: Engine, run: RunContext, plan: BackupPlan, draft: Draft, helper: str) -> None:
    """Keep the users still exactly as long as the reading takes."""
    with ExitStack() as asleep:
        if plan.quiesce is not Quiesce.NONE:
            _refuse_other_users(engine, plan)
        verb = UNPAUSE if plan.quiesce is Quiesce.PAUSE else START
        for user in plan.disturbed:
            run.check()
            run.progress(f"{plan.quiesce} {user.name}")
            life = {"container": user.id, "started_at": user.started_at, "name": user.name}
            step = asleep.enter_context(run.undoable(verb, **life))
            _put_to_sleep(engine, plan, user, step)
        _copy(engine, run, draft, helper)
        if plan.quiesce is not Quiesce.NONE:
            _refuse_awake(engine, plan)


def _put_to_sleep(engine: Engine, plan: BackupPlan, user: Container, step: Step) -> None:
    try:
        if plan.quiesce is Quiesce.PAUSE:
            engine.pause(user)
        else:
            engine.stop(user, plan.stop_grace_seconds)
    except Conflict:
        # Somebody else paused or stopped it first: it is not ours to wake.
        step.keep()
        raise


def _copy(engine: Engine, run: RunContext, draft: Draft, helper: str) -> None:
    reader = TarReader(draft.entry)
    with engine.read_volume(helper) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            run.check()
            reader.feed(chunk)
            draft.write(chunk)
            run.progress("copying", draft.raw_bytes)
    reader.close()


def _refuse_other_users(engine: Engine, plan: BackupPlan) -> None:
    """The plan was approved and is held: no other container may be touched, or left writing."""
    now = tuple(user for user in engine.users_of(plan.volume.name) if user.state == "running")
    if {(user.id, user.started_at) for user in now} != {
        (user.id, user.started_at) for user in plan.disturbed
    }:
        running = ", ".join(user.name for user in now) or "none"
        raise Conflict(
            f"The running containers that use volume {plan.volume.name} are no longer those of the plan "
            f"(now: {running}). Nothing was paused, stopped or saved. Ask for the backup again."
        )


def _refuse_awake(engine: Engine, plan: BackupPlan) -> None:
    """Somebody may have woken or started a user while we read: then it was not kept still."""
    awake = [user.name for user in engine.users_of(plan.volume.name) if user.state == "running"]
    if awake:
        raise Conflict(
            f"While volume {plan.volume.name} was read, somebody woke or started {', '.join(awake)}, so what was "
            "read may not fit together. Nothing was saved. Ask for the backup again."
        )


def _seal(run: RunContext, draft: Draft) -> Sealed:
    def tick(done_bytes: int) -> None:
        run.check()
        run.progress("reading back", done_bytes, draft.raw_bytes)

    return draft.seal(tick)


def _manifest(info: EngineInfo, run: RunContext, plan: BackupPlan, sealed: Sealed, note: str) -> Manifest:
    volume = plan.volume
    return Manifest(
        id=sealed.id,
        host=sealed.host,
        engine=EngineFacts(name=info.name, version=info.version, api_version=info.api_version),
        volume=VolumeFacts(
            name=volume.name,
            driver=volume.driver,
            labels=dict(sorted(volume.labels.items())),
            options=dict(sorted(volume.options.items())),
        ),
        actor=run.actor,
        run_id=run.run_id,
        quiesce=QuiesceFacts(mode=plan.quiesce, containers=tuple(user.name for user in plan.disturbed)),
        started_at=sealed.started_at,
        ended_at=sealed.ended_at,
        raw=sealed.raw,
        stored=sealed.stored,
        entries=sealed.entries,
        note=note,
    )
