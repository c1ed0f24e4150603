"""Schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    """There were none before."""
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("words", sa.String(255), nullable=False),
        sa.Column("cron", sa.String(255), nullable=False),
        sa.Column("every_seconds", sa.Integer),
        sa.Column("anchor_at", sa.DateTime),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(255), nullable=False),
        sa.Column("owner_name", sa.String(255), nullable=False),
        sa.Column("language", sa.String(8)),
        sa.Column("channel", sa.String(64)),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("dealt_with_at", sa.DateTime, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("paused_by", sa.String(255)),
        sa.Column("suspended", sa.String(255)),
    )
