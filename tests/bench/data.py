"""What volumes hold in the benches: made from a seed, the same on every machine, a gigabyte in some ten seconds.

It must not know Docker, nor who reads the files.
"""

from __future__ import annotations

import array
import hashlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
_PHRASES = 1 << 16
_LARGE_BYTES = 64 * MIB
_PICTURE_BYTES = 4 * MIB
_SMALL_BYTES = (100, 8192)
_IN_A_DIRECTORY = 100
_TINY_IN_A_DIRECTORY = 1000
_SMALL_A_GIBIBYTE = 20_480
_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvwz" for vowel in "aeiou"]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is in a directory: things in it and below it, bytes of all files, and a hash over all names and bytes."""

    entries: int
    bytes: int
    sha256: str = ""


def content(place: Path, *, hashed: bool = False) -> Content:
    """Look at everything in the directory; with `hashed`, read it, too."""
    entries = total = 0
    digest = hashlib.sha256()
    for directory, directories, files in os.walk(place):
        directories.sort()
        entries += len(directories) + len(files)
        for name in sorted(files):
            path = os.path.join(directory, name)
            total += os.lstat(path).st_size
            if hashed:
                with open(path, "rb") as file:
                    own = hashlib.file_digest(file, "sha256").hexdigest()
                digest.update(f"{os.path.relpath(path, place)}\0{own}\n".encode())
    return Content(entries=entries, bytes=total, sha256=digest.hexdigest() if hashed else "")


def text(place: Path, mebibytes: int) -> None:
    """Log files: lines with times, numbers and words, some of which are frequent."""
    _large(place, "log", _phrases_of_logs(), mebibytes)


def pages(place: Path, mebibytes: int) -> None:
    """Files as databases keep them: rows of small numbers, keys, padded words and gaps."""
    _large(place, "table", _phrases_of_tables(), mebibytes)


def pictures(place: Path, mebibytes: int) -> None:
    """Files that nothing makes smaller, as JPEG, video and archives are."""
    made = random.Random("pictures")
    directory = place / "pictures"
    directory.mkdir()
    for number, size in enumerate(_cut(mebibytes * MIB, _PICTURE_BYTES)):
        (directory / f"{number:05d}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + made.randbytes(size - 4))


def small(place: Path, mebibytes: int) -> None:
    """Small texts, as many as a volume of so many MiB would hold beside other things: 20,480 a GiB."""
    made, count = random.Random("small"), max(1, _SMALL_A_GIBIBYTE * mebibytes // 1024)
    sizes = [made.randint(*_SMALL_BYTES) for _ in range(count)]
    written = b"".join(_stream(_phrases_of_logs(), "small", sum(sizes)))
    at = 0
    for number, size in enumerate(sizes):
        directory = place / "small" / f"{number // _IN_A_DIRECTORY:04d}"
        if number % _IN_A_DIRECTORY == 0:
            directory.mkdir(parents=True)
        (directory / f"{number:06d}.txt").write_bytes(written[at : at + size])
        at += size


def mix(place: Path, mebibytes: int) -> None:
    """Of everything: a third logs, a third tables, a quarter pictures, and the small files."""
    text(place, mebibytes * 33 // 100)
    pages(place, mebibytes * 33 // 100)
    pictures(place, mebibytes * 26 // 100)
    small(place, mebibytes)


def tiny(place: Path, count: int) -> None:
    """So many files of a few bytes each, a thousand a directory."""
    made = random.Random("tiny")
    for first in range(0, count, _TINY_IN_A_DIRECTORY):
        directory = place / f"{first // _TINY_IN_A_DIRECTORY:05d}"
        directory.mkdir()
        for number in range(first, min(first + _TINY_IN_A_DIRECTORY, count)):
            descriptor = os.open(f"{directory}/{number:07d}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(descriptor, b"%x\n" % made.getrandbits(8 * made.randint(1, 30)))
            os.close(descriptor)


def large(place: Path, gibibytes: int) -> None:
    """So many GiB, quickly: one GiB of logs and tables, and copies of it; nobody who compresses looks back so far."""
    (first := place / "0").mkdir()
    text(first, 512)
    pages(first, 512)
    for number in range(1, gibibytes):
        for file in sorted(first.rglob("*.*")):
            copy = place / str(number) / file.relative_to(first)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as source, copy.open("wb") as target:
                while os.copy_file_range(source.fileno(), target.fileno(), _LARGE_BYTES):
                    pass


KINDS: dict[str, Callable[[Path, int], None]] = {
    "logs": text,
    "database pages": pages,
    "pictures": pictures,
    "small files": small,
}
"""Each kind of the mix by the name it has in tables."""


def _large(place: Path, ending: str, phrases: Sequence[bytes], mebibytes: int) -> None:
    directory = place / f"{ending}s"
    directory.mkdir()
    for number, size in enumerate(_cut(mebibytes * MIB, _LARGE_BYTES)):
        with (directory / f"{number:04d}.{ending}").open("wb") as file:
            file.writelines(_stream(phrases, f"{ending}{number}", size))


def _cut(total: int, size: int) -> Iterator[int]:
    """Sizes of files that hold so much together, four at least."""
    size = min(size, total // 4)
    while total:
        yield min(size, total)
        total -= min(size, total)


def _stream(phrases: Sequence[bytes], seed: str, size: int) -> Iterator[bytes]:
    """Phrases in an order that comes from the seed, to so many bytes."""
    made, at = random.Random(seed), phrases.__getitem__
    while size > 0:
        order = array.array("H")
        order.frombytes(made.randbytes(2 * _PHRASES))
        data = b"".join(map(at, order))[:size]
        size -= len(data)
        yield data


def _words(made: random.Random) -> list[str]:
    """Words as if of a language; what comes first is to be frequent."""
    return ["".join(made.choices(_SYLLABLES, k=made.randint(1, 5))) for _ in range(6000)]


def _phrases_of_logs() -> list[bytes]:
    made = random.Random("logs")
    known = _words(made)
    frequent = [1 / (rank + 8) for rank in range(len(known))]
    drawn = iter(made.choices(known, frequent, k=3 * _PHRASES))
    phrases = [f"{next(drawn)} {next(drawn)} {next(drawn)} ".encode() for _ in range(_PHRASES)]
    for number in range(0, _PHRASES, 5):
        clock = f"{made.randrange(24):02d}:{made.randrange(60):02d}:{made.randrange(60):02d}"
        level = made.choice(("INFO", "INFO", "INFO", "DEBUG", "WARN"))
        line = f"\n2026-11-{made.randint(1, 28):02d}T{clock}.{made.randrange(1000):03d}Z {level} "
        who = f"worker-{made.randrange(16)} request={made.getrandbits(40):010x} "
        phrases[number] = (line + who).encode()
    return phrases


def _phrases_of_tables() -> list[bytes]:
    made = random.Random("tables")
    known = [word.encode() for word in _words(made)]
    return [
        made.getrandbits(18).to_bytes(8, "little")
        + made.randrange(1 << 12).to_bytes(4, "big")
        + b"\2\0\7\0\x18"
        + (made.choice(known) + made.choice(known)).ljust(24)
        + made.choice(known)
        + made.randbytes(4)
        + b"\1\0\0\0\2\0\0\0"
        + bytes(made.choice((0, 4, 8, 16)))
        for _ in range(_PHRASES)
    ]
