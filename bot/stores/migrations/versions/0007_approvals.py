"""Approvals: what was asked for, who gave it, and the reviews of what was done without."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_TIME = sa.DateTime


def upgrade() -> None:
    """Runs that were asked for before were not to be approved."""
    op.create_table(
        "approvals",
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("requester", sa.String(255), nullable=False),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("bound", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("decided_by", sa.String(255), nullable=False),
        sa.Column("decided_at", _TIME),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("approvals_open", "approvals", ["decision", "expires_at"])
    op.create_table(
        "votes",
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("person", sa.String(255), primary_key=True),
        sa.Column("actor_id", sa.String(255), nullable=False),
        sa.Column("actor_name", sa.String(255), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("at", _TIME, nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("actor_id", sa.String(255), nullable=False),
        sa.Column("actor_name", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("owners", sa.JSON, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("remind_at", _TIME, nullable=False),
        sa.Column("reminders", sa.Integer, nullable=False),
        sa.Column("closed_at", _TIME),
        sa.Column("closed_by", sa.String(255), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("reviews_open", "reviews", ["closed_at", "remind_at"])
