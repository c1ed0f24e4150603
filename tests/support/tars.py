"""Small tars for tests: made, cut in pieces, read. It must not know which engine is tested."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator

from bot.engine import Engine

Member = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]
"""An entry of a tar to be made; a file comes with its bytes."""


def small_tar(files: dict[str, bytes], directories: tuple[str, ...] = ()) -> bytes:
    """A volume's tar with these files, as `volume/…`."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("volume", *(f"volume/{directory}" for directory in directories)):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.uid, info.gid = (
                tarfile.DIRTYPE,
                0o2750,
                1_600_000_000,
                1234,
                4321,
            )
            tar.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(f"volume/{name}")
            info.size, info.mode, info.mtime, info.uid = len(data), 0o640, 1_600_000_001, 1234
            tar.addfile(info, io.BytesIO(data))
    return held.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **facts: object) -> tarfile.TarInfo:
    """One entry's header: `facts` are those of TarInfo; `pax_headers` may hold nanoseconds and attributes."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644, 1_600_000_000
    for key, value in facts.items():
        setattr(info, key, value)
    return info


def tar_of(members: Iterable[Member]) -> bytes:
    """A tar in PAX form of these entries, in this order; files come with their bytes."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for one in members:
            info, data = one if isinstance(one, tuple) else (one, b"")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return held.getvalue()


def in_pieces(data: bytes, size: int = 4096) -> Iterator[bytes]:
    """The bytes, some at a time."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read_all(engine: Engine, holder: str, size: int = 65536, path: str = "/volume") -> bytes:
    """Everything the engine sends for that helper or container."""
    with engine.read_volume(holder, path) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


def contents(tar: bytes) -> dict[str, bytes]:
    """The regular files in a tar: name -> content."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as held:
        members = [member for member in held if member.isreg()]
        return {member.name: _body(held, member) for member in members}


def names(tar: bytes) -> list[str]:
    """The names in a tar, in order."""
    with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as held:
        return held.getnames()


def _body(held: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    body = held.extractfile(member)
    assert body is not None
    return body.read()
