"""Schedules, what alarms were raised, which labels were told of, and which runs came of a schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TIME = sa.DateTime


def upgrade() -> None:
    """There were no schedules before, so no run came of one, and none was to be quiet."""
    op.add_column("runs", sa.Column("schedule", sa.String(64)))
    op.create_index("runs_by_schedule", "runs", ["schedule", "created_at"])
    op.add_column("messages", sa.Column("quiet", sa.Boolean, nullable=False, server_default=sa.false()))
    _schedules()
    op.create_table(
        "alarms",
        sa.Column("key", sa.String(512), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("told_at", _TIME),
    )
    op.create_table(
        "proposals",
        sa.Column("host", sa.String(64), primary_key=True),
        sa.Column("volume", sa.String(255), primary_key=True),
        sa.Column("words", sa.String(255), nullable=False),
        sa.Column("told_at", _TIME, nullable=False),
    )


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("words", sa.String(255), nullable=False),
        sa.Column("cron", sa.String(255), nullable=False),
        sa.Column("every_seconds", sa.Integer),
        sa.Column("anchor_at", _TIME),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(255), nullable=False),
        sa.Column("owner_name", sa.String(255), nullable=False),
        sa.Column("language", sa.String(8)),
        sa.Column("channel", sa.String(64)),
        sa.Column("grace_seconds", sa.Integer, nullable=False),
        sa.Column("jitter_seconds", sa.Integer, nullable=False),
        sa.Column("quiet", sa.Boolean, nullable=False),
        sa.Column("prune", sa.Boolean, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("dealt_with_at", _TIME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("paused_by", sa.String(255)),
        sa.Column("suspended", sa.String(255)),
    )
