"""Restore: a proven backup into a new volume, read back and compared before it counts.

Must not know who asked for it; never writes into a volume that was there before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.engine import RUN_LABEL, Engine, Volume
from bot.entry import ROOT, Entry, printable
from bot.errors import Conflict, NotFound, StreamCut
from bot.language import later, say
from bot.model import Reply, Value
from bot.operations.context import REMOVE_HELPER, REMOVE_VOLUME, RunContext
from bot.operations.filling import Filler, Spot, filling
from bot.operations.place import source_of
from bot.operations.reading import CHUNK_BYTES
from bot.operations.stage import tool_of
from bot.stores.archive import Archive, Backup, VolumeFacts
from bot.tar.stream import TarReader

_NO_VOLUME_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class RestorePlan:
    """A backup, or only the file or directory at `path` in it, and the volume that is to be made of it."""

    backup: Backup
    into: str
    path: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """What the run must hold: what the backup is of, and the volume that is to be."""
        return tuple(dict.fromkeys((f"volume:{self.backup.volume}", f"volume:{self.into}")))

    @property
    def text(self) -> str:
        """What will be done, in a sentence."""
        run_id, source = self.backup.manifest.run_id, source_of(self.backup)
        if self.path:
            return say(
                "Restore “{path}” of backup {backup} of {source} into the new volume {volume}.",
                path=printable(self.path),
                backup=run_id,
                source=source,
                volume=self.into,
            )
        return say(
            "Restore backup {backup} of {source} into the new volume {volume}.",
            backup=run_id,
            source=source,
            volume=self.into,
        )

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps, to be said to people."""
        return (later("verify"), later("fill"), later("compare"))

    @property
    def facts(self) -> dict[str, Value]:
        """What is known of it before anything is begun."""
        return {
            "volume": self.into,
            "path": self.path,
            "backup": self.backup.id,
            "needed_bytes": self.backup.manifest.raw.bytes,
        }

    def explained(self, engine: Engine) -> str:
        """What would be done, step by step; raises Conflict when it would be refused as things stand."""
        refuse_existing(engine, self.into)
        in_full = say(
            "In full: the stored bytes are compared, the volume is made, and filled while the whole backup is proven, "
            "read back and compared; unless all holds, it is removed again. No container is touched."
        )
        return f"{self.text} {in_full}"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came of a restore, of all of a backup or of what is at `path` in it.

    `left_out` names the volume's options that were not set again.
    `losses` says what of the content could not be put back, though the backup holds it.
    """

    volume: str
    backup: Backup
    path: str = ""
    entries: int
    raw_bytes: int
    left_out: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


def reply_of_new(done: Restored, host: str) -> Reply:
    """The result in words and facts."""
    told = [_told_new(done)]
    if done.left_out:
        told.append(
            say("These volume options were not set again: {options}.", options=", ".join(done.left_out))
        )
    if not done.backup.is_ok:
        told.append(
            say(
                "The backup is partial: it names {count} files that are not in it as they were.",
                count=done.backup.manifest.problems.count,
            )
        )
    if done.losses:
        told.append(say("Not put back: {losses}.", losses="; ".join(done.losses)))
    return Reply(
        text=" ".join(told),
        facts={
            "volume": done.volume,
            "host": host,
            "backup": done.backup.id,
            "entries": done.entries,
            "raw_bytes": done.raw_bytes,
            "losses": "; ".join(done.losses),
        },
    )


def _told_new(done: Restored) -> str:
    run_id, source = done.backup.manifest.run_id, source_of(done.backup)
    if done.path:
        return say(
            "What is at “{path}” in backup {backup} of {source} is restored into the new volume {volume}; what "
            "it holds was read back and is the same, entry by entry.",
            path=printable(done.path),
            backup=run_id,
            source=source,
            volume=done.volume,
        )
    return say(
        "Backup {backup} of {source} is restored into the new volume {volume}; what it holds was read back and "
        "is the same, entry by entry.",
        backup=run_id,
        source=source,
        volume=done.volume,
    )


def reply_of_new_after_crash(engine: Engine, run_id: str) -> Reply | None:
    """The result as far as it is known after the bot died; None unless the run’s volume was proven and kept."""
    volume = restored_by(engine, run_id)
    if volume is None:
        return None
    return Reply(
        text=say(
            "The backup is restored into the new volume {volume}; what it holds was read back and is the same, "
            "entry by entry. The bot was stopped just after that.",
            volume=volume,
        ),
        facts={"volume": volume, "host": engine.host},
    )


def default_name(backup: Backup) -> str:
    """The volume that a backup is restored into unless another is named."""
    name = _NO_VOLUME_NAME.sub("-", backup.volume).strip("-.")
    return f"{name}-restored-{backup.manifest.run_id}"


def restored_by(engine: Engine, run_id: str) -> str | None:
    """The volume that a run made, which is known to have kept one.

    Only of the local driver, whose new volumes are empty: another one's may have been kept because it was not
    ours to remove (see `_storage_in_use`). Raises EngineError.
    """
    made = [volume for volume in engine.volumes() if volume.labels.get(RUN_LABEL) == run_id]
    return made[0].name if made and made[0].driver == "local" else None


def restore(engine: Engine, archive: Archive, run: RunContext, backup: Backup, into: str) -> Restored:
    """All of a backup into a new volume; see `restore_part`."""
    return restore_part(engine, archive, run, RestorePlan(backup=backup, into=into))


def restore_part(engine: Engine, archive: Archive, run: RunContext, plan: RestorePlan) -> Restored:
    """Prove the backup, make the volume, fill it, read it back and compare everything.

    Raises Conflict when the volume exists or turns out to hold something, NotFound when the backup has nothing at
    the path, ArchiveError for a damaged backup, EngineError when the volume does not hold what the backup holds.
    After any other error than Conflict the volume is gone.
    """
    refuse_existing(engine, plan.into)
    volume, left_out = _volume_of(plan.backup, plan.into, run.run_id)
    with (
        filling(engine, archive, run, plan.backup, plan.path) as filler,
        run.undoable(REMOVE_VOLUME, name=plan.into, run=run.run_id) as made,
    ):
        not_ours = _create(engine, volume) or _storage_in_use(engine, run, volume)
        if not_ours is None:
            _fill(engine, run, filler, plan.into)
        made.keep()
    if not_ours is not None:
        raise not_ours
    return Restored(
        path=plan.path,
        volume=plan.into,
        backup=plan.backup,
        entries=filler.entries,
        raw_bytes=filler.raw_bytes,
        left_out=left_out,
        losses=filler.losses,
    )


def _fill(engine: Engine, run: RunContext, filler: Filler, into: str) -> None:
    """With a tool, if there is an inventory that only a walk can be compared with."""
    spot = Spot.volume(into, filler.root, is_directory=filler.is_directory)
    if not filler.has_inventory:
        filler.fill(spot)
        filler.compare(spot, None)
        return
    tool = tool_of(run.run_id)
    with run.undoable(REMOVE_HELPER, name=tool):
        engine.create_tool(tool, into, run_id=run.run_id, read_only=True)
        filler.refuse_full(tool, say("in volume {volume}", volume=into))
        filler.fill(spot)
        filler.compare(spot, tool)


def refuse_existing(engine: Engine, name: str) -> None:
    """Raises Conflict when there is a volume of that name."""
    try:
        engine.volume(name)
    except NotFound:
        return
    raise Conflict(
        say(
            "Volume {volume} exists already. It was not touched. Name another volume to restore into.",
            volume=name,
        )
    )


def _volume_of(backup: Backup, into: str, run_id: str) -> tuple[Volume, tuple[str, ...]]:
    """The volume to make, and the options it must do without.

    A label names the run, so that taking back removes this volume and never one that somebody else made
    under the same name.

    A local volume with a `device` is only a name for storage elsewhere (a directory, NFS, tmpfs): a second
    volume with the same options would be that same storage, and filling it would overwrite what is there.
    """
    facts = backup.manifest.volume
    if backup.manifest.source.kind != "volume":  # a path has nothing that a volume could be made of
        facts = VolumeFacts(name=into, driver="local")
    left_out: tuple[str, ...] = ()
    if facts.driver == "local" and "device" in facts.options:
        left_out = tuple(sorted(facts.options))
    options = {key: value for key, value in facts.options.items() if key not in left_out}
    labels = {**facts.labels, RUN_LABEL: run_id}
    return Volume(name=into, driver=facts.driver, labels=labels, options=options), left_out


def _create(engine: Engine, volume: Volume) -> Conflict | None:
    """Make it; a conflict means that somebody else made it since we looked, so it is not ours to remove."""
    try:
        engine.create_volume(volume)
    except Conflict as error:
        return error
    return None


def _storage_in_use(engine: Engine, run: RunContext, volume: Volume) -> Conflict | None:
    """A driver may hand out storage that is in use; unpacking would merge into it (engine fact 12)."""
    helper = f"shipkeeper-look-{run.run_id}"
    found: list[Entry] = []
    reader = TarReader(found.append)
    with run.undoable(REMOVE_HELPER, name=helper):
        engine.create_helper(helper, volume.name, run_id=run.run_id, read_only=True)
        try:
            with engine.read_volume(helper, check=run.check) as stream, run.watched(stream.abort):
                while len(found) < 2 and (chunk := stream.read(CHUNK_BYTES)):
                    run.check()
                    reader.feed(chunk)
        except StreamCut:
            run.check()  # who asked for an end is told so, and not of the stream that was cut for it
            raise
    if all(entry.path == ROOT for entry in found):
        return None
    return Conflict(
        say(
            "Volume {volume} is new but not empty: its driver {driver} gave it storage that is "
            "in use. Nothing was written into it, and it was left as it is. "
            "Restore with a local volume instead.",
            volume=volume.name,
            driver=volume.driver,
        )
    )
