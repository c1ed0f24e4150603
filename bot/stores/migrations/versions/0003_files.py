"""Files: those that came with a command, and those of replies on their way to Slack."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing of what was stored before has files."""
    op.add_column("messages", sa.Column("files", sa.JSON))
    op.create_table(
        "uploads",
        sa.Column("run_id", sa.String(8), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("file_id", sa.String(64)),
        sa.Column("channel", sa.String(64)),
        sa.Column("thread_ts", sa.String(64)),
        sa.Column("sharing_since", sa.DateTime),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("not_before", sa.DateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("uploads_open", "uploads", ["closed", "not_before"])
