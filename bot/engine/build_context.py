"""The context of a build as a tar: a directory of the bot's machine without what its .dockerignore leaves out.

No symbolic link is followed, so nothing from outside gets in. It must not know who builds what from it.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from docker.utils.build import exclude_paths

from bot.engine.translate import scrub
from bot.errors import BuildFailed
from bot.language import say

_PIECE_BYTES = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_IGNORE = ".dockerignore"
_MOST_IGNORE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Context:
    """What of `root` belongs to it: sorted paths, and the bytes of all files together."""

    root: Path
    paths: tuple[str, ...]
    size_bytes: int

    def tar(self) -> Iterator[bytes]:
        """The tar, as it is read; raises BuildFailed for a file that changed meanwhile or cannot be read."""
        for path in self.paths:
            yield from _entry(self.root, path)
        yield bytes(2 * _BLOCK)


def gather(root: Path, dockerfile: str, most_bytes: int) -> Context:
    """Look what belongs to it; raises BuildFailed when it is not there, cannot be read or is too large."""
    try:
        if not stat.S_ISREG(os.lstat(root / dockerfile).st_mode):
            raise BuildFailed(
                say(
                    "{dockerfile} in {root} is no regular file. Nothing was built.",
                    dockerfile=dockerfile,
                    root=root,
                )
            )
        patterns = _patterns(root)
        paths = tuple(sorted(exclude_paths(str(root), patterns, dockerfile=dockerfile)))
        sizes = [
            info.st_size for info in (os.lstat(root / path) for path in paths) if stat.S_ISREG(info.st_mode)
        ]
    except OSError as error:
        raise _unreadable(root, error) from error
    size = sum(sizes)
    if size > most_bytes:
        raise BuildFailed(
            say(
                "The context {root} has {size} bytes in {count} files, and the settings allow {most}. Nothing "
                "was built. Leave something out with {ignore}, or allow more.",
                root=root,
                size=size,
                count=len(sizes),
                most=most_bytes,
                ignore=_IGNORE,
            )
        )
    return Context(root=root, paths=paths, size_bytes=size)


def _patterns(root: Path) -> list[str]:
    """The lines of its .dockerignore that say something."""
    try:
        descriptor = os.open(root / _IGNORE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return []
    with open(descriptor, errors="surrogateescape") as file:
        lines = [line.strip() for line in file.read(_MOST_IGNORE_BYTES).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _entry(root: Path, path: str) -> Iterator[bytes]:
    """Directories, links as links, and files; sockets, pipes and devices are no part of a context."""
    try:
        info = os.lstat(root / path)
        entry = tarfile.TarInfo(path)
        entry.mode, entry.mtime = stat.S_IMODE(info.st_mode), int(info.st_mtime)
        if stat.S_ISREG(info.st_mode):
            yield from _file(root / path, entry)
        elif stat.S_ISDIR(info.st_mode) or stat.S_ISLNK(info.st_mode):
            entry.type = tarfile.DIRTYPE if stat.S_ISDIR(info.st_mode) else tarfile.SYMTYPE
            entry.linkname = "" if stat.S_ISDIR(info.st_mode) else os.readlink(root / path)
            yield _header(entry)
    except OSError as error:
        raise _unreadable(root, error) from error


def _file(path: Path, entry: tarfile.TarInfo) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with closing(open(descriptor, "rb")) as file:
        entry.size = left = os.fstat(descriptor).st_size
        yield _header(entry)
        while left:
            data = file.read(min(left, _PIECE_BYTES))
            if not data:
                raise BuildFailed(
                    say(
                        "{path} became shorter while it was read. No image was built; build again.", path=path
                    )
                )
            left -= len(data)
            yield data
        yield bytes(-entry.size % _BLOCK)


def _header(entry: tarfile.TarInfo) -> bytes:
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _unreadable(root: Path, error: OSError) -> BuildFailed:
    return BuildFailed(
        say(
            "The context {root} cannot be read: {error}. No image was built. It must be a directory of the machine "
            "that the bot runs on, which the bot may read.",
            root=root,
            error=scrub(error),
        )
    )
