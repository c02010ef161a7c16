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
    for table, columns, counts in (
        (
            "call_figures",
            ("account", "project", "reason", "handed_off"),
            ("calls", "answered", "talk_s", "answer_ms"),
        ),
        ("handoff_figures", ("account", "project", "method", "result"), ("rungs",)),
        ("refusal_figures", ("trunk", "reason"), ("calls",)),
    ):
        op.create_table(
            table,
            sa.Column("hour", sa.Integer(), nullable=False),
            *(
                sa.Column(name, sa.Integer() if name == "handed_off" else sa.Text(), nullable=False)
                for name in columns
            ),
            *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in counts),
            sa.PrimaryKeyConstraint("hour", *columns),
            sqlite_with_rowid=False,
        )
    op.add_column("conversations", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("conversations", sa.Column("handed_off", sa.Integer(), nullable=True))
    op.add_column("conversations", sa.Column("env", sa.Text(), nullable=True))
    op.add_column("conversations", sa.Column("channel", sa.Text(), nullable=True))
    op.drop_index("conversations_by_start", "conversations")
    _count_old_calls()
    op.create_index(
        "conversations_by_start",
        "conversations",
        ["started_at", "account", "project", "reason", "handed_off", "env", "channel"],
    )
    op.create_index("conversations_by_callee", "conversations", ["callee", "started_at"])
    op.create_index("conversations_by_caller", "conversations", ["caller", "started_at"])


def _count_old_calls() -> None:
    """Fill the new columns and figures of calls, handoffs and refusals that were there before them."""
    connection = op.get_bind()
    for statement in (
        """
        UPDATE conversations SET env = json_extract(opened, '$.env'),
            channel = json_extract(opened, '$.channel_type'),
            reason = json_extract(closed, '$.termination.reason'),
            handed_off = iif(closed IS NULL, NULL, coalesce(
                (SELECT o.handed_off FROM outcomes o WHERE o.conversation_id = conversations.id), 0))""",
        """
        INSERT INTO call_figures (hour, account, project, reason, handed_off, calls, answered, talk_s, answer_ms)
        SELECT started_at / 3600000000, account, project, reason, handed_off, count(*), count(answered),
            coalesce(sum(max(0, round((julianday(ended) - julianday(answered)) * 86400))), 0),
            coalesce(sum(max(0, round((julianday(answered) - julianday(begun)) * 86400000))), 0)
        FROM (SELECT started_at, account, project, reason, handed_off,
            json_extract(opened, '$.started_at') AS begun, json_extract(closed, '$.answered_at') AS answered,
            json_extract(closed, '$.ended_at') AS ended FROM conversations WHERE reason IS NOT NULL)
        GROUP BY 1, 2, 3, 4, 5""",
        # A rung counts by the last of its steps that says how it went: what worked and soon died has failed.
        """
        INSERT INTO handoff_figures (hour, account, project, method, result, rungs)
        SELECT started_at / 3600000000, account, project, method, result, count(*) FROM (
            SELECT c.started_at, c.account, c.project, json_extract(s.value, '$.method') AS method,
                iif(json_extract(s.value, '$.step') = 'done', 'done',
                    coalesce(json_extract(s.value, '$.failure'), 'unknown')) AS result,
                row_number() OVER (PARTITION BY r.conversation_id, r.position, json_extract(s.value, '$.rung')
                    ORDER BY s.key DESC) AS from_last
            FROM receipts r JOIN conversations c ON c.id = r.conversation_id,
                json_each(r.document, '$.steps') s
            WHERE c.reason IS NOT NULL AND json_extract(s.value, '$.step') IN ('done', 'failed'))
        WHERE from_last = 1 GROUP BY 1, 2, 3, 4, 5""",
        """
        INSERT INTO refusal_figures (hour, trunk, reason, calls)
        SELECT at / 3600000000, coalesce(json_extract(document, '$.trunk'), ''), reason,
            sum(json_extract(document, '$.count')) FROM refusals GROUP BY 1, 2, 3""",
    ):
        connection.execute(sa.text(statement))


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
        ["endpoint", "next_at"],
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "webhook_deliveries_in_turn",
        "webhook_deliveries",
        ["endpoint", "subject", "event_seq"],
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
        sa.PrimaryKeyConstraint("account", "recipient", "sender"),
        sqlite_with_rowid=False,
    )
