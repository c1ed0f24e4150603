"""What an id that somebody wants restored stands for: a backup, or a snapshot with the backups that go with it.

Leads restores and clones; it must not know how a command is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.engine import Engine
from bot.errors import Conflict, NotFound, UsageError
from bot.language import say
from bot.model import Plan, Reply
from bot.operations.clone import clone, clone_after_crash, reply_of_clone
from bot.operations.cloneplan import ClonePlan, CloneWish
from bot.operations.context import REMOVE_CLONE, RunContext
from bot.operations.holds import elsewhere_of
from bot.operations.replaceplan import ReplacePlan
from bot.operations.restoration import Terms, carry_out, found_done
from bot.operations.restore import RestorePlan
from bot.operations.restoring import RestoreWish, binds_of
from bot.operations.snapshots import find
from bot.stores.archive import SNAPSHOT, Archive


@dataclass(frozen=True, kw_only=True)
class RestoreAsked:
    """What the command line says; the first four are about backups, `name` and `share_volumes` about snapshots."""

    reference: str
    into: str = ""
    replace: bool = False
    path: str = ""
    may_stop: bool = True
    name: str = ""
    share_volumes: bool = False

    @property
    def speaks_of_backup(self) -> bool:
        """Whether it can only mean a backup."""
        return bool(self.into or self.replace or self.path or not self.may_stop) or len(self.reference) != 8

    @property
    def speaks_of_snapshot(self) -> bool:
        """Whether it can only mean a snapshot."""
        return bool(self.name or self.share_volumes)


def wish_of(
    asked: RestoreAsked,
    archive: Archive,
    engine: Callable[[], Engine],
    is_ours: Callable[[str, str], bool],
) -> RestoreWish | CloneWish:
    """What is wished for. An id that names a snapshot and the backups taken with it means the snapshot.

    Raises UsageError for flags that exclude each other, NotFound when nothing has that id. Only where the archive
    knows no backup of that id is the engine asked. `is_ours` is that of a `CloneWish`.
    """
    if asked.speaks_of_backup and asked.speaks_of_snapshot:
        raise UsageError(
            say(
                "--as and --share-volumes are for snapshots; --into, --replace, --path and --quiesce are for backups. "
                "Nothing was changed. Leave out one or the other."
            )
        )
    if asked.speaks_of_snapshot or (not asked.speaks_of_backup and _is_snapshot(asked, archive, engine)):
        return CloneWish(
            archive=archive,
            snapshot=asked.reference,
            name=asked.name,
            share_volumes=asked.share_volumes,
            is_ours=is_ours,
        )
    return RestoreWish(
        backup=archive.find(asked.reference),
        into=asked.into,
        replace=asked.replace,
        path=asked.path,
        may_stop=asked.may_stop,
    )


def host_of(reference: str, archive: Archive) -> str | None:
    """The host that the backup, or the backups taken with the snapshot, are of; None when no backup tells."""
    hosts = {one.host for one in archive.backups() if reference in (one.manifest.run_id, one.id)}
    if "/" in reference:
        return archive.find(reference).host
    return hosts.pop() if len(hosts) == 1 else None


def plan_of(made: RestorePlan | ReplacePlan | ClonePlan, host: str) -> Plan:
    """What a run of it on that host must hold, in words."""
    backups = tuple(made.volumes.values()) if isinstance(made, ClonePlan) else (made.backup,)
    return Plan(
        text=" ".join((made.text, say("This is on host {host}.", host=host))),
        targets=made.targets,
        elsewhere=elsewhere_of(*backups),
        steps=made.steps,
        binds=made.binds if isinstance(made, ClonePlan) else binds_of(made),
    )


def told(made: RestorePlan | ReplacePlan | ClonePlan, engine: Engine) -> Reply:
    """What would be done, and that nothing was; raises as `explained` of the plan does."""
    text = " ".join((made.explained(engine), say("Nothing was changed.")))
    return Reply(text=text, facts={"host": engine.host, **made.facts})


def restored(
    engine: Engine,
    archive: Archive,
    run: RunContext,
    made: RestorePlan | ReplacePlan | ClonePlan,
    terms: Terms,
) -> Reply:
    """Carry it out, whichever it is; raises Conflict when it is not what was permitted, and as they raise."""
    if not isinstance(made, ClonePlan):
        return carry_out(engine, archive, run, made, terms)
    refuse_unheld(made, terms.held)
    return reply_of_clone(clone(engine, archive, run, made), made, engine.host)


def refuse_unheld(made: ClonePlan, held: Plan | None) -> None:
    """Raises Conflict unless all that it touches is held."""
    if not set(made.targets) <= set(held.targets if held else ()):
        raise Conflict(
            say(
                "What {clone} would mount changed since this run began, and is not held by it. Nothing was made. Send "
                "the command again.",
                clone=made.name,
            )
        )


def restored_before_crash(
    engine: Engine, archive: Archive, kept: Callable[[str], bool], run_id: str, path: str
) -> Reply | None:
    """What the run had done when the bot died; None when nothing of it stays. See `found_done`."""
    if kept(REMOVE_CLONE):
        return clone_after_crash(engine, run_id)
    return found_done(engine, archive, kept, run_id, path)


def _is_snapshot(asked: RestoreAsked, archive: Archive, engine: Callable[[], Engine]) -> bool:
    backups = archive.of_run(asked.reference)
    if backups:
        return any(one.manifest.purpose == SNAPSHOT for one in backups)
    try:
        find(engine(), asked.reference)
    except NotFound:
        return False  # the archive says it better, and names the nearest
    return True
