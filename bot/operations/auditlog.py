"""What people do with the audit log: look through it, verify it, take a copy that verifies elsewhere.

Must not know who asked, nor how entries are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot import auditfile
from bot.errors import NotFound, StoreError, UsageError
from bot.language import say, say_count
from bot.model import Invocation, Reply, Table
from bot.operations.paging import Page
from bot.seals import GENESIS, Head
from bot.stores.audit import MOST_COUNTED, Audit, AuditLine
from bot.stores.auditfilter import Filter
from bot.stores.heads import Heads
from bot.stores.outgoing import Outgoing

_COLUMNS = ("line", "at", "event", "command", "by", "origin", "run")


def day(text: str | None, *, behind: bool = False) -> datetime | None:
    """The first moment of that day, or the first one behind it; raises UsageError for one that no calendar has."""
    if text is None:
        return None
    try:
        first = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(say("“{day}” is no day of the calendar. Nothing was changed.", day=text)) from error
    return first + timedelta(days=1) if behind else first


# ---- looking through it ------------------------------------------------------------------------------------


def listed(audit: Audit, wanted: Filter, *, limit: str, number: str, words: Sequence[str]) -> Reply:
    """A page of what the filter keeps, newest first. Raises NotFound behind the last page, StoreError as an alarm."""
    size, at = int(limit), int(number)
    total = audit.count(wanted)
    pages = max(1, -(-total // size))
    if at > pages:
        raise NotFound(say("There is no page {number} of these. Nothing was changed.", number=at))
    lines = audit.found(wanted, limit=size, before=(at - 1) * size)
    wrong = audit.misfit(lines)
    if wrong is not None:
        raise StoreError(
            say(
                "The audit log was changed behind our back: line {line} does not fit its seal. Keep the database as it "
                "is, compare it with a copy from before, and type `audit verify`.",
                line=wrong,
            )
        )
    page = Page(rows=tuple(map(_row, lines)), number=at, pages=pages, total=total, before=(at - 1) * size)
    counted = say_count("1 entry", "{number} entries", total)
    if total >= MOST_COUNTED:
        counted = say("{number} entries or more", number=total)
    fits = say("Those shown fit their seals; `audit verify` looks at the whole log.")
    return Reply(
        text=f"{page.in_words(counted)} {fits}" if lines else say("The audit log has no such entry."),
        table=Table(columns=_COLUMNS, rows=page.rows) if lines else None,
        buttons=page.buttons(words),
    )


def _row(line: AuditLine) -> tuple[str | int, ...]:
    event = line.event
    said = event.line if event.kind != "docker" else event.detail
    return (
        line.seq,
        event.at.isoformat(),
        event.kind,
        said,
        event.actor.name,
        event.origin.value,
        event.run_id,
    )


# ---- verifying it ------------------------------------------------------------------------------------------


def verified(audit: Audit, heads: Heads, typed: str | None, check: Callable[[], None]) -> Reply:
    """Every seal made anew, and compared with all published heads and the typed one; StoreError names what is wrong."""
    more = (Head.parse(typed),) if typed else ()
    known = (*heads.known(), *more)
    return told(auditfile.Examined(verdict=audit.verify(known, check)), known)


def told(examined: auditfile.Examined, heads: Sequence[Head]) -> Reply:
    """The verdict in words, and with which of these heads it was compared; raises StoreError for a bad one."""
    verdict = examined.verdict
    if verdict.problem is not None:
        raise StoreError(
            say(
                "{problem} The {entries} entries before it that were looked at fit. Keep everything as it is, and "
                "compare it with a copy from before.",
                problem=verdict.problem.in_words(),
                entries=verdict.entries,
            )
        )
    text = say_count(
        "The one entry fits its seal.",
        "All {number} entries fit their seals, one over the other.",
        verdict.entries,
    )
    if examined.is_filtered:
        text = say_count(
            "The one entry of the export fits its seal.",
            "All {number} entries of the export fit their seals.",
            verdict.entries,
        )
        gaps = say("The export was filtered, so there are gaps between them.")
        text = f"{text} {gaps}"
    text = " ".join((text, *_compared(examined, heads)))
    return Reply(text=text, facts={"entries": verdict.entries, "head": str(verdict.head)})


def _compared(examined: auditfile.Examined, heads: Sequence[Head]) -> Iterator[str]:
    """How many heads agree, and how many could not be asked, and why."""
    if not heads and not examined.is_filtered:
        yield say("No head was compared, so a cut end would not show.")
    agreeing = sum(head.seq in examined.verdict.compared for head in heads)
    if agreeing:
        yield say_count("One published head agrees.", "{number} published heads agree.", agreeing)
    newer = len(examined.newer)
    if newer:
        yield say_count(
            "One published head is newer than the export, which was made at {at}, so it was not compared.",
            "{number} published heads are newer than the export, which was made at {at}, so they were not compared.",
            newer,
            at=examined.at,
        )
    absent = len(heads) - agreeing - newer
    if absent:
        yield say_count(
            "One published head is of an entry that the export does not hold, so it was not compared.",
            "{number} published heads are of entries that the export does not hold, so they were not compared.",
            absent,
        )


# ---- taking it along ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is exported, for whom, in which format."""

    wanted: Filter
    form: str
    run_id: str
    asked: Invocation
    at: datetime


def exported(audit: Audit, outgoing: Outgoing, made: Export, check: Callable[[], None]) -> Reply:
    """A file with what the filter keeps, which `shipkeeper audit verify FILE` verifies. Raises StoreError."""
    head = audit.head() or Head(seq=0, hash=GENESIS)
    count, first, last = audit.extent(made.wanted, head.seq)
    facts: dict[str, Any] = {"entries": count, "first": first, "last": last, "head": str(head)}
    if made.wanted.is_narrow:
        facts["filter"] = made.wanted.in_words()

    def entries() -> Iterator[dict[str, Any]]:
        yield auditfile.header(_about(made), facts, audit.sealer)
        for number, entry in enumerate(audit.linked(made.wanted, head.seq)):
            if number % 1000 == 0:
                check()
            yield entry

    with outgoing.begin(made.run_id) as draft:
        try:
            for chunk in _chunks(auditfile.written(entries(), made.form)):
                draft.write(chunk)
        except (ValueError, TypeError) as error:
            raise StoreError(
                say("The audit log holds what nobody wrote. Nothing was exported; type `audit verify`.")
            ) from error
        file = draft.keep(f"audit-{made.run_id}.{made.form}")
    text = say_count(
        "1 entry is in the file {file}.", "{number} entries are in the file {file}.", count, file=file.name
    )
    how = say("`shipkeeper audit verify {file}` verifies it anywhere.", file=file.name)
    gaps = say("It was filtered, so it has gaps.") if made.wanted.is_narrow else ""
    return Reply(
        text=" ".join(filter(None, (text, gaps, how))),
        facts={"entries": count, "head": str(head), "sha256": file.sha256},
        attachments=(file,),
    )


def _about(made: Export) -> dict[str, Any]:
    return {
        "at": made.at.astimezone(UTC).isoformat(),
        "run_id": made.run_id,
        "actor_id": made.asked.actor.id,
        "actor_name": made.asked.actor.name,
        "origin": made.asked.origin.value,
        "channel": made.asked.place.channel if made.asked.place else None,
        "command": "audit",
        "line": made.asked.line,
        "host": "",
        "targets": "[]",
        "detail": "",
    }


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """In pieces of some size, for each is a call to the disk."""
    gathered, size = [], 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= 1 << 20:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)
