"""A single file as a tar, into a container and out of it: made, renamed, read back and hashed.

Must not know why it is copied, nor whether what it takes the place of is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass

from bot.engine import Engine
from bot.entry import Entry
from bot.errors import EngineError, NotFound
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.reading import CHUNK_BYTES, true_cause
from bot.reasons import Reason
from bot.tar.edit import Edit, edit
from bot.tar.header import BLOCK_BYTES, Header, pax_header
from bot.tar.stream import TarParser, TarReader

_END = bytes(2 * BLOCK_BYTES)
_CAPABILITY = "SCHILY.xattr.security.capability"
_SET_ID = 0o6000


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file is beside its content; `mtime` is in seconds."""

    size: int
    mode: int
    uid: int
    gid: int
    mtime: float
    has_powers: bool = False
    """It is setuid or setgid, or has capabilities: a change of its owner, even to the same one, takes those away."""


Content = Callable[[str], Generator[bytes, None, None]]
"""A file's tar under the name it is given; it may be asked for more than once. Close what is not read to its end."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A content, how long it is, and its SHA-256, which is known at the latest once its tar was read to the end."""

    tar: Content
    size: int
    sha256: Callable[[], str]


def made_of(facts: Facts, open_chunks: Callable[[], Iterable[bytes]], what: str) -> Stored:
    """A file of these bytes; its tar raises EngineError when they are more or fewer than `facts` say."""
    seen = hashlib.sha256()

    def tar(name: str) -> Generator[bytes, None, None]:
        nonlocal seen
        seen, count = hashlib.sha256(), 0
        yield _header(name, facts)
        for chunk in open_chunks():
            count += len(chunk)
            if count > facts.size:
                break
            seen.update(chunk)
            yield chunk
        if count != facts.size:
            raise EngineError(_changed(what, facts.size, count), reason=Reason.CHANGED)
        yield bytes(-count % BLOCK_BYTES) + _END

    return Stored(tar=tar, size=facts.size, sha256=lambda: seen.hexdigest())


def _changed(what: str, size: int, count: int) -> str:
    if count > size:
        return say(
            "{what} changed while it was read: it had {size} bytes and now has more. Nothing of it was kept. "
            "Send the command again.",
            what=what,
            size=size,
        )
    return say(
        "{what} changed while it was read: it had {size} bytes and now has {count}. Nothing of it was kept. "
        "Send the command again.",
        what=what,
        size=size,
        count=count,
    )


def renamed(chunks: Callable[[], Generator[bytes, None, None]], root: str) -> Content:
    """The tar of one file under another name, with whatever its header says of it."""

    def tar(name: str) -> Generator[bytes, None, None]:
        with_name = Edit(records={"path": name})
        with closing(chunks()) as read:
            yield from edit(read, lambda _entry: with_name, root)

    return tar


def facts_at(engine: Engine, holder: str, path: str) -> Facts:
    """Owner, permissions and size of what is there, from the first header of its tar; the rest is not read.

    Raises NotFound, EngineError.
    """
    first = _First()
    with engine.read_volume(holder, path) as stream:
        while first.facts is None and (chunk := stream.read(BLOCK_BYTES)):
            first.feed(chunk)
        stream.abort()
    if first.facts is None:
        raise EngineError(
            say(
                "Docker said nothing of {path} in {container}. Nothing was changed. Look at the host.",
                path=path,
                container=holder,
            )
        )
    return first.facts


def sha256_at(engine: Engine, holder: str, path: str, run: RunContext | None = None) -> str | None:
    """The SHA-256 of the file that is there now, read whole to the tar's end marker; None when no file is there.

    It ends soon when the run must. Raises EngineError (StreamCut).
    """
    found: list[Entry] = []
    reader = TarReader(found.append, root=path.rsplit("/", 1)[-1])
    check = run.check if run else lambda: None
    try:
        with (
            true_cause(check),
            engine.read_volume(holder, path, check=check) as stream,
            run.watched(stream.abort) if run else nullcontext(),
        ):
            while chunk := stream.read(CHUNK_BYTES):
                check()
                reader.feed(chunk)
            reader.close()
    except NotFound:
        return None
    return found[0].sha256 if len(found) == 1 and found[0].kind == "file" else None


class _First(TarParser):
    """Keeps what the first header says."""

    def __init__(self) -> None:
        super().__init__("")
        self.facts: Facts | None = None

    def opened(self, header: Header, block: bytes, records: dict[str, str]) -> None:  # noqa: ARG002
        """Take it down; what comes later is of other things."""
        if self.facts is None:
            self.facts = Facts(
                size=header.size,
                mode=header.mode & 0o7777,
                uid=header.uid,
                gid=header.gid,
                mtime=header.mtime,
                has_powers=bool(header.mode & _SET_ID) or _CAPABILITY in records,
            )


def _header(name: str, facts: Facts) -> bytes:
    """A regular file's header, ustar, behind PAX records that say what ustar's fields cannot hold."""
    records = {
        "path": name,
        "size": str(facts.size),
        "uid": str(facts.uid),
        "gid": str(facts.gid),
        "mtime": f"{facts.mtime:.9f}",
    }
    block = bytearray(BLOCK_BYTES)
    block[:4] = b"file"
    for start, text in (
        (100, b"%07o\0" % facts.mode),
        (108, b"%07o\0" % (facts.uid & 0o7777777)),
        (116, b"%07o\0" % (facts.gid & 0o7777777)),
        (124, b"%011o\0" % (facts.size if facts.size < 8**11 else 0)),
        (136, b"%011o\0" % (int(max(facts.mtime, 0)) & (8**11 - 1))),
        (148, b" " * 8),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ):
        block[start : start + len(text)] = text
    block[148:156] = b"%06o\0 " % sum(block)
    return pax_header(records) + bytes(block)
