"""Which snapshots a host has, and which backups belong to them.

Looks and changes nothing; it must not know how a snapshot is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from bot.engine import Engine
from bot.errors import EngineError, NotFound
from bot.language import say
from bot.operations.snapshotlabels import Snapshot, read
from bot.stores.archive import Archive, Backup

_log = logging.getLogger(__name__)


def listed(engine: Engine) -> tuple[Snapshot, ...]:
    """The snapshots of a host, newest first; images that were built from one bear its labels, and are left out."""
    found: dict[str, Snapshot] = {}
    for snapshot in _all(engine):
        found.setdefault(snapshot.id, snapshot)
    return tuple(reversed(found.values()))


def find(
    engine: Engine, snapshot_id: str, is_ours: Callable[[str, str], bool] = lambda *_: False
) -> Snapshot:
    """The snapshot of that id; raises NotFound when this host has not got its image.

    Of several images that say they are it that one which `is_ours(snapshot, image)` says, else the oldest, which may
    say anything of its age, too.
    """
    found = [one for one in _all(engine) if one.id == snapshot_id]
    for snapshot in sorted(found, key=lambda one: not is_ours(one.id, one.image.id)):
        return snapshot
    raise NotFound(
        say(
            "There is no snapshot {snapshot} on host {host}. Nothing was changed. `snapshots` lists them; "
            "one that was pushed is there again once it is pulled.",
            snapshot=snapshot_id,
            host=engine.host,
        )
    )


def _all(engine: Engine) -> Iterator[Snapshot]:
    """Every image with labels that can be read, the oldest first."""
    for image in engine.snapshots():
        try:
            yield read(image)
        except EngineError as error:
            _log.debug("%s", error)


def backups_of(archive: Archive, snapshot_id: str) -> Mapping[str, Backup]:
    """The backups that were taken together with the snapshot, by what they are of."""
    return {backup.volume: backup for backup in archive.of_run(snapshot_id)}
