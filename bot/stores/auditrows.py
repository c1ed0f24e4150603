"""Rows of the audit table: made of events, read as events, and read as the words that are sealed. Knows no chain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, String, func, select, type_coerce

from bot.model import Actor, Origin, Status, Value
from bot.seals import WORDS, canonical
from bot.stores.schema import audit

_STORED_TIME = len("2026-11-24 12:00:00.000000")


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One entry before it is written. `kind` is a lower-case word: `started`, an ending, `docker` …

    `targets` are `kind:name`; `run_id` is empty for what is no run. `facts` say more by name.
    """

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


def with_facts(event: AuditEvent, **facts: Value) -> AuditEvent:
    """The event with more facts; those that are None say nothing and are left out."""
    more = {name: value for name, value in facts.items() if value is not None}
    return replace(event, facts={**event.facts, **more})


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """One entry as it stands in the log."""

    seq: int
    event: AuditEvent
    hash: str


def entry_of(event: AuditEvent, seq: int, form: int, mask: Callable[[str], str]) -> dict[str, Any]:
    """The words that are sealed, without secrets; raises ValueError for a time without a zone."""
    if event.at.tzinfo is None:
        raise ValueError("an audit entry needs a time with a time zone")
    facts = {name: mask(value) if isinstance(value, str) else value for name, value in event.facts.items()}
    return {
        "seq": seq,
        "format": form,
        "at": event.at.astimezone(UTC).isoformat(),
        "run_id": event.run_id,
        "kind": event.kind,
        "actor_id": mask(event.actor.id),
        "actor_name": mask(event.actor.name),
        "origin": event.origin.value,
        "channel": event.channel,
        "command": event.command,
        "line": mask(event.line),
        "host": event.host,
        "targets": json.dumps(event.targets),
        "detail": mask(event.detail),
        "facts": canonical(facts).decode(),
    }


def row_of(entry: Mapping[str, Any], seal: str) -> dict[str, Any]:
    """What is stored of it."""
    return {**entry, "at": datetime.fromisoformat(entry["at"]), "hash": seal}


def line_of(row: RowMapping) -> AuditLine:
    """The entry that a row of the table holds."""
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
        facts=json.loads(row["facts"]),
    )
    return AuditLine(seq=row["seq"], event=event, hash=row["hash"])


def as_stored(is_sqlite: bool) -> list[ColumnElement[Any]]:
    """The columns of `stored_entry`, as they lie in the table: what only looks the same is not the same."""
    if not is_sqlite:
        at = func.to_char(audit.c.at, "YYYY-MM-DD HH24:MI:SS.US")
        return [at if name == "at" else audit.c[name] for name in (*WORDS, "hash")]
    return [type_coerce(audit.c[name], String) for name in (*WORDS, "hash")]


def stored_entry(row: Sequence[Any]) -> dict[str, Any]:
    """The sealed words and the hash of such a row; a time that nobody here wrote stays as it is, and fits no seal."""
    entry = dict(zip((*WORDS, "hash"), row, strict=True))
    at = entry["at"]
    if isinstance(at, str) and len(at) == _STORED_TIME:
        entry["at"] = _moment(at)
    return entry


def _moment(stored: str) -> str:
    """`2026-11-24 12:00:00.500000` as ISO 8601 in UTC, as Python writes it; what is written otherwise stays so."""
    if stored[10] != " ":
        return stored
    return f"{stored[:10]}T{stored[11:].removesuffix('.000000')}+00:00"


def newest_first(connection: Connection, query: Select[Any]) -> Iterator[RowMapping]:
    """Rows in pieces that grow: whoever needs one has it at once, and PostgreSQL never sorts all there are."""
    piece, found = 1, connection.execute(query.limit(1)).mappings().all()
    while found:
        yield from found
        piece *= 4
        beyond = query.where(audit.c.seq < found[-1]["seq"])
        found = connection.execute(beyond.limit(piece)).mappings().all()


def was_tried(connection: Connection, event: AuditEvent) -> bool:
    """Whether the run of that ending began: one that was rejected may not have."""
    if event.kind != Status.REJECTED.value:
        return True
    kinds = connection.execute(select(audit.c.kind).where(audit.c.run_id == event.run_id)).scalars()
    return "started" in kinds
