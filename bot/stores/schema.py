"""The tables, as SQLAlchemy sees them. Migrations make them; this file must agree with the newest one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept in UTC: SQLite forgets time zones, so they are taken off here and put back."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a time without a zone; hand on UTC without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone was about to be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say again that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("key", String(255), unique=True),
    Column("origin", String(16), nullable=False),
    Column("actor_id", String(255), nullable=False),
    Column("actor_name", String(255), nullable=False),
    Column("line", Text, nullable=False),
    Column("command", String(64)),
    Column("token", String(64)),
    Column("language", String(8)),
    Column("schedule", String(64)),
    Column("host", String(64), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("owner", String(255)),
    Column("released_at", UtcTime),
    Column("not_before", UtcTime),
    Column("cancel_requested_by", String(255)),
    Column("plan", JSON(none_as_null=True)),
    Column("progress", JSON(none_as_null=True)),
    Column("reply", JSON(none_as_null=True)),
    Column("revision", Integer, nullable=False, default=0),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Index("runs_by_status", "status", "created_at"),
    Index("runs_by_actor", "actor_id", "created_at"),
    Index("runs_by_time", "created_at"),
    Index("runs_by_schedule", "schedule", "created_at"),
)

run_targets = Table(
    "run_targets",
    metadata,
    Column("host", String(64), primary_key=True),
    Column("target", String(512), primary_key=True),
    Column("run_id", String(8), ForeignKey("runs.id"), nullable=False),
    Column("since", UtcTime, nullable=False),
    Index("run_targets_by_run", "run_id"),
)

journal = Table(
    "journal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(8), ForeignKey("runs.id"), nullable=False),
    Column("host", String(64), nullable=False),
    Column("verb", String(64), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("written_at", UtcTime, nullable=False),
    Column("settled_at", UtcTime),
    Column("error", Text),
    Column("kept", Boolean),
    Index("journal_by_run", "run_id"),
    Index("journal_open", "settled_at"),
)

messages = Table(
    "messages",
    metadata,
    Column("run_id", String(8), ForeignKey("runs.id"), primary_key=True),
    Column("channel", String(64), nullable=False),
    Column("user", String(64), nullable=False),
    Column("thread_ts", String(64)),
    Column("response_url", Text),
    Column("files", JSON(none_as_null=True)),
    Column("posted_channel", String(64)),
    Column("ts", String(64)),
    Column("posting_since", UtcTime),
    Column("sent_revision", Integer, nullable=False, default=-1),
    Column("not_before", UtcTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("closed", Boolean, nullable=False, default=False),
    Column("error", Text),
    Column("quiet", Boolean, nullable=False, default=False),
    Index("messages_open", "closed", "not_before"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("run_id", String(8), ForeignKey("runs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("file_id", String(64)),
    Column("channel", String(64)),
    Column("thread_ts", String(64)),
    Column("sharing_since", UtcTime),
    Column("looks", Integer, nullable=False, default=0),
    Column("not_before", UtcTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("closed", Boolean, nullable=False, default=False),
    Column("error", Text),
    Column("created_at", UtcTime, nullable=False),
    Index("uploads_open", "closed", "not_before"),
)

buttons = Table(
    "buttons",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("run_id", String(8), ForeignKey("runs.id")),
    Column("home_of", String(64)),
    Column("position", Integer, nullable=False),
    Column("label", String(75), nullable=False),
    Column("line", Text, nullable=False),
    Column("danger", Boolean, nullable=False, default=False),
    Column("used_at", UtcTime),
    Column("used_by", String(255)),
    Column("used_run", String(8)),
    Index("buttons_by_run", "run_id"),
    Index("buttons_by_home", "home_of"),
)

homes = Table(
    "homes",
    metadata,
    Column("user", String(64), primary_key=True),
    Column("opened_at", UtcTime, nullable=False),
    Column("picture", String(64)),
)

pictures = Table(
    "pictures",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("file_id", String(64), nullable=False),
    Column("made_at", UtcTime, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("run_id", String(8), ForeignKey("runs.id"), primary_key=True),
    Column("requester", String(255), nullable=False),
    Column("rules", JSON, nullable=False),
    Column("bound", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", String(255), nullable=False, default=""),
    Column("decided_at", UtcTime),
    Column("reason", Text, nullable=False, default=""),
    Index("approvals_open", "decision", "expires_at"),
)

votes = Table(
    "votes",
    metadata,
    Column("run_id", String(8), ForeignKey("runs.id"), primary_key=True),
    Column("person", String(255), primary_key=True),
    Column("actor_id", String(255), nullable=False),
    Column("actor_name", String(255), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("at", UtcTime, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("run_id", String(8), ForeignKey("runs.id"), primary_key=True),
    Column("person", String(255), nullable=False),
    Column("actor_id", String(255), nullable=False),
    Column("actor_name", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("owners", JSON, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("remind_at", UtcTime, nullable=False),
    Column("reminders", Integer, nullable=False, default=0),
    Column("closed_at", UtcTime),
    Column("closed_by", String(255), nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    Index("reviews_open", "closed_at", "remind_at"),
)

# The index of targets is another one on each database, so only its migration tells of it.
_AUDIT_INDEXES = ("actor_id", "actor_name", "command", "kind", "host", "at")

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("run_id", String(8), nullable=False),
    Column("kind", String(32).with_variant(String(16), "sqlite"), nullable=False),
    Column("actor_id", String(255), nullable=False),
    Column("actor_name", String(255), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("channel", String(64)),
    Column("command", String(64)),
    Column("line", Text, nullable=False),
    Column("host", String(64), nullable=False),
    Column("targets", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("format", Integer, nullable=False, server_default="1"),
    Column("facts", Text, nullable=False, server_default="{}"),
    Index("audit_by_run", "run_id"),
    *(Index(f"audit_by_{column}", column, "seq") for column in _AUDIT_INDEXES),
)

schedules = Table(
    "schedules",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("source", String(16), nullable=False),
    Column("line", Text, nullable=False),
    Column("words", String(255), nullable=False),
    Column("cron", String(255), nullable=False),
    Column("every_seconds", Integer),
    Column("anchor_at", UtcTime),
    Column("zone", String(64), nullable=False),
    Column("owner_id", String(255), nullable=False),
    Column("owner_name", String(255), nullable=False),
    Column("language", String(8)),
    Column("channel", String(64)),
    Column("grace_seconds", Integer, nullable=False),
    Column("jitter_seconds", Integer, nullable=False),
    Column("quiet", Boolean, nullable=False),
    Column("prune", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("dealt_with_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("paused_by", String(255)),
    Column("suspended", String(255)),
)

alarms = Table(
    "alarms",
    metadata,
    Column("key", String(512), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("told_at", UtcTime),
)

proposals = Table(
    "proposals",
    metadata,
    Column("host", String(64), primary_key=True),
    Column("volume", String(255), primary_key=True),
    Column("words", String(255), nullable=False),
    Column("told_at", UtcTime, nullable=False),
)
