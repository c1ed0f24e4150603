"""Runs, their targets, journal, messages and buttons, and the audit log."""

import sqlalchemy as sa
from alembic import op

from bot.stores.database import append_only

revision = "0001"
down_revision = None

_TIME = sa.DateTime()


def upgrade() -> None:
    """Make every table of the first version."""
    _runs()
    _what_a_run_holds()
    _what_people_see()
    _audit()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("key", sa.String(255), unique=True),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(255), nullable=False),
        sa.Column("actor_name", sa.String(255), nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("command", sa.String(64)),
        sa.Column("token", sa.String(64)),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("released_at", _TIME),
        sa.Column("not_before", _TIME),
        sa.Column("cancel_requested_by", sa.String(255)),
        sa.Column("plan", sa.JSON),
        sa.Column("progress", sa.JSON),
        sa.Column("reply", sa.JSON),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
    )
    op.create_index("runs_by_status", "runs", ["status", "lane", "created_at"])
    op.create_index("runs_by_time", "runs", ["created_at"])


def _what_a_run_holds() -> None:
    op.create_table(
        "run_targets",
        sa.Column("host", sa.String(64), primary_key=True),
        sa.Column("target", sa.String(512), primary_key=True),
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("since", _TIME, nullable=False),
    )
    op.create_index("run_targets_by_run", "run_targets", ["run_id"])
    op.create_table(
        "journal",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("verb", sa.String(64), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("written_at", _TIME, nullable=False),
        sa.Column("settled_at", _TIME),
        sa.Column("error", sa.Text),
    )
    op.create_index("journal_by_run", "journal", ["run_id"])
    op.create_index("journal_open", "journal", ["settled_at"])


def _what_people_see() -> None:
    op.create_table(
        "messages",
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("thread_ts", sa.String(64)),
        sa.Column("response_url", sa.Text),
        sa.Column("posted_channel", sa.String(64)),
        sa.Column("ts", sa.String(64)),
        sa.Column("posting_since", _TIME),
        sa.Column("sent_revision", sa.Integer, nullable=False),
        sa.Column("not_before", _TIME),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index("messages_open", "messages", ["closed", "not_before"])
    op.create_table(
        "buttons",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", sa.String(75), nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("danger", sa.Boolean, nullable=False),
        sa.Column("used_at", _TIME),
        sa.Column("used_by", sa.String(255)),
        sa.Column("used_run", sa.String(8)),
    )
    op.create_index("buttons_by_run", "buttons", ["run_id"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("run_id", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(255), nullable=False),
        sa.Column("actor_name", sa.String(255), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(64)),
        sa.Column("command", sa.String(64)),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("targets", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("audit_by_run", "audit", ["run_id"])
    for statement in append_only("audit", op.get_bind().dialect.name):
        op.execute(statement)
