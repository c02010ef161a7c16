"""Outcomes with revisions, the receipts of handoffs, and the SIP Call-IDs of further legs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this version."""
    op.add_column("outcomes", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "receipts",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
        ),
        sa.PrimaryKeyConstraint("conversation_id", "position"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "further_legs",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
        ),
        sa.PrimaryKeyConstraint("conversation_id", "sip_call_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("further_legs_by_sip_call_id", "further_legs", ["sip_call_id"], unique=False)
