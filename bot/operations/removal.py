"""Removing a volume: what is known of it, what speaks against it, the code that confirms it, and the removal, proven.

Must not know who asked. Nothing brings a removed volume back but a backup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from bot.engine import Container, Engine, Volume
from bot.errors import Conflict, EngineError
from bot.language import say
from bot.operations.changes import Difference
from bot.operations.context import REMOVE_HELPER, RunContext
from bot.operations.holds import is_verified
from bot.stores.archive import Archive, Backup

_PART = 8
"""Characters of each of the two parts of a code."""
_TICK = 256


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What lies in a volume: how many things, and the bytes of its files."""

    entries: int
    raw_bytes: int


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """A volume that is to go, who uses it, and its newest verified backup, which brings it back.

    `dump` is the newest verified dump where there is nothing better: it brings a database back, and no volume.
    """

    host: str
    volume: Volume
    users: tuple[Container, ...]
    backup: Backup | None
    dump: Backup | None = None

    @property
    def code(self) -> str:
        """What confirms the plan: half of it stands for the volume itself, half for its backup."""
        itself = (self.host, self.volume.name, self.volume.created_at, self.volume.mountpoint)
        users = (user.id for user in self.users)
        return _digest((*itself, *users)) + _digest((self.backup.id if self.backup else "",))

    def refuse_used(self) -> None:
        """Raises Conflict while any container, in whatever state, mounts it."""
        if self.users:
            users = ", ".join(f"{user.name} ({user.state})" for user in self.users)
            raise Conflict(
                say(
                    "Volume {volume} is used by {containers}. It was not removed. Remove these containers first, "
                    "or leave it.",
                    volume=self.volume.name,
                    containers=users,
                )
            )

    def refuse_outdated(self, code: str) -> None:
        """Raises Conflict, which says what changed, when the plan that the code confirms was made from other facts."""
        changed = []
        if code[:_PART] != self.code[:_PART]:
            changed.append(
                say("the volume is not the one that was shown: it was made anew, or the code is of another")
            )
        if code[_PART:] != self.code[_PART:]:
            changed.append(
                say("its newest verified backup is backup {backup} now", backup=self.backup.manifest.run_id)
                if self.backup
                else say("its newest verified backup is gone, or failed")
            )
        if changed:
            raise Conflict(
                say(
                    "That code confirms another plan: {reasons}. Volume {volume} was not removed. "
                    "Look at the plan of today: `remove-volume {volume}`.",
                    reasons="; ".join(changed),
                    volume=self.volume.name,
                )
            )


def look(engine: Engine, archive: Archive, name: str) -> Doomed:
    """What is known of the volume; raises NotFound."""
    volume, users = engine.volume(name), engine.users_of(name)
    newest = newest_verified(archive, engine.host, name)
    return Doomed(
        host=engine.host,
        volume=volume,
        users=users,
        backup=newest,
        dump=None if newest else newest_verified(archive, engine.host, name, kind="dump"),
    )


def newest_verified(archive: Archive, host: str, name: str, kind: str = "volume") -> Backup | None:
    """The newest backup of the volume's files, or of that kind, that can be relied on."""
    return next(
        (
            one
            for one in archive.backups(host, name, anew=True)
            if one.manifest.source.kind == kind and is_verified(one, archive.marks(one))
        ),
        None,
    )


def count(engine: Engine, run: RunContext, name: str) -> Contents:
    """Walk through the volume, by a tool that may only read."""
    tool, entries, size = f"shipkeeper-count-{run.run_id}", 0, 0
    with run.undoable(REMOVE_HELPER, name=tool):
        engine.create_tool(tool, name, run_id=run.run_id, read_only=True)
        with engine.inventory(tool) as items:
            for item in items:
                entries += 1
                size += item.size if item.kind == "file" else 0
                if entries % _TICK == 0:
                    run.progress(say("looking what is in it"), size)
    return Contents(entries=entries, raw_bytes=size)


def refuse_unprotected(doomed: Doomed, changes: Difference | None) -> None:
    """Raises Conflict unless a verified backup holds what the volume holds now.

    `changes` are those since that backup; None without one.
    """
    name = doomed.volume.name
    if doomed.backup is None and doomed.dump is not None:
        raise Conflict(
            say(
                "The newest verified backup {backup} of volume {volume} is a database's dump, which does not bring "
                "the volume back, and no other one does. The volume was not removed. `backup {volume}` makes "
                "one that does; `remove-volume {volume} --without-backup` goes without.",
                backup=doomed.dump.manifest.run_id,
                volume=name,
            )
        )
    if doomed.backup is None:
        raise Conflict(
            say(
                "Volume {volume} has no verified backup, so nothing would bring it back. It was not removed. "
                "`backup {volume}` makes one; `remove-volume {volume} --without-backup` goes without.",
                volume=name,
            )
        )
    if changes is not None and changes.total:
        first = ", ".join(change.path for change in changes.first)
        raise Conflict(
            say(
                "Volume {volume} was changed since its newest verified backup {backup}: "
                "{added} added, {removed} removed, {changed} changed ({first}). It was not removed. "
                "`backup {volume}` makes a new one; `remove-volume {volume} --without-backup` gives these changes up.",
                volume=name,
                backup=doomed.backup.manifest.run_id,
                added=changes.added,
                removed=changes.removed,
                changed=changes.changed,
                first=first,
            )
        )


def remove(engine: Engine, name: str) -> None:
    """Remove it, and prove by looking that it is gone; raises Conflict while it is used, EngineError if it stays."""
    engine.remove_volume(name)
    if is_there(engine, name):
        raise EngineError(
            say(
                "Docker on host {host} said that it removed volume {volume}, and still lists it. Look at the host.",
                host=engine.host,
                volume=name,
            )
        )


def is_there(engine: Engine, name: str) -> bool:
    """Whether the host lists a volume of that name."""
    return any(volume.name == name for volume in engine.volumes())


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_PART]
