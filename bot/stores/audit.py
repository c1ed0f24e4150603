"""The audit log: what was asked, begun and ended, by whom. It only grows, and each line seals the one before.

Every line holds the SHA-256 of the line before it and of its own words, so that a line cannot be changed or
taken out unseen; triggers refuse UPDATE and DELETE. Knows no run's inner workings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, and_, insert, select

from bot.model import Actor, Origin, Status, Value
from bot.stores.database import Database
from bot.stores.schema import audit

GENESIS = "0" * 64

_TRIED = [one.value for one in Status if one.is_ending and one not in (Status.DENIED, Status.EXPIRED)]
"""Endings of runs that may have begun."""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One line before it is written. `kind` is `started` or an ending; `targets` are `kind:name`."""

    run_id: str
    kind: str
    at: datetime
    actor: Actor
    origin: Origin
    channel: str | None
    command: str | None
    line: str
    host: str
    targets: tuple[str, ...] = ()
    detail: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """One line as it stands in the log."""

    seq: int
    event: AuditEvent
    hash: str


@dataclass(frozen=True, kw_only=True)
class ChainState:
    """Whether the log is whole: how many lines were checked, and the first that does not fit, if any."""

    lines: int
    broken_at: int | None


class Audit:
    """Reads the log, and appends inside a transaction of somebody else's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, connection: Connection, event: AuditEvent) -> None:
        """Add a line; it is there if, and only if, the transaction commits."""
        self._database.serialise(connection)
        last = connection.execute(
            select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
        ).one_or_none()
        seq, before = (last.seq + 1, last.hash) if last else (1, GENESIS)
        values = _columns(event)
        connection.execute(insert(audit).values(seq=seq, hash=_seal(before, seq, event), **values))

    def lines(
        self, *, limit: int, target: str | None = None, run_id: str | None = None
    ) -> tuple[AuditLine, ...]:
        """The newest lines first; `target` keeps those that name it (`volume:pgdata`)."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if target is not None:
            query = query.where(audit.c.targets.contains(json.dumps(target), autoescape=True))
        if run_id is not None:
            query = query.where(audit.c.run_id == run_id)
        with self._database.read() as connection:
            return tuple(_line(row) for row in connection.execute(query).mappings())

    def last_ending(
        self, command: str, host: str, target: str, is_about: Callable[[tuple[str, ...]], bool]
    ) -> AuditEvent | None:
        """How the newest run of that command on that target ended that was tried at all, if there was one.

        One that was denied, or expired, or was rejected before it began, says nothing of the target. `is_about` is
        asked with all targets of a run that names the one. Only the log knows this of every run: also of one that
        failed before it held its targets.
        """
        began = select(audit.c.run_id).where(audit.c.kind == "started")
        turned_away = and_(audit.c.kind == Status.REJECTED.value, audit.c.run_id.not_in(began))
        query = (
            select(audit)
            .where(audit.c.command == command, audit.c.host == host)
            .where(audit.c.kind.in_(_TRIED), ~turned_away)
            .where(audit.c.targets.contains(json.dumps(target), autoescape=True))
            .order_by(audit.c.seq.desc())
        )
        with self._database.read() as connection:
            events = (_line(row).event for row in connection.execute(query).mappings())
            return next((event for event in events if is_about(event.targets)), None)

    def check_chain(self) -> ChainState:
        """Recompute every seal from the first line on."""
        before, count = GENESIS, 0
        with self._database.read() as connection:
            for row in connection.execute(select(audit).order_by(audit.c.seq)).mappings():
                count += 1
                line = _line(row)
                if line.seq != count or line.hash != _seal(before, line.seq, line.event):
                    return ChainState(lines=count, broken_at=line.seq)
                before = line.hash
        return ChainState(lines=count, broken_at=None)


def _columns(event: AuditEvent) -> dict[str, object]:
    return {
        "at": event.at,
        "run_id": event.run_id,
        "kind": event.kind,
        "actor_id": event.actor.id,
        "actor_name": event.actor.name,
        "origin": event.origin.value,
        "channel": event.channel,
        "command": event.command,
        "line": event.line,
        "host": event.host,
        "targets": json.dumps(event.targets),
        "detail": event.detail,
    }


def _seal(before: str, seq: int, event: AuditEvent) -> str:
    words = {**_columns(event), "at": event.at.astimezone(UTC).isoformat(), "seq": seq, "before": before}
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()


def _line(row: RowMapping) -> AuditLine:
    event = AuditEvent(
        run_id=row["run_id"],
        kind=row["kind"],
        at=row["at"],
        actor=Actor(id=row["actor_id"], name=row["actor_name"]),
        origin=Origin(row["origin"]),
        channel=row["channel"],
        command=row["command"],
        line=row["line"],
        host=row["host"],
        targets=tuple(json.loads(row["targets"])),
        detail=row["detail"],
    )
    return AuditLine(seq=row["seq"], event=event, hash=row["hash"])
