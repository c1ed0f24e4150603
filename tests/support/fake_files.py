"""A file system in memory: inodes, hard links, nanoseconds, attributes, and what is mounted where.

It must not know volumes, containers or tars.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

BIRTH_NS = 1_700_000_000_000_000_000
"""When everything a test puts there was last modified, unless it says otherwise."""

_NOW_NS = 1_767_225_600_000_000_000
_TICK_NS = 1_000_003
_BLOCK = 4096
_MAX_LINKS = 40


@dataclass(eq=False, kw_only=True)
class Node:
    """One inode. `kind` is as in `Item`; `used_bytes` None means that the file is not sparse."""

    kind: str
    inode: int
    mode: int
    ctime_ns: int
    mtime_ns: int = BIRTH_NS
    uid: int = 0
    gid: int = 0
    data: bytes = b""
    target: str = ""
    device: tuple[int, int] | None = None
    attributes: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    links: int = 1
    used_bytes: int | None = None

    @property
    def size(self) -> int:
        """What `lstat` says."""
        sizes = {"file": len(self.data), "directory": _BLOCK}
        return sizes.get(self.kind, len(self.target.encode("utf-8", "surrogateescape")))

    @property
    def blocks_bytes(self) -> int:
        """What it takes on the disk."""
        if self.used_bytes is not None:
            return self.used_bytes
        return -(-self.size // _BLOCK) * _BLOCK if self.kind in ("file", "directory") else 0


class Disk:
    """The host's disk: hands out inode numbers and moments, and is locked by whoever looks or changes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._inodes = 1
        self._moments = 0
        self.root = self.new("directory")

    def new(self, kind: str, **facts: Any) -> Node:
        """A new inode with nothing that leads to it."""
        with self.lock:
            self._inodes += 1
            facts.setdefault("mode", {"directory": 0o755, "symlink": 0o777}.get(kind, 0o644))
            return Node(kind=kind, inode=self._inodes, ctime_ns=self.now(), **facts)

    def now(self) -> int:
        """A later moment than any before, in nanoseconds since 1970."""
        with self.lock:
            self._moments += 1
            return _NOW_NS + self._moments * _TICK_NS


class Tree:
    """What can be reached from one directory; `mounts` lie over directories in it. Paths are relative; "" is itself.

    The verbs do what the system calls do: they move times, keep inodes, and raise FileNotFoundError. `facts` are
    `mode uid gid mtime_ns attributes used_bytes`.
    """

    def __init__(self, disk: Disk, root: Node, mounts: Mapping[str, Node] | None = None) -> None:
        self.disk = disk
        self.root = root
        self._mounts = {_parts(path): node for path, node in (mounts or {}).items()}

    # --- looking ---

    def find(self, path: str, *, follow: bool = False) -> Node | None:
        """What stands there; `follow` also follows a symbolic link that stands there."""
        with self.disk.lock:
            return self._locate(path, follow=follow)[1]

    def node(self, path: str) -> Node:
        """What stands there, or FileNotFoundError."""
        found = self.find(path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    def end_of(self, path: str) -> str:
        """The absolute path it leads to with every link followed, there or not; OSError for a circle of links."""
        with self.disk.lock:
            todo, links = list(_parts(path)), 0
            at: tuple[str, ...] = ()
            while todo:
                part = todo.pop(0)
                here = at[:-1] if part == ".." else (*at, part)
                found = self._plain(here)
                if found is None or found.kind != "symlink":
                    at = here
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, path)
                todo, at = [*_parts(found.target), *todo], () if found.target.startswith("/") else at
            return "/" + "/".join(at)

    def names(self, path: str) -> list[str]:
        """What a directory holds, in the order of the names' bytes; what is mounted in it belongs to it."""
        with self.disk.lock:
            at, node = self._locate(path)
            held = set() if node is None else set(node.children)
            held |= {where[-1] for where in self._mounts if where and where[:-1] == at}
            return sorted(held, key=lambda name: name.encode("utf-8", "surrogateescape"))

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Everything, `path` itself first, each looked up only when it is reached, as the engine's archiver does."""
        node = self.find(path)
        if node is None:
            return
        names = self.names(path) if node.kind == "directory" else []
        yield path, node
        for name in names:
            yield from self.walk(f"{path}/{name}" if path else name)

    def files(self) -> dict[str, bytes]:
        """The regular files: path -> content."""
        with self.disk.lock:
            return {path: node.data for path, node in self.walk() if node.kind == "file"}

    # --- changing ---

    def file(self, path: str, data: bytes, **facts: Any) -> Node:
        """Write a file and the directories above it; one that is there keeps its inode and its mode.

        Its mtime becomes `BIRTH_NS` unless given, even when it was there: then only its ctime betrays the change.
        """
        with self.disk.lock:
            node = self.find(path)
            if node is None or node.kind != "file":
                node = self._add(path, self.disk.new("file"))
            node.data, node.used_bytes, node.mtime_ns = data, None, BIRTH_NS
            return self.change(path, **facts)

    def directory(self, path: str, **facts: Any) -> Node:
        """Make a directory and those above it, or change the one that is there."""
        with self.disk.lock:
            node = self.find(path)
            if node is None:
                self._add(path, self.disk.new("directory"))
            return self.change(path, **facts)

    def symlink(self, path: str, target: str, **facts: Any) -> Node:
        """Make a symbolic link with that text."""
        return self._add(path, self.disk.new("symlink", target=target, **facts))

    def special(self, path: str, kind: str, device: tuple[int, int] | None = None, **facts: Any) -> Node:
        """Make a `fifo`, `socket`, `char` or `block`."""
        return self._add(path, self.disk.new(kind, device=device, **facts))

    def hard_link(self, path: str, first: str) -> Node:
        """Give the inode at `first` another name."""
        with self.disk.lock:
            node = self._add(path, self.node(first))
            node.links += 1
            node.ctime_ns = self.disk.now()
            return node

    def change(self, path: str, **facts: Any) -> Node:
        """Set facts of what is there (chmod, chown, utimes, setxattr); its ctime moves."""
        with self.disk.lock:
            node = self.node(path)
            for name, value in facts.items():
                setattr(node, name, dict(value) if name == "attributes" else value)
            node.ctime_ns = self.disk.now()
            return node

    def rewrite(self, path: str, data: bytes) -> Node:
        """Write other bytes into a file, in place, as a program does: mtime is now."""
        return self.change(path, data=data, used_bytes=None, mtime_ns=self.disk.now())

    def resize(self, path: str, size: int) -> Node:
        """Cut a file, or let it grow by zeros."""
        with self.disk.lock:
            data = self.node(path).data
            return self.rewrite(path, data[:size] + bytes(max(0, size - len(data))))

    def remove(self, path: str) -> None:
        """Take a name away, and all below it; an inode that is open somewhere stays readable there."""
        with self.disk.lock:
            parent, name = self._parent(path)
            if name not in parent.children:
                raise FileNotFoundError(path)
            self._drop(parent, name)

    def rename(self, old: str, new: str) -> None:
        """Rename within this tree; what is in the way is replaced, as `rename(2)` does with a file."""
        with self.disk.lock:
            node = self.node(old)
            before, old_name = self._parent(old)
            after, new_name = self._parent(new)
            del before.children[old_name]
            if new_name in after.children:
                self._drop(after, new_name)
            after.children[new_name] = node
            moment = self.disk.now()
            before.mtime_ns = before.ctime_ns = after.mtime_ns = after.ctime_ns = node.ctime_ns = moment

    # --- inside ---

    def _add(self, path: str, node: Node) -> Node:
        with self.disk.lock:
            self._make_above(path)
            parent, name = self._parent(path)
            if name in parent.children:
                self._drop(parent, name)
            parent.children[name] = node
            parent.mtime_ns = parent.ctime_ns = self.disk.now()
            return node

    def _drop(self, parent: Node, name: str) -> None:
        node = parent.children.pop(name)
        for inner in list(node.children):
            self._drop(node, inner)
        node.links -= 1
        node.ctime_ns = parent.mtime_ns = parent.ctime_ns = self.disk.now()

    def _make_above(self, path: str) -> None:
        parts = _parts(path)
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if self.find(above, follow=True) is None:
                parent, name = self._parent(above)
                parent.children[name] = self.disk.new("directory")

    def _parent(self, path: str) -> tuple[Node, str]:
        *above, name = _parts(path)
        parent = self.find("/".join(above), follow=True)
        if parent is None or parent.kind != "directory":
            raise FileNotFoundError(path)
        return parent, name

    def _locate(self, path: str, *, follow: bool = False) -> tuple[tuple[str, ...], Node | None]:
        todo, links = list(_parts(path)), 0
        at: tuple[str, ...] = ()
        node: Node | None = self._plain(())
        while todo and node is not None:
            part = todo.pop(0)
            here: tuple[str, ...] = at[:-1] if part == ".." else (*at, part)
            found = self._plain(here) if part == ".." or node.kind == "directory" else None
            if found is not None and found.kind == "symlink" and (todo or follow):
                links += 1
                if links > _MAX_LINKS:
                    return here, None
                todo = [*_parts(found.target), *todo]
                at, node = ((), self._plain(())) if found.target.startswith("/") else (at, node)
            else:
                at, node = here, found
        return at, node

    def _plain(self, at: tuple[str, ...]) -> Node | None:
        """What stands at a path without symbolic links and dots."""
        node: Node | None = self._mounts.get((), self.root)
        for depth in range(1, len(at) + 1):
            if node is None:
                return None
            node = self._mounts.get(at[:depth]) or node.children.get(at[depth - 1])
        return node


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))
