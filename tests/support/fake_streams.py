"""The bytes of the fake engine: tars made while they are read, streams in and out, and the faults of all of them.

It must not know volumes or containers.
"""

from __future__ import annotations

import tarfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any, cast

from bot.errors import EngineError, StreamCut
from bot.reasons import Reason
from tests.support.fake_files import Node, Tree

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_SECOND = 1_000_000_000
_TYPES = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "fifo": tarfile.FIFOTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
}
_CAPABILITY = "security.capability"
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_NO_ACL = b"\x02\x00\x00\x00"

Act = Callable[[Any], object]
"""Something that other people do meanwhile; it is given the engine."""


class Gate(threading.Event):
    """An event that can be waited for together with others."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[threading.Event] = []

    def set(self) -> None:
        """Let everybody go on."""
        super().set()
        for one in tuple(self._waiting):
            one.set()

    @staticmethod
    def wait_for_any(gates: Sequence[Gate], seconds: float) -> bool:
        """Wait until one of them is set; False when none was in time."""
        woken = threading.Event()
        for gate in gates:
            gate._waiting.append(woken)
        try:
            return any(gate.is_set() for gate in gates) or woken.wait(seconds)
        finally:
            for gate in gates:
                gate._waiting.remove(woken)


@dataclass(kw_only=True)
class Faults:
    """What is to go wrong from now on; every field may be set and unset at any time."""

    down: bool = False
    """Every call fails, and so does the next read of an open stream."""

    failing: dict[str, EngineError] = field(default_factory=dict)
    """Name of an engine method -> what it raises, before it has done anything."""

    before: dict[str, list[Act]] = field(default_factory=dict)
    """Name of an engine method -> what happens just before it; the first of the list, once, at each call."""

    during: list[tuple[int, Act]] = field(default_factory=list)
    """(byte, act) of `read_volume`: runs once, as soon as a read has given that many bytes, before the next byte."""

    cut_at_byte: int | None = None
    """Reads end after this many bytes."""

    cut_after_entries: int | None = None
    """Reads end after this many whole entries; the end marker is missing."""

    cut_silently: bool = False
    """A cut looks like an ordinary end (engine fact 1) instead of raising StreamCut."""

    shrinking_file: str | None = None
    """Reads behave as if this file shrank to half under them; it is not changed. See `during` for a true change."""

    stall_at_byte: int | None = None
    """Reads say nothing after this many bytes until `go_on` is set, or the stall limit has passed."""

    stall_write_at_byte: int | None = None
    """Writes take nothing after this many bytes until `go_on` is set, or the stall limit has passed."""

    go_on: Gate = field(default_factory=Gate)
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set by the engine as soon as a read or a write stalls."""

    write_fails_at_byte: int | None = None
    """Writes fail after this many bytes; the entries that were whole by then stay."""

    inventory_ends_after: int | None = None
    """Walks raise after this many items."""

    exchange_stops_half_way: bool = False
    """An exchange raises after its first renaming; what was at `place` is at `aside`, and nothing at `place`."""

    execution_lost_at_byte: int | None = None
    """Programs' output ends there without an error, and nobody can know their exit code (engine fact 5)."""


@dataclass
class _Room:
    """How many bytes the reader wants next, so that a file's bytes are taken only when they are sent."""

    wanted: int = 0
    is_cut: bool = False


def _archive(tree: Tree, path: str, faults: Faults, room: _Room) -> Iterator[bytes]:
    """The archive API's tar of `path`, made as it is read (engine facts 1, 3, 10)."""
    top = path.strip("/")
    name = top.rsplit("/", 1)[-1]
    sent: dict[int, str] = {}
    count = 0
    for found, node in tree.walk(top):
        if node.kind == "socket":
            continue
        if count == faults.cut_after_entries:
            room.is_cut = True
            return
        count += 1
        inner = found.removeprefix(top).removeprefix("/")
        info = _header(f"{name}/{inner}".strip("/") if inner else name, node, sent)
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        halved = info.size // 2 if inner == faults.shrinking_file else None
        if not (yield from _body(node, info.size, room, halved)):
            return
    yield _END


def _body(node: Node, size: int, room: _Room, halved: int | None) -> Generator[bytes, None, bool]:
    """The file's bytes of the moment they are sent in, up to the size that was announced; False when it shrank."""
    at = 0
    end = size if halved is None else halved
    while at < end:
        piece = node.data[at : at + min(room.wanted, end - at)]
        if not piece:
            return False
        yield piece
        at += len(piece)
    if halved is not None:
        return False
    if size % _BLOCK:
        yield bytes(-size % _BLOCK)
    return True


def _header(name: str, node: Node, sent: dict[int, str]) -> tarfile.TarInfo:
    """As the archive API writes it: PAX, whole seconds, xattrs dropped but one (engine fact 10)."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = _TYPES[node.kind], node.mode, node.uid, node.gid
    info.mtime = node.mtime_ns // _SECOND
    info.linkname = node.target
    if node.device is not None:
        info.devmajor, info.devminor = node.device
    if _CAPABILITY in node.attributes:
        text = node.attributes[_CAPABILITY].decode("utf-8", "surrogateescape")
        info.pax_headers = {f"SCHILY.xattr.{_CAPABILITY}": text}
    if node.kind != "directory" and node.links > 1 and node.inode in sent:
        info.type, info.linkname = tarfile.LNKTYPE, sent[node.inode]
    elif node.kind == "file":
        info.size = len(node.data)
    sent.setdefault(node.inode, name)
    return info


class FakeStream:
    """An answer in progress; obeys the faults of the moment."""

    def __init__(
        self, tree: Tree, path: str, faults: Faults, stall: timedelta, happen: Callable[[int], int | None]
    ) -> None:
        """`happen(at)` does what is to happen at this byte, and says when it wants to be asked again."""
        self._room = _Room()
        self._source = _archive(tree, path, faults, self._room)
        self._lock = tree.disk.lock
        self._faults = faults
        self._stall = stall
        self._happen = happen
        self._held = b""
        self._at = 0
        self._aborted = Gate()

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as the faults allow."""
        self._refuse()
        wanted = self._until(self._happen(self._at), size)
        if self._faults.stall_at_byte is not None and not self._faults.go_on.is_set():
            if self._at >= self._faults.stall_at_byte:
                _stall(self._faults, self._stall, "sent", self._aborted)
                self._refuse()
            else:
                wanted = self._until(self._faults.stall_at_byte, wanted)
        if self._faults.cut_at_byte is not None:
            wanted = min(wanted, max(0, self._faults.cut_at_byte - self._at))
        data = self._take(wanted)
        self._at += len(data)
        if not data and size and not self._faults.cut_silently and (self._room.is_cut or self._more()):
            raise self._broken()
        return data

    def abort(self) -> None:
        """Every read raises StreamCut from now on, also one that waits."""
        self._aborted.set()

    def _refuse(self) -> None:
        if self._aborted.is_set() or self._faults.down:
            raise self._broken()

    def _broken(self) -> StreamCut:
        return StreamCut(f"The engine broke off after {self._at} bytes. The volume was not changed.")

    def _until(self, limit: int | None, size: int) -> int:
        return size if limit is None or limit <= self._at else min(size, limit - self._at)

    def _take(self, wanted: int) -> bytes:
        taken = bytearray()
        while len(taken) < wanted and (self._held or self._more(wanted - len(taken))):
            rest = wanted - len(taken)
            taken += self._held[:rest]
            self._held = self._held[rest:]
        return bytes(taken)

    def _more(self, wanted: int = 1) -> bool:
        if not self._held:
            self._room.wanted = wanted
            with self._lock:
                self._held = next(self._source, b"")
        return bool(self._held)


def _stall(faults: Faults, limit: timedelta, verb: str, aborted: Gate) -> None:
    faults.stalled.set()
    if not Gate.wait_for_any((faults.go_on, aborted), limit.total_seconds()):
        raise EngineError(
            f"The engine {verb} nothing for {limit.total_seconds():g} seconds.", reason=Reason.STALLED
        )


class FakeExecution:
    """A program that runs: its output, and its end, if it has one (`code` None: it runs until it is killed)."""

    def __init__(
        self, out: bytes | Iterable[bytes], errors: str, code: int | None, limit: timedelta, faults: Faults
    ) -> None:
        self._pieces = iter([out] if isinstance(out, bytes) else out)
        self._errors = errors
        self._code = code
        self._faults = faults
        self._limit = limit
        self._deadline = time.monotonic() + limit.total_seconds()
        self._held = b""
        self._at = 0
        self._lost = False
        self.is_over = False
        self._aborted = Gate()

    def read(self, size: int) -> bytes:
        """At most `size` bytes of what it wrote."""
        if self._aborted.is_set() or self._faults.down:
            raise StreamCut(f"The program's output broke off after {self._at} bytes.")
        if time.monotonic() >= self._deadline and not self.is_over:
            raise self._late()
        limit = self._faults.execution_lost_at_byte
        if limit is not None and self._at >= limit:
            self._lost = self.is_over = True
            return b""
        wanted = size if limit is None else min(size, limit - self._at)
        if not self._held:
            self._held = next(self._pieces, b"")
        data, self._held = self._held[:wanted], self._held[wanted:]
        self._at += len(data)
        if not data and size:
            self._end()
        return data

    def finish(self) -> int:
        """Its exit code, once it has one."""
        while self.read(1 << 16):
            pass
        if self._lost or self._code is None:
            raise EngineError("Nobody can know how the program ended.")
        return self._code

    @property
    def errors(self) -> str:
        """The end of what it wrote to its standard error."""
        return self._errors[-4000:]

    def abort(self) -> None:
        """Every read raises StreamCut from now on, also one that waits."""
        self._aborted.set()

    def _end(self) -> None:
        if self._code is not None:
            self.is_over = True
            return
        if not self._aborted.wait(max(0.0, self._deadline - time.monotonic())):
            raise self._late()
        raise StreamCut(f"The program's output broke off after {self._at} bytes.")

    def _late(self) -> EngineError:
        return EngineError(
            f"The program still ran after {self._limit.total_seconds():g} seconds.", reason=Reason.STALLED
        )


# --- the other way ---


@dataclass(frozen=True)
class File:
    """One entry that arrived: its header and, of a regular file, its bytes."""

    info: tarfile.TarInfo
    data: bytes

    @property
    def mtime_ns(self) -> int:
        """Nanoseconds, from the PAX record if there is one; none before 1970 (engine fact 11)."""
        text = str(self.info.pax_headers.get("mtime", self.info.mtime))
        whole, _, fraction = text.partition(".")
        return 0 if text.startswith("-") else int(whole) * _SECOND + int(fraction[:9].ljust(9, "0"))

    @property
    def attributes(self) -> dict[str, bytes]:
        """The extended attributes that its PAX records carry; an ACL without entries takes away what is there."""
        start = "SCHILY.xattr."
        carried = {
            key.removeprefix(start): value.encode("utf-8", "surrogateescape")
            for key, value in self.info.pax_headers.items()
            if key.startswith(start)
        }
        return {name: value for name, value in carried.items() if not (name in _ACLS and value == _NO_ACL)}


@dataclass(frozen=True, kw_only=True)
class Taking:
    """How an engine takes a tar: its faults, how long it may be silent, and what is asked meanwhile."""

    faults: Faults
    stall: timedelta
    check: Callable[[], None]


def unpack(tar: Iterator[bytes], tree: Tree, path: str, taking: Taking) -> None:
    """Unpack into `path` of the tree, entry by entry, as the engine does (engine facts 11, 12).

    Raises EngineError for a bad tar, and what `tar` raises, unchanged; what came before stays.
    """
    source = _Pipe(tar, taking)
    directories: list[tuple[Node, int]] = []
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|", errorlevel=2) as unpacked:
            for info in unpacked:
                held = unpacked.extractfile(info) if info.isreg() else None
                file = File(info, held.read() if held else b"")
                with tree.disk.lock:
                    node = _kept(tree, path, file)
                if node.kind == "directory":
                    directories.append((node, file.mtime_ns))
        while source.read(_BLOCK * 20):
            pass  # as the daemon does: what follows the end marker is read and dropped
    except tarfile.TarError as error:
        if source.count:  # of no bytes at all Docker makes nothing, without an error (engine fact 12)
            raise EngineError(
                f"The engine could not unpack the tar: {error}; what came before stays."
            ) from error
    with tree.disk.lock:
        for node, mtime_ns in directories:
            node.mtime_ns, node.ctime_ns = mtime_ns, tree.disk.now()


def _kept(tree: Tree, base: str, file: File) -> Node:
    try:
        return _keep(tree, base, file)
    except FileNotFoundError as error:  # something above it is no directory
        raise EngineError(f"The engine could not make {file.info.name!r}; what came before stays.") from error


def _keep(tree: Tree, base: str, file: File) -> Node:
    info = file.info
    where = _inside(base, info.name)
    there = tree.find(where)
    is_directory = info.isdir()
    if there is not None and not (is_directory and there.kind == "directory"):
        tree.remove(where)
    if info.islnk():
        try:
            return tree.hard_link(where, _inside(base, info.linkname))
        except FileNotFoundError as error:
            raise EngineError(f"The engine could not link {info.name!r}; what came before stays.") from error
    if is_directory:
        tree.directory(where)
    elif info.issym():
        tree.symlink(where, info.linkname)
    elif info.isreg():
        tree.file(where, file.data)
    else:
        kind = {tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block"}[info.type]
        tree.special(where, kind, (info.devmajor, info.devminor) if kind != "fifo" else None)
    node = tree.change(where, uid=info.uid, gid=info.gid, mtime_ns=file.mtime_ns, attributes=file.attributes)
    return node if info.issym() else tree.change(where, mode=info.mode & 0o7777)


def _inside(base: str, name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise EngineError(f"The engine refused {name!r}, which leaves its directory; what came before stays.")
    return "/".join([*base.strip("/").split("/"), *parts]).strip("/")


class _Pipe:
    """A file made of an iterator, for tarfile; what the iterator raises passes through."""

    def __init__(self, source: Iterator[bytes], taking: Taking) -> None:
        self._source = source
        self._faults = taking.faults
        self._taking = taking
        self._held = memoryview(b"")
        self.count = 0

    def _wait(self) -> None:
        """Take nothing, as long as the fault lasts or the engine may be silent."""
        self._faults.stalled.set()
        deadline = time.monotonic() + self._taking.stall.total_seconds()
        while not self._faults.go_on.wait(0.05):
            self._taking.check()
            if time.monotonic() > deadline:
                raise EngineError("The engine took nothing for too long.", reason=Reason.STALLED)

    def read(self, size: int) -> bytes:
        limit = self._faults.write_fails_at_byte
        if limit is not None and self.count >= limit:
            raise EngineError(f"The engine failed after {self.count} bytes; what came before stays.")
        stall = self._faults.stall_write_at_byte
        if stall is not None and self.count >= stall and not self._faults.go_on.is_set():
            self._wait()
        wanted = size if limit is None else min(size, limit - self.count)
        taken = bytearray()
        while len(taken) < wanted:
            if not self._held:
                piece = next(self._source, None)
                if piece is None:
                    break
                self._held = memoryview(piece)
            rest = wanted - len(taken)
            taken += self._held[:rest]
            self._held = self._held[rest:]
        self.count += len(taken)
        return bytes(taken)
