"""People, their sessions and the audit log; webhooks and SMS on their way out; figures of calls by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this version."""
    _call_figures()
    _people()
    _webhooks()
    _messages()


def _call_figures() -> None:
    """Figures by the hour, and columns to search calls by."""
    op.create_table(
        "call_figures",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("handed_off", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("talk_s", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("hour", "account", "project", "reason", "handed_off"),
        sqlite_with_rowid=False,
    )
    op.add_column("conversations", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("conversations", sa.Column("handed_off", sa.Integer(), nullable=True))
    op.add_column("conversations", sa.Column("ended_at", sa.Integer(), nullable=True))
    op.create_index("conversations_by_callee", "conversations", ["callee", "started_at"])
    op.create_index("conversations_by_caller", "conversations", ["caller", "started_at"])
    op.create_index("conversations_by_reason", "conversations", ["reason", "started_at"])


def _people() -> None:
    """Who may sign in, where they are signed in, what was changed by whom, and when credentials were used."""
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_time", "audit", ["at"])
    op.create_table(
        "credential_uses",
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("secret_hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "one_time_links",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "user_sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("user_sessions_by_user", "user_sessions", ["user_id"])


def _webhooks() -> None:
    """The outbox of webhook events and their deliveries."""
    op.create_table(
        "webhook_events",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("routed", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("webhook_events_by_subject", "webhook_events", ["subject"])
    op.create_index("webhook_events_unrouted", "webhook_events", ["seq"], sqlite_where=sa.text("routed = 0"))
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("event_seq", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_at", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(
            ["event_seq"],
            ["webhook_events.seq"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "webhook_deliveries_by_endpoint", "webhook_deliveries", ["endpoint", "event_seq"], unique=False
    )
    op.create_index("webhook_deliveries_by_event", "webhook_deliveries", ["event_seq"])
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
    )


def _messages() -> None:
    """SMS on their way out and in, and who wants none."""
    op.create_table(
        "sms_messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("sent_to", sa.Text(), nullable=False),
        sa.Column("sent_from", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_at", sa.Integer(), nullable=True),
        sa.Column("provider_sid", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sms_by_conversation", "sms_messages", ["conversation_id"])
    op.create_index(
        "sms_by_provider_sid",
        "sms_messages",
        ["provider_sid"],
        unique=True,
        sqlite_where=sa.text("provider_sid IS NOT NULL"),
    )
    op.create_index("sms_by_time", "sms_messages", ["at"])
    op.create_index(
        "sms_due", "sms_messages", ["next_at"], sqlite_where=sa.text("state IN ('waiting', 'sending')")
    )
    op.create_index("sms_by_project", "sms_messages", ["project", "at"])
    op.create_index("sms_by_recipient", "sms_messages", ["sent_to", "at"])
    op.create_index("sms_by_sender", "sms_messages", ["sent_from", "at"])
    op.create_table(
        "sms_opt_outs",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", "sender"),
        sqlite_with_rowid=False,
    )
