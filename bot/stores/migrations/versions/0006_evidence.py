"""The audit log tells how each entry is sealed, has room for facts and longer kinds, and is found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """What was written before is sealed in the first format, without facts. Triggers stay: nothing is rewritten."""
    op.add_column("audit", sa.Column("format", sa.Integer, nullable=False, server_default="1"))
    op.add_column("audit", sa.Column("facts", sa.Text, nullable=False, server_default="{}"))
    if op.get_bind().dialect.name != "sqlite":  # where a length is only a word
        op.alter_column("audit", "kind", type_=sa.String(32), existing_nullable=False)
    for column in ("actor_id", "actor_name", "command", "kind", "host", "at"):
        op.create_index(f"audit_by_{column}", "audit", [column, "seq"])
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("audit_by_targets", "audit", ["targets"])
    else:
        op.execute("CREATE INDEX audit_by_targets ON audit USING gin ((targets::jsonb) jsonb_path_ops)")
