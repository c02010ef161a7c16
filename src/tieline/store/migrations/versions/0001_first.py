"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this version."""
    _create_resources()
    _create_pools()
    _create_numbers()
    _create_reservations()
    _create_conversations()
    _create_refusals()


def _create_resources() -> None:
    """The clock and what the operator configured."""
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("boot_time", sa.Integer(), nullable=False),
        sa.Column("utc", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="clock_has_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "resources",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    op.create_table(
        "resources_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("applied_at", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="resources_version_has_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_pools() -> None:
    """Pools."""
    op.create_table(
        "pools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("member", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("reserved", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expired", sa.Integer(), server_default="0", nullable=False),
        sa.Column("released", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("late", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stray", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )


def _create_numbers() -> None:
    """The numbers of pools."""
    op.create_table(
        "numbers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("member", sa.Integer(), server_default="1", nullable=False),
        sa.Column("admin", sa.Integer(), server_default="0", nullable=False),
        sa.Column("phase", sa.Integer(), server_default="0", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.Integer(), server_default="0", nullable=False),
        sa.Column("free_at", sa.Integer(), server_default="0", nullable=False),
        sa.Column("released", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_used_at", sa.Integer(), nullable=True),
        sa.Column("strays", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recent_strays", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_shows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no_show_rate", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"],
            ["pools.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("pool_id", "number", name="numbers_once_a_pool"),
    )
    op.create_index(
        "numbers_in_turn",
        "numbers",
        ["pool_id", "phase", "free_at"],
        unique=False,
        sqlite_where=sa.text("member = 1 AND admin = 0"),
    )
    op.create_index(
        "numbers_removed", "numbers", ["number"], unique=False, sqlite_where=sa.text("member = 0")
    )


def _create_reservations() -> None:
    """Reservations."""
    op.create_table(
        "reservations",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("reserved_at", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.Column("expected_caller", sa.Text(), nullable=True),
        sa.Column("caller_policy", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=True),
        sa.Column("sip_call_id", sa.Text(), nullable=True),
        sa.Column("from_tag", sa.Text(), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("late", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["number_id"],
            ["numbers.id"],
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "reservations_by_call",
        "reservations",
        ["sip_call_id", "from_tag"],
        unique=False,
        sqlite_where=sa.text("sip_call_id IS NOT NULL"),
    )
    op.create_index("reservations_by_epoch", "reservations", ["epoch", "number_id"], unique=True)
    op.create_index(
        "reservations_by_key",
        "reservations",
        ["project", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index("reservations_by_project", "reservations", ["project"], unique=False)


def _create_conversations() -> None:
    """Conversations, turns and outcomes."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("callee", sa.Text(), nullable=True),
        sa.Column("sip_call_id", sa.Text(), nullable=True),
        sa.Column("shared_id", sa.Text(), nullable=True),
        sa.Column("opened", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.Integer(), nullable=True),
        sa.Column("closed", sa.Text(), nullable=True),
        sa.Column("ladder", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("conversations_by_project", "conversations", ["project", "started_at"], unique=False)
    op.create_index(
        "conversations_by_shared_id",
        "conversations",
        ["shared_id", "started_at"],
        unique=False,
        sqlite_where=sa.text("shared_id IS NOT NULL"),
    )
    op.create_index("conversations_by_sip_call_id", "conversations", ["sip_call_id"], unique=False)
    op.create_index("conversations_by_start", "conversations", ["started_at"], unique=False)
    op.create_index(
        "conversations_open", "conversations", ["id"], unique=False, sqlite_where=sa.text("closed IS NULL")
    )
    op.create_table(
        "outcomes",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("handed_off", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
        ),
        sa.PrimaryKeyConstraint("conversation_id"),
    )
    op.create_table(
        "turns",
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


def _create_refusals() -> None:
    """Refused calls."""
    op.create_table(
        "refusals",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
