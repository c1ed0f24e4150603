"""Small tars for tests: made, cut in pieces, read. It must not know which engine is tested."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from bot.engine import Engine


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


def in_pieces(data: bytes, size: int = 4096) -> Iterator[bytes]:
    """The bytes, some at a time."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read_all(engine: Engine, helper: str, size: int = 65536) -> bytes:
    """Everything the engine sends for that helper."""
    with engine.read_volume(helper) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


def contents(tar: bytes) -> dict[str, bytes]:
    """The regular files in a tar: name -> content."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as held:
        members = [member for member in held if member.isreg()]
        return {member.name: _body(held, member) for member in members}


def _body(held: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    body = held.extractfile(member)
    assert body is not None
    return body.read()
