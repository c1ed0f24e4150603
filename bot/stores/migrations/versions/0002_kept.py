"""Whether what a journal entry would take back is to stay: so a later process can tell that it was done."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Entries settled before this version say nothing about it."""
    op.add_column("journal", sa.Column("kept", sa.Boolean))
