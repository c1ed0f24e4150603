"""The newest runs of a status, and of one person, are found without going through all that ever were."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """A lane needs no place in an index: of what waits or is carried out there is never much."""
    op.drop_index("runs_by_status", "runs")
    op.create_index("runs_by_status", "runs", ["status", "created_at"])
    op.create_index("runs_by_actor", "runs", ["actor_id", "created_at"])
