"""Alarms that are open: since when, and when people were last told. Nothing is told twice, whoever looks.

What changed and the message that tells it are one transaction. Knows no API of Slack's, nor what is an alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from bot.alarmrules import AlarmKind, Condition, Findings
from bot.stores.audit import Audit, AuditEvent
from bot.stores.coding import storable
from bot.stores.database import Database
from bot.stores.ended import Ended, record_ended
from bot.stores.schema import alarms

AGAIN = timedelta(days=1)
"""How often people are told of an alarm that stays."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm that is open. `told_at` is None while nobody was told, for there is no channel."""

    key: str
    kind: AlarmKind
    text: str
    opened_at: datetime
    told_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class News:
    """What a look changed: what is wrong since now, what still is after a day, and what is over."""

    new: tuple[Condition, ...] = ()
    still: tuple[tuple[Condition, Alarm], ...] = ()
    over: tuple[Alarm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.still or self.over)


@dataclass(frozen=True, kw_only=True)
class Told:
    """How news are told: messages, or nothing but lines of the audit log where `is_heard` is false."""

    messages: tuple[Ended, ...] = ()
    events: tuple[AuditEvent, ...] = ()
    is_heard: bool = True


Tell = Callable[[News], Told]


class AlarmStore:
    """The table of alarms. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database, audit: Audit, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def open(self) -> tuple[Alarm, ...]:
        """Those that are open, the oldest first."""
        query = select(alarms).order_by(alarms.c.opened_at, alarms.c.key)
        with self._database.read() as connection:
            return tuple(_alarm(row) for row in connection.execute(query).mappings())

    def counts(self) -> dict[AlarmKind, int]:
        """How many of each kind are open."""
        query = select(alarms.c.kind, func.count()).group_by(alarms.c.kind)
        with self._database.read() as connection:
            return {AlarmKind(kind): count for kind, count in connection.execute(query)}

    def settle(self, found: Findings, tell: Tell, *, is_heard: bool) -> News:
        """Make the table say what was found, and tell what that changed, all of it or nothing.

        `tell` makes the messages; it is called inside the transaction. `is_heard`: there are people to tell, so what
        nobody was told of before is new to them.
        """
        found = replace(found, conditions=tuple(_clean(found)))
        with self._database.read() as connection:
            known = _known(connection)
        now = self._clock()
        if not _news(found, known, now, is_heard=is_heard) and not _differing(found, known):
            return News()  # as nearly always: nobody need wait for us
        with self._database.write() as connection:
            self._database.serialise(connection)
            known = _known(connection)
            news = _news(found, known, now, is_heard=is_heard)
            self._write_down(connection, found, known)
            if news:
                told = tell(news)
                self._mark_told(connection, news, now if told.is_heard else None)
                for message in told.messages:
                    record_ended(connection, self._audit, message, now)
                if told.events:
                    self._audit.append(connection, *told.events)
        return news

    def _write_down(self, connection: Connection, found: Findings, known: Mapping[str, Alarm]) -> None:
        now = self._clock()
        for one in found.conditions:
            if one.key not in known:
                made = {"key": one.key, "kind": one.kind.value, "text": one.text, "opened_at": now}
                connection.execute(insert(alarms).values(**made))
        for one in _differing(found, known):
            connection.execute(update(alarms).where(alarms.c.key == one.key).values(text=one.text))

    def _mark_told(self, connection: Connection, news: News, at: datetime | None) -> None:
        told = [one.key for one in news.new] + [one.key for one, _ in news.still]
        if at is not None:
            for keys in _pieces(told):
                connection.execute(update(alarms).where(alarms.c.key.in_(keys)).values(told_at=at))
        for keys in _pieces([one.key for one in news.over]):
            connection.execute(delete(alarms).where(alarms.c.key.in_(keys)))


def _clean(found: Findings) -> Iterable[Condition]:
    """Each key once, and nothing that a database does not take: what a host calls its volumes is its own affair."""
    cleaned = {storable(one.key): one for one in found.conditions}
    return (replace(one, key=key, text=storable(one.text)) for key, one in cleaned.items())


def _known(connection: Connection) -> dict[str, Alarm]:
    return {row["key"]: _alarm(row) for row in connection.execute(select(alarms)).mappings()}


def _differing(found: Findings, known: Mapping[str, Alarm]) -> list[Condition]:
    """What is told in other words now."""
    return [one for one in found.conditions if one.key in known and known[one.key].text != one.text]


def _news(found: Findings, known: Mapping[str, Alarm], now: datetime, *, is_heard: bool) -> News:
    """What is told of what was found, where that is known."""
    there = {one.key: one for one in found.conditions}
    open_ones = [(one, known[one.key]) for one in there.values() if one.key in known]
    unheard = [one for one, alarm in open_ones if is_heard and alarm.told_at is None]
    return News(
        new=(*(one for one in there.values() if one.key not in known), *unheard),
        still=tuple(
            (one, alarm)
            for one, alarm in open_ones
            if is_heard and alarm.told_at and now - alarm.told_at >= AGAIN
        ),
        over=tuple(alarm for key, alarm in known.items() if key not in there and not found.leaves_open(key)),
    )


_AT_ONCE = 500
"""So many keys in one statement."""


def _pieces(keys: list[str]) -> Iterable[list[str]]:
    return (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE))


def _alarm(row: RowMapping) -> Alarm:
    return Alarm(
        key=row["key"],
        kind=AlarmKind(row["kind"]),
        text=row["text"],
        opened_at=row["opened_at"],
        told_at=row["told_at"],
    )
