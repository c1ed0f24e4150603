"""What a volume holds, thing by thing, as the tar names it and as the list beside a backup keeps it.

Words only: it must not know tar, disk or engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii

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
        link = "null" if self.link is None else _quote(self.link)
        device = "null" if self.device is None else f"[{self.device[0]},{self.device[1]}]"
        sha256 = "null" if self.sha256 is None else f'"{self.sha256}"'
        return (
            f'{{"path":{_quote(self.path)},"kind":"{self.kind}","size":{self.size},"mode":{self.mode},'
            f'"uid":{self.uid},"gid":{self.gid},"mtime":{self.mtime!r},"link":{link},"device":{device},'
            f'"sha256":{sha256}}}\n'
        )

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
        link = "null" if self.link is None else _quote(self.link)
        device = "null" if self.device is None else f"[{self.device[0]},{self.device[1]}]"
        attributes = _encode(self.attributes) if self.attributes else "{}"
        return (
            f'{{"path":{_quote(self.path)},"kind":"{self.kind}","size":{self.size},"mode":{self.mode},'
            f'"uid":{self.uid},"gid":{self.gid},"mtime_ns":{self.mtime_ns},"ctime_ns":{self.ctime_ns},'
            f'"inode":{self.inode},"links":{self.links},"used_bytes":{self.used_bytes},"link":{link},'
            f'"device":{device},"attributes":{attributes}}}\n'
        )

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


_quote: Callable[[str], str] = encode_basestring_ascii
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def printable(name: str) -> str:
    """A file's name as it may be shown: bytes that are not text become `?`."""
    return name.encode("utf-8", "replace").decode("utf-8")
