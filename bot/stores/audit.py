"""The audit log: what was asked, begun and ended, by whom. It only grows, and each entry seals the one before.

Triggers refuse UPDATE and DELETE; `bot.seals` makes the seals and finds what was changed behind our back. Knows no
run's inner workings.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, union_all
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.language import say
from bot.model import Status
from bot.seals import GENESIS, Entry, Head, Problem, Sealer, Verdict, verify
from bot.secrecy import masked
from bot.stores.auditfilter import Filter, alternatives, beside_index, matching
from bot.stores.auditrows import (
    AuditEvent,
    AuditLine,
    as_stored,
    entry_of,
    line_of,
    newest_first,
    row_of,
    stored_entry,
    was_tried,
)
from bot.stores.database import Database
from bot.stores.schema import audit

__all__ = ["Audit", "AuditEvent", "AuditLine", "Filter"]

_log = logging.getLogger(__name__)

_ENDINGS = [status.value for status in Status if status.is_ending]
MOST_COUNTED = 10_000
"""A list of more is not counted to its end."""


@dataclass(frozen=True, kw_only=True)
class ChainState:
    """Whether the log is whole: how many entries were checked, and the first that does not fit, if any."""

    lines: int
    broken_at: int | None


_NEWEST = select(audit.c.seq, audit.c.hash, audit.c.format, audit.c.at).order_by(audit.c.seq.desc()).limit(1)


class Audit:
    """Reads the log, and appends to it. Every method raises StoreError when the database fails."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer | None = None,
        mask: Callable[[str], str] = masked,
    ) -> None:
        self._database = database
        self._sealer = sealer or Sealer()
        self._mask = mask
        self._listeners: list[Callable[[], None]] = []

    @property
    def sealer(self) -> Sealer:
        """What seals the entries."""
        return self._sealer

    def listen(self, call: Callable[[], None]) -> None:
        """Call it after each transaction of this process that wrote an entry; it must be quick and never fail."""
        self._listeners.append(call)

    def append(self, connection: Connection, *events: AuditEvent) -> None:
        """Add entries, in order; they are there if, and only if, the transaction commits."""
        self._database.serialise(connection)
        last = connection.execute(_NEWEST).one_or_none()
        self._refuse_without_key(last.format if last else 0)
        seq, before = (last.seq, last.hash) if last else (0, GENESIS)
        rows = []
        for number, event in enumerate(events, seq + 1):
            entry = entry_of(_signed(event), number, self._sealer.format, self._mask)
            before = self._sealer.seal(entry, before)
            rows.append(row_of(entry, before))
        try:
            connection.execute(insert(audit), rows)
        except IntegrityError as error:  # to others that means that somebody was faster
            _log.error("audit: %s", error)
            raise StoreError(
                say("The audit log took no entry; the log of the bot says why. Nothing was changed.")
            ) from error
        for call in self._listeners:
            self._database.after_commit(connection, call)

    def record(self, *events: AuditEvent) -> None:
        """Add entries in a transaction of their own; when it returns they are on the disk."""
        with self._database.write() as connection:
            self.append(connection, *events)

    def lines(
        self, *, limit: int, target: str | None = None, run_id: str | None = None
    ) -> tuple[AuditLine, ...]:
        """The newest entries first; `target` keeps those that name it (`volume:pgdata`)."""
        return self.found(Filter(target=target, run_id=run_id), limit=limit)

    def found(self, wanted: Filter, *, limit: int, before: int = 0) -> tuple[AuditLine, ...]:
        """What the filter keeps, newest first, behind so many that are newer."""
        newest = [
            select(audit.c.seq).where(one).order_by(audit.c.seq.desc()).limit(before + limit)
            for one in alternatives(wanted, self._database.is_sqlite)
        ]
        among = union_all(*(select(one.subquery().c.seq) for one in newest))
        query = select(audit).where(audit.c.seq.in_(among)).order_by(audit.c.seq.desc())
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit).offset(before)).mappings()
            return tuple(_line(row) for row in rows)

    def count(self, wanted: Filter) -> int:
        """How many the filter keeps, counted up to `MOST_COUNTED`."""
        kept = select(audit.c.seq).where(matching(wanted, self._database.is_sqlite)).limit(MOST_COUNTED)
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(kept.subquery())).scalar_one())

    def extent(self, wanted: Filter, upto: int) -> tuple[int, int, int]:
        """How many the filter keeps up to that number, and the first and last of them; 0 where there are none."""
        kept = select(func.count(), func.min(audit.c.seq), func.max(audit.c.seq))
        condition = matching(wanted, self._database.is_sqlite)
        with self._database.read() as connection:
            count, first, last = connection.execute(kept.where(condition, audit.c.seq <= upto)).one()
        return count, first or 0, last or 0

    def last_ending(
        self, command: str, host: str, target: str, is_about: Callable[[tuple[str, ...]], bool]
    ) -> AuditEvent | None:
        """How the newest run of that command on that target ended that was tried at all, if there was one.

        One that was denied, or expired, or was rejected before it began, says nothing of the target. `is_about` is
        asked with all targets of a run that names the one. Only the log knows this of every run: also of one that
        failed before it held its targets.
        """
        is_sqlite = self._database.is_sqlite
        tried = [kind for kind in _ENDINGS if kind not in (Status.DENIED.value, Status.EXPIRED.value)]
        query = (
            select(audit)
            .where(audit.c.command == command, beside_index(audit.c.host, is_sqlite) == host)
            .where(beside_index(audit.c.kind, is_sqlite).in_(tried))
            .where(audit.c.targets.contains(json.dumps(target), autoescape=True))
            .order_by(audit.c.seq.desc())
        )
        with self._database.read() as connection:
            for row in newest_first(connection, query):
                event = line_of(row).event
                if is_about(event.targets) and was_tried(connection, event):
                    return event
        return None

    def head(self) -> Head | None:
        """The newest entry; None of an empty log."""
        with self._database.read() as connection:
            row = connection.execute(_NEWEST).one_or_none()
        return Head(seq=row.seq, hash=row.hash, at=row.at.isoformat()) if row else None

    def agrees(self, head: Head) -> bool:
        """Whether that entry is there, with that hash."""
        query = select(audit.c.hash).where(audit.c.seq == head.seq)
        with self._database.read() as connection:
            return bool(connection.execute(query).scalar_one_or_none() == head.hash)

    def linked(self, wanted: Filter, upto: int) -> Iterator[dict[str, Any]]:
        """As `entries`, those that the filter keeps up to that number, each with the hash `before` it."""
        before = audit.alias()
        query = (
            select(*as_stored(self._database.is_sqlite), before.c.hash)
            .select_from(audit.outerjoin(before, before.c.seq == audit.c.seq - 1))
            .where(matching(wanted, self._database.is_sqlite), audit.c.seq <= upto)
            .order_by(audit.c.seq)
        )
        with self._database.as_they_lie(query) as rows:
            for *row, hash_before in rows:
                yield {**stored_entry(row), "before": hash_before or GENESIS}

    def entries(self, *, after: int = 0, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The sealed words and hash of each, oldest first, as they lie in the table, even damaged."""
        try:
            for entry in self._entries(after, limit, damaged=False):
                yield entry
                after, limit = entry["seq"], limit and limit - 1
        except StoreError:
            yield from self._entries(after, limit, damaged=True)

    def _entries(self, after: int, limit: int | None, *, damaged: bool) -> Iterator[dict[str, Any]]:
        columns = as_stored(self._database.is_sqlite)
        query = select(*columns).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        with self._database.as_they_lie(query, damaged=damaged) as rows:
            for row in rows:
                yield stored_entry(row)

    def verify(self, heads: Sequence[Head] = (), check: Callable[[], None] = lambda: None) -> Verdict:
        """Make every seal anew, and compare with heads that were published. `check` is called now and then."""
        seen = Head(seq=0, hash=GENESIS)

        def watched() -> Iterator[Entry]:
            nonlocal seen
            for entry in self.entries():
                if isinstance(entry["seq"], int) and entry["seq"] % 1000 == 0:
                    check()
                yield entry
                seen = Head(seq=entry["seq"], hash=entry["hash"])

        try:
            return verify(watched(), self._sealer, heads)
        except StoreError:
            if self._is_away():
                raise
            problem = Problem(seq=seen.seq + 1, what="unreadable")
            return Verdict(entries=seen.seq, head=seen, problem=problem)

    def check_chain(self) -> ChainState:
        """Make every seal anew, from the first entry on."""
        verdict = self.verify()
        broken = verdict.problem.seq if verdict.problem else None
        return ChainState(lines=verdict.entries, broken_at=broken)

    def misfit(self, lines: Sequence[AuditLine]) -> int | None:
        """The number of the first of these entries, newest first, that does not fit its seal."""
        if not lines:
            return None
        numbers = {line.seq for line in lines}
        wanted = audit.c.seq.in_(numbers | {seq - 1 for seq in numbers})
        query = select(*as_stored(self._database.is_sqlite)).where(wanted)
        with self._database.as_they_lie(query, damaged=True) as rows:
            found = [stored_entry(row) for row in rows]
        hashes = {0: GENESIS, **{entry["seq"]: entry["hash"] for entry in found}}
        wrong = [
            entry["seq"]
            for entry in found
            if entry["seq"] in numbers and not self._sealer.fits(entry, hashes.get(entry["seq"] - 1, ""))
        ]
        return min(wrong, default=None)

    def refuse_without_key(self) -> None:
        """Raise StoreError when the log was sealed with a key and there is none now."""
        with self._database.read() as connection:
            last = connection.execute(_NEWEST).one_or_none()
        self._refuse_without_key(last.format if last else 0)

    def _refuse_without_key(self, form: int) -> None:
        if not self._sealer.has_key_for(form):
            raise StoreError(
                say(
                    "The audit log is sealed with a key, and SHIPKEEPER_AUDIT_KEY is not set, so nothing can be "
                    "written to it. Nothing was changed. Set the variable, or SHIPKEEPER_AUDIT_KEY_FILE, and try again."
                )
            )

    def _is_away(self) -> bool:
        """Whether the database as a whole does not answer."""
        try:
            with self._database.read() as connection:
                connection.execute(select(1))
        except StoreError:
            return True
        return False


def _line(row: RowMapping) -> AuditLine:
    try:
        return line_of(row)
    except (ValueError, TypeError) as error:
        raise StoreError(
            say(
                "The audit log was changed behind our back: entry {seq} cannot be read. Keep the database as it is, "
                "and type `audit verify`.",
                seq=row["seq"],
            )
        ) from error


def _signed(event: AuditEvent) -> AuditEvent:
    return replace(event, facts={"shipkeeper": _version(), **event.facts})


@functools.cache
def _version() -> str:
    return version("shipkeeper")
