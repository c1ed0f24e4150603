"""What a volume holds, thing by thing, as the tar names it and as the list beside a backup keeps it.

Words only: it must not know tar, disk or engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

KINDS = ("file", "directory", "symlink", "hardlink", "fifo", "char", "block")
ROOT = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in a volume: `path` is relative to the volume, its root is `.`; `mtime` is in seconds.

    `mode` holds the permission bits with setuid, setgid and sticky. `link` is a symbolic link's text as it
    stands, or the path, relative to the volume, that a hard link shares its content with. Names that are not
    UTF-8 carry their bytes as lone surrogates (PEP 383).
    """

    path: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int | float
    link: str | None = None
    device: tuple[int, int] | None = None
    sha256: str | None = None

    def to_line(self) -> str:
        """One line of JSON in ASCII, line feed included; lone surrogates survive as `\\udcXX`."""
        return _encode({name: getattr(self, name) for name in _FIELDS}) + "\n"

    @classmethod
    def from_line(cls, line: str | bytes) -> Entry:
        """The entry that `to_line` wrote; raises ValueError for anything else."""
        found = json.loads(line)
        if not isinstance(found, dict) or found.get("kind") not in KINDS:
            raise ValueError("not an entry")
        if found.get("device") is not None:
            found["device"] = tuple(found["device"])
        try:
            return cls(**found)
        except TypeError as error:
            raise ValueError("not an entry") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing as a walk through the file system found it, without reading what is in it.

    Paths as in `Entry`. `kind` is one of `KINDS` without `hardlink`, or `socket`: files that share an `inode` are
    hard links of each other, and `links` counts them. Times are nanoseconds since 1970; `mode` holds the permission
    bits with setuid, setgid and sticky. `used_bytes` is what it takes on the disk: less than `size` when sparse.
    `attributes` are its extended attributes (POSIX ACLs are two of them, `system.posix_acl_*`): name -> bytes in hex.
    """

    path: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int
    used_bytes: int
    link: str | None = None
    device: tuple[int, int] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def to_line(self) -> str:
        """One line of JSON in ASCII, line feed included."""
        return _encode({name: getattr(self, name) for name in _ITEM_FIELDS}) + "\n"

    @classmethod
    def from_line(cls, line: str | bytes) -> Item:
        """The item that `to_line` wrote; raises ValueError for anything else."""
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("not an item")
        if found.get("device") is not None:
            found["device"] = tuple(found["device"])
        try:
            return cls(**found)
        except TypeError as error:
            raise ValueError("not an item") from error


_FIELDS = tuple(field.name for field in fields(Entry))
_ITEM_FIELDS = tuple(field.name for field in fields(Item))
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def printable(name: str) -> str:
    """A file's name as it may be shown: bytes that are not text become `?`."""
    return name.encode("utf-8", "replace").decode("utf-8")
