"""What the archive's tests share: a clock that moves when told, a small tar, and backups made of it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from bot.entry import Item
from bot.model import Actor
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
from bot.stores.archive.fields import write_object
from bot.tar.stream import TarReader

START = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@cache
def small_tar(root: str = "volume") -> bytes:
    """A small directory's tar made by GNU tar."""
    script = (
        f"cd $(mktemp -d) && mkdir -p {root}/d && printf hi > {root}/d/f && ln -s d {root}/s && tar -c {root}"
    )
    return subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout


def item_of(path: str, **changes: Any) -> Item:
    """A file as a walk may find it."""
    item = Item(
        path=path, kind="file", size=2, mode=0o640, uid=7, gid=8, mtime_ns=1_700_000_000_123_456_789,
        ctime_ns=1_700_000_000_987_654_321, inode=5, links=1, used_bytes=4096, attributes={"user.a": "00ff"},
    )  # fmt: skip
    return replace(item, **changes)


def manifest_of(sealed: Sealed, **changes: object) -> Manifest:
    """A manifest that fits what was sealed."""
    manifest = Manifest(
        id=sealed.id, host=sealed.host, run_id=sealed.run_id,
        engine=EngineFacts(name="Docker", version="28.5.2", api_version="1.51"),
        volume=VolumeFacts(name=sealed.volume, driver="local", labels={"a": "b"}, options={}),
        actor=Actor(id="U1", name="Ada"),
        quiesce=QuiesceFacts(mode="none"),
        started_at=sealed.started_at, ended_at=sealed.ended_at,
        raw=sealed.raw, stored=sealed.stored, entries=sealed.entries, inventory=sealed.inventory,
    )  # fmt: skip
    return replace(manifest, **changes)  # type: ignore[arg-type]


def fill(draft: Draft, tar: bytes) -> None:
    """Put the tar and its entries into the draft."""
    reader = TarReader(draft.entry)
    reader.feed(tar)
    reader.close()
    draft.write(tar)


def back_up(archive: Archive, volume: str = "pgdata", run_id: str = "r1", items: int = 0) -> Backup:
    """A backup of the small tar, with so many items on its inventory."""
    with archive.begin("local", volume, run_id) as draft:
        for number in range(items):
            draft.item(item_of(f"d/f{number}"))
        fill(draft, small_tar())
        return draft.publish(manifest_of(draft.seal()))


def rewrite(path: Path, **changes: object) -> None:
    """Change keys of a manifest or of marks, and give it the checksum that it then must have."""
    found = json.loads(path.read_text())
    del found["checksum"], found["format"]
    path.write_text(write_object({**found, **changes}))


def files_below(root: Path) -> list[str]:
    """Every file, by its name below the root."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def over(_: str) -> bool:
    """Every run is over."""
    return True


def ignore(_: int) -> None:
    """Take a tick and do nothing."""
