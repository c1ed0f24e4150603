"""Restore: a proven backup into a new volume, read back and compared before it counts.

Must not know who asked for it; never writes into a volume that was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.engine import RUN_LABEL, Engine, Volume
from bot.entry import ROOT, Entry
from bot.errors import Conflict, NotFound
from bot.operations.comparison import refuse_differences
from bot.operations.context import REMOVE_HELPER, REMOVE_VOLUME, RunContext
from bot.stores.archive import Archive, Backup
from bot.tarstream import TarReader

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came of a restore. `left_out` names the volume's options that were not set again."""

    volume: str
    backup: Backup
    entries: int
    raw_bytes: int
    left_out: tuple[str, ...] = ()


def default_name(backup: Backup) -> str:
    """The volume that a backup is restored into unless another is named."""
    return f"{backup.volume}-restored-{backup.manifest.run_id}"


def restored_by(engine: Engine, run_id: str) -> str | None:
    """The volume that the run made and kept, to be asked once nothing of it is left to take back.

    Only of the local driver, whose new volumes are empty: another one's may have been kept because it was not
    ours to remove (see `_storage_in_use`). Raises EngineError.
    """
    made = [volume for volume in engine.volumes() if volume.labels.get(RUN_LABEL) == run_id]
    return made[0].name if made and made[0].driver == "local" else None


def restore(engine: Engine, archive: Archive, run: RunContext, backup: Backup, into: str) -> Restored:
    """Prove the backup, make the volume, fill it, read it back and compare every entry.

    Raises Conflict when `into` exists or turns out to hold something, ArchiveError for a damaged backup,
    EngineError when the volume does not hold what the backup holds. After any other error than Conflict the
    volume is gone.
    """
    _refuse_existing(engine, into)
    archive.prove(backup, _ticking(run, "verifying", backup))
    volume, left_out = _volume_of(backup, into, run.run_id)
    with run.undoable(REMOVE_VOLUME, name=into, run=run.run_id) as made:
        not_ours = _create(engine, volume) or _storage_in_use(engine, run, volume)
        if not_ours is None:
            _fill(engine, archive, run, backup, into)
            refuse_differences(archive.entries(backup), _read_back(engine, run, backup, into), into)
        made.keep()
    if not_ours is not None:
        raise not_ours
    manifest = backup.manifest
    return Restored(
        volume=into,
        backup=backup,
        entries=manifest.entries.count,
        raw_bytes=manifest.raw.bytes,
        left_out=left_out,
    )


def _refuse_existing(engine: Engine, name: str) -> None:
    try:
        engine.volume(name)
    except NotFound:
        return
    raise Conflict(f"Volume {name} exists already. It was not touched. Name another volume to restore into.")


def _volume_of(backup: Backup, into: str, run_id: str) -> tuple[Volume, tuple[str, ...]]:
    """The volume to make, and the options it must do without.

    A label names the run, so that taking back removes this volume and never one that somebody else made
    under the same name.

    A local volume with a `device` is only a name for storage elsewhere (a directory, NFS, tmpfs): a second
    volume with the same options would be that same storage, and filling it would overwrite what is there.
    """
    facts = backup.manifest.volume
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
        with engine.read_volume(helper) as stream:
            while len(found) < 2 and (chunk := stream.read(CHUNK_BYTES)):
                run.check()
                reader.feed(chunk)
    if all(entry.path == ROOT for entry in found):
        return None
    return Conflict(
        f"Volume {volume.name} is new but not empty: its driver {volume.driver} gave it storage that is "
        "in use. Nothing was written into it, and it was left as it is. "
        "Restore with a local volume instead."
    )


def _fill(engine: Engine, archive: Archive, run: RunContext, backup: Backup, into: str) -> None:
    helper = f"shipkeeper-write-{run.run_id}"
    tick = _ticking(run, "restoring", backup)

    def chunks() -> Iterator[bytes]:
        done = 0
        for chunk in archive.open(backup):
            done += len(chunk)
            tick(done)
            yield chunk

    with run.undoable(REMOVE_HELPER, name=helper):
        engine.create_helper(helper, into, run_id=run.run_id, read_only=False)
        engine.write_volume(helper, chunks())


def _read_back(engine: Engine, run: RunContext, backup: Backup, into: str) -> list[Entry]:
    helper = f"shipkeeper-compare-{run.run_id}"
    tick = _ticking(run, "comparing", backup)
    found: list[Entry] = []
    reader, done = TarReader(found.append), 0
    with run.undoable(REMOVE_HELPER, name=helper):
        engine.create_helper(helper, into, run_id=run.run_id, read_only=True)
        with engine.read_volume(helper) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                done += len(chunk)
                tick(done)
                reader.feed(chunk)
    reader.close()
    return found


def _ticking(run: RunContext, step: str, backup: Backup) -> Callable[[int], None]:
    def tick(done_bytes: int) -> None:
        run.check()
        run.progress(step, done_bytes, backup.manifest.raw.bytes)

    return tick
