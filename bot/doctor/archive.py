"""The archive: whether it can be written to and has room, and whether what it holds is in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bot import words
from bot.doctor import Check, Finding, ok, warning
from bot.language import later, say
from bot.stores.archive import Archive, Report, Room

_LOW_PERCENT = 5.0
_MAKE_ROOM = later("Make room there: `prune --dry-run` shows what could go.")


def checks(archive: Archive, in_words: Callable[[Report], str]) -> tuple[Check, ...]:
    """`in_words` tells the contents."""
    return (
        Check(
            name="archive",
            look=lambda: _room(archive),
            remedy=say(
                "Let the bot’s user write to {path}, make room on its disk, or name another place with "
                "SHIPKEEPER_ARCHIVE.",
                path=archive.root,
            ),
        ),
        Check(
            name="backups",
            look=lambda: _contents(archive, in_words),
            remedy=say("See whether the disk or the network share below {path} answers.", path=archive.root),
        ),
    )


def _room(archive: Archive) -> Iterator[Finding]:
    room = archive.probe()
    facts = {"archive_free_bytes": room.free_bytes, "archive_free_percent": round(room.free_percent, 1)}
    if room.free_percent < _LOW_PERCENT:
        yield warning(
            "archive",
            say(
                "The archive’s disk is nearly full: {free} are free, {percent:.1f} % of it.",
                free=words.size(room.free_bytes),
                percent=room.free_percent,
            ),
            say(_MAKE_ROOM),
            **facts,
        )
        return
    yield ok("archive", _writable(archive.root, room), **facts)


def _writable(root: Path, room: Room) -> str:
    return say(
        "The archive {path} can be written to; {free} are free ({percent:.0f} %).",
        path=root,
        free=words.size(room.free_bytes),
        percent=room.free_percent,
    )


def _contents(archive: Archive, in_words: Callable[[Report], str]) -> Iterator[Finding]:
    report = archive.report()
    facts = facts_of(report, archive.root)
    if report.damaged:
        remedy = say("Make new backups of those, and look after the archive’s disk; `verify` proves one.")
        yield warning("backups", in_words(report), remedy, **facts)
    else:
        yield ok("backups", in_words(report), **facts)
    free = archive.free_bytes()
    if report.largest_bytes > free:
        yield warning(
            "archive",
            say(
                "The largest backup takes {size}, and only {free} are free: its like would not fit once more.",
                size=words.size(report.largest_bytes),
                free=words.size(free),
            ),
            say(_MAKE_ROOM),
        )


def facts_of(report: Report, root: Path) -> dict[str, str | int | float | bool | None]:
    """The figures of the contents."""
    return {
        "archive": str(root),
        "backups": report.backups,
        "partial": report.partial,
        "damaged": len(report.damaged),
        "leftovers": len(report.leftovers),
        "stored_bytes": report.stored_bytes,
    }
