"""Runs remember the language that they are told in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """What was asked before was answered in English, and nobody is told it again."""
    op.add_column("runs", sa.Column("language", sa.String(8)))
