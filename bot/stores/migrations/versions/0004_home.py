"""Home pages: who opened theirs, the pictures on them, and buttons that belong to a person instead of a run."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Buttons that were stored before all belong to a run."""
    with op.batch_alter_table("buttons") as buttons:
        buttons.alter_column("run_id", existing_type=sa.String(8), nullable=True)
        buttons.add_column(sa.Column("home_of", sa.String(64)))
        buttons.create_index("buttons_by_home", ["home_of"])
    op.create_table(
        "homes",
        sa.Column("user", sa.String(64), primary_key=True),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("picture", sa.String(64)),
    )
    op.create_table(
        "pictures",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("file_id", sa.String(64), nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
    )
