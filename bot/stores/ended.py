"""Runs that are over when they are made: what people are told unasked, and due times that nothing came of.

So the outbox brings them to Slack like any other, once, and `runs` and `audit` list them. Knows no API of Slack's.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from bot.model import Invocation, Origin, Reply
from bot.stores.audit import Audit, AuditEvent
from bot.stores.claims import offer
from bot.stores.coding import reply_to_json, storable
from bot.stores.runrow import Lane
from bot.stores.schema import messages, runs


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of what, at once. It is told where the invocation has its place, or to nobody when it has none."""

    invocation: Invocation
    host: str
    reply: Reply
    command: str | None = None


def record_ended(connection: Connection, audit: Audit, ended: Ended, at: datetime) -> str:
    """Store the run, its message with its buttons and its line in the audit log; the run's id.

    Raises IntegrityError when there is a run of that key already.
    """
    return record_all_ended(connection, audit, (ended,), at)[0]


def record_all_ended(
    connection: Connection, audit: Audit, all_ended: Sequence[Ended], at: datetime
) -> tuple[str, ...]:
    """The same of many, in order, at a small part of the time; there must be one at least."""
    ids = tuple(secrets.token_hex(4) for _ in all_ended)
    pairs = list(zip(ids, all_ended, strict=True))
    connection.execute(insert(runs), [_row(run_id, ended, at) for run_id, ended in pairs])
    for run_id, ended in pairs:
        place = ended.invocation.place
        if place is not None:
            connection.execute(
                insert(messages).values(
                    run_id=run_id, channel=place.channel, user=place.user, thread_ts=place.thread_ts
                )
            )
        offer(connection, run_id, ended.reply.buttons)
    audit.append(connection, *(_event(run_id, ended, at) for run_id, ended in pairs))
    return ids


def _row(run_id: str, ended: Ended, at: datetime) -> dict[str, Any]:
    asked = ended.invocation
    return {
        "id": run_id,
        "key": asked.key,
        "origin": asked.origin.value,
        "actor_id": asked.actor.id,
        "actor_name": storable(asked.actor.name),
        "line": storable(asked.line),
        "command": ended.command,
        "language": asked.language,
        "schedule": asked.schedule,
        "host": ended.host,
        "lane": Lane.FRONT.value,
        "status": ended.reply.status.value,
        "reply": reply_to_json(ended.reply),
        "created_at": asked.at,
        "released_at": at,
        "ended_at": at,
    }


def _event(run_id: str, ended: Ended, at: datetime) -> AuditEvent:
    asked = ended.invocation
    return AuditEvent(
        run_id=run_id,
        kind=ended.reply.status.value,
        at=at,
        actor=asked.actor,
        origin=Origin.SCHEDULE,
        channel=asked.place.channel if asked.place else None,
        command=ended.command,
        line=asked.line,
        host=ended.host,
        detail=ended.reply.text,
    )
