"""What came of a snapshot, in sentences and in facts, for whoever asked for it.

Must not know how it was made: it speaks from the image's labels and the archive, so it says the same after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.engine import Engine
from bot.errors import NotFound
from bot.language import say
from bot.model import Button, Reply, Status, Value
from bot.operations.backup import Backed
from bot.operations.backuptold import reply_of as backup_told
from bot.operations.snapshot import Taken
from bot.operations.snapshotlabels import Mounted, Snapshot
from bot.operations.snapshotplan import SnapshotPlan, outside_told
from bot.operations.snapshots import backups_of, find
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup

_SAID_CHARACTERS = 300


def reply_of(taken: Taken, plan: SnapshotPlan) -> Reply:
    """PARTIAL when a backup is partial, or when something around it is not as it was."""
    remarks = [*plan.refusals, *plan.warnings, *_remarks(taken)]
    told = _told(taken.snapshot, [one.backup for one in taken.backed], remarks)
    facts = dict(told.facts)
    if taken.seconds is not None:
        facts["downtime_seconds"] = round(taken.seconds, 3)
    is_partial = told.status is Status.PARTIAL or bool(taken.hooks or taken.notes)
    if taken.hooks:
        facts["reason"] = str(Reason.HOOK)
    return Reply(
        text=told.text,
        facts=facts,
        buttons=told.buttons,
        status=Status.PARTIAL if is_partial else Status.SUCCEEDED,
    )


def reply_after_crash(engine: Engine, archive: Archive, run_id: str, *, kept: bool) -> Reply | None:
    """The result as far as it is known after the bot died: of a snapshot that was proven, or of backups without one.

    `kept` says whether the image was to stay.
    """
    backups = tuple(backups_of(archive, run_id).values())
    try:
        snapshot = find(engine, run_id) if kept else None
    except NotFound:
        snapshot = None
    if snapshot is None:
        return _only_backups(backups)
    return _told(snapshot, backups, [say("The bot was stopped just after that.")])


def _told(snapshot: Snapshot, backups: Iterable[Backup], remarks: Iterable[str]) -> Reply:
    facts, backups = snapshot.facts, tuple(backups)
    partial = [backup for backup in backups if not backup.is_ok]
    planned = {one.backup for one in facts.mounts if one.backup}
    missing = sorted(planned - {backup.volume for backup in backups})
    outside = [one for one in facts.mounts if not one.backup and one.kind in ("volume", "bind")]
    text = [
        say(
            "Container {container} is now also the image {reference}, snapshot {snapshot}: it was "
            "looked at again by its id, and is the container’s layer on the image it was made from.",
            container=facts.container,
            reference=snapshot.reference,
            snapshot=snapshot.id,
        )
    ]
    whole = sorted(backup.volume for backup in backups if backup.is_ok)
    if whole:
        text.append(say("Backed up at the same moment and proven: {volumes}.", volumes=", ".join(whole)))
    text += [backup_told(Backed(backup=backup)).text for backup in partial]
    if missing:
        text.append(say("No backup was taken of {volumes}.", volumes=", ".join(missing)))
    return Reply(
        text=" ".join((*text, *outside_told(outside), *remarks)),
        status=Status.PARTIAL if partial or missing else Status.SUCCEEDED,
        facts=_facts(snapshot, backups, outside),
        buttons=_buttons(snapshot, outside),
    )


def _facts(snapshot: Snapshot, backups: tuple[Backup, ...], outside: list[Mounted]) -> dict[str, Value]:
    facts: dict[str, Value] = {
        "snapshot": snapshot.id,
        "reference": snapshot.reference,
        "image": snapshot.image.id,
        "container": snapshot.facts.container,
        "host": snapshot.facts.host,
        "size_bytes": snapshot.image.size_bytes,
        "backups": ", ".join(f"{backup.volume}/{backup.id}" for backup in backups),
        "not_inside": ", ".join(one.words for one in outside),
    }
    reasons = [problem.reason for backup in backups for problem in backup.manifest.problems.listed]
    return {**facts, "reason": str(max(sorted(set(reasons)), key=reasons.count))} if reasons else facts


def _buttons(snapshot: Snapshot, outside: list[Mounted]) -> tuple[Button, ...]:
    clone = Button(label=say("Start a clone"), line=f"restore {snapshot.id}")
    if not outside:
        return (clone,)
    line = f"snapshot {snapshot.facts.container} --with-volumes --host {snapshot.facts.host}"
    return (Button(label=say("Again, with its volumes"), line=line), clone)


def _remarks(taken: Taken) -> list[str]:
    said = [
        say(
            "The hook {hook} of {container} did not end well (exit code {code}): {output}.",
            hook=hook.which,
            container=hook.container,
            code=hook.exit_code,
            output=" ".join(hook.output.split())[-_SAID_CHARACTERS:] or say("(nothing said)"),
        )
        for hook in taken.hooks
    ]
    return [*said, *taken.notes]


def _only_backups(backups: tuple[Backup, ...]) -> Reply | None:
    if not backups:
        return None
    named = ", ".join(sorted(backup.volume for backup in backups))
    return Reply(
        text=say(
            "The bot was stopped in the middle of this run. There is no image: it was taken back. The backups of "
            "{volumes} were proven by then, and stay. Type the command again.",
            volumes=named,
        ),
        status=Status.INTERRUPTED,
        facts={"backups": ", ".join(f"{backup.volume}/{backup.id}" for backup in backups)},
    )
