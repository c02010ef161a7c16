"""The schema, declared once for every SQL engine. Times are integers: microseconds since 1970, UTC.

`numbers` is the table the speed of reservations hangs on: the partial index `numbers_in_turn` holds exactly the
numbers that may be handed out, in the order in which they are. `reservations` is kept by a key that grows with time
and is part of the public id: new rows go to the end of the table, and its indexes need not hold the long id. Its
index (epoch, number) grows at the end too, because numbers rotate.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("boot_id", Text, nullable=False),
    Column("boot_time", Integer, nullable=False),
    Column("utc", Integer, nullable=False),
    CheckConstraint("id = 1", name="clock_has_one_row"),
)

resources = Table(
    "resources",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("document", Text, nullable=False),
)

resources_version = Table(
    "resources_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("applied_at", Integer, nullable=False),
    CheckConstraint("id = 1", name="resources_version_has_one_row"),
)

pools = Table(
    "pools",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("position", Integer, nullable=False),
    Column("member", Integer, nullable=False),
    Column("policy", Text, nullable=False),
    Column("reserved", Integer, nullable=False, server_default="0"),
    Column("claimed", Integer, nullable=False, server_default="0"),
    Column("expired", Integer, nullable=False, server_default="0"),
    Column("released", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("late", Integer, nullable=False, server_default="0"),
    Column("stray", Integer, nullable=False, server_default="0"),
)

numbers = Table(
    "numbers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pool_id", Integer, ForeignKey("pools.id"), nullable=False),
    Column("number", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("member", Integer, nullable=False, server_default="1"),
    Column("admin", Integer, nullable=False, server_default="0"),
    Column("phase", Integer, nullable=False, server_default="0"),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("expires_at", Integer, nullable=False, server_default="0"),
    Column("free_at", Integer, nullable=False, server_default="0"),
    Column("released", Integer, nullable=False, server_default="0"),
    Column("last_used_at", Integer),
    Column("strays", Integer, nullable=False, server_default="0"),
    Column("recent_strays", Integer, nullable=False, server_default="0"),
    Column("no_shows", Integer, nullable=False, server_default="0"),
    Column("no_show_rate", Integer, nullable=False, server_default="0"),
    UniqueConstraint("pool_id", "number", name="numbers_once_a_pool"),
)
Index(
    "numbers_in_turn",
    numbers.c.pool_id,
    numbers.c.phase,
    numbers.c.free_at,
    sqlite_where=text("member = 1 AND admin = 0"),
)
Index("numbers_removed", numbers.c.number, sqlite_where=text("member = 0"))

reservations = Table(
    "reservations",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("number_id", Integer, ForeignKey("numbers.id"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("project", Text, nullable=False),
    Column("state", Integer, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("reserved_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("expected_caller", Text),
    Column("caller_policy", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("body_hash", Text),
    Column("sip_call_id", Text),
    Column("from_tag", Text),
    Column("conversation_id", Text),
    Column("late", Integer, nullable=False, server_default="0"),
)
Index("reservations_by_epoch", reservations.c.epoch, reservations.c.number_id, unique=True)
Index("reservations_by_project", reservations.c.project)
Index(
    "reservations_by_key",
    reservations.c.project,
    reservations.c.idempotency_key,
    unique=True,
    sqlite_where=text("idempotency_key IS NOT NULL"),
)
Index(
    "reservations_by_call",
    reservations.c.sip_call_id,
    reservations.c.from_tag,
    sqlite_where=text("sip_call_id IS NOT NULL"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("started_at", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("caller", Text),
    Column("callee", Text),
    Column("sip_call_id", Text),
    Column("shared_id", Text),
    Column("opened", Text, nullable=False),
    Column("answered_at", Integer),
    Column("closed", Text),
    Column("ladder", LargeBinary),
    Column("dialogs", Text),
    Column("reason", Text),
    Column("handed_off", Integer),
    Column("env", Text),
    Column("channel", Text),
)
# Holds all that a list is filtered by, so that even a search for what is rare reads no row in vain.
Index(
    "conversations_by_start",
    conversations.c.started_at,
    conversations.c.account,
    conversations.c.project,
    conversations.c.reason,
    conversations.c.handed_off,
    conversations.c.env,
    conversations.c.channel,
)
Index("conversations_by_project", conversations.c.project, conversations.c.started_at)
Index(
    "conversations_by_shared_id",
    conversations.c.shared_id,
    conversations.c.started_at,
    sqlite_where=text("shared_id IS NOT NULL"),
)
Index("conversations_by_sip_call_id", conversations.c.sip_call_id)
Index("conversations_by_caller", conversations.c.caller, conversations.c.started_at)
Index("conversations_by_callee", conversations.c.callee, conversations.c.started_at)
Index("conversations_open", conversations.c.id, sqlite_where=text("closed IS NULL"))

turns = Table(
    "turns",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("conversation_id", "position"),
    sqlite_with_rowid=False,
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), primary_key=True),
    Column("handed_off", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("conversation_id", "position"),
    sqlite_with_rowid=False,
)

further_legs = Table(
    "further_legs",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("sip_call_id", Text, nullable=False),
    PrimaryKeyConstraint("conversation_id", "sip_call_id"),
    sqlite_with_rowid=False,
)
Index("further_legs_by_sip_call_id", further_legs.c.sip_call_id)

refusals = Table(
    "refusals",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("document", Text, nullable=False),
)

call_figures = Table(
    "call_figures",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("account", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("handed_off", Integer, nullable=False),
    Column("calls", Integer, nullable=False, server_default="0"),
    Column("answered", Integer, nullable=False, server_default="0"),
    Column("talk_s", Integer, nullable=False, server_default="0"),
    Column("answer_ms", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("hour", "account", "project", "reason", "handed_off"),
    sqlite_with_rowid=False,
)

handoff_figures = Table(
    "handoff_figures",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("account", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("rungs", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("hour", "account", "project", "method", "result"),
    sqlite_with_rowid=False,
)

refusal_figures = Table(
    "refusal_figures",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("calls", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("hour", "trunk", "reason"),
    sqlite_with_rowid=False,
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("document", Text, nullable=False),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("document", Text, nullable=False),
)
Index("user_sessions_by_user", user_sessions.c.user_id)

one_time_links = Table(
    "one_time_links",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text),
    Column("expires_at", Integer, nullable=False),
    Column("document", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("account", Text),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("document", Text, nullable=False),
)
Index("audit_by_time", audit.c.at)

credential_uses = Table(
    "credential_uses",
    metadata,
    Column("secret_hash", Text, primary_key=True),
    Column("used_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("project", Text),
    Column("subject", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("routed", Integer, nullable=False, server_default="0"),
)
Index("webhook_events_unrouted", webhook_events.c.seq, sqlite_where=text("routed = 0"))
Index("webhook_events_by_subject", webhook_events.c.subject)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("event_seq", Integer, ForeignKey("webhook_events.seq"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_at", Integer),
    Column("attempts", Text, nullable=False, server_default="[]"),
)
Index(
    "webhook_deliveries_due",
    webhook_deliveries.c.endpoint,
    webhook_deliveries.c.next_at,
    sqlite_where=text("state = 'waiting'"),
)
Index(
    "webhook_deliveries_in_turn",
    webhook_deliveries.c.endpoint,
    webhook_deliveries.c.subject,
    webhook_deliveries.c.event_seq,
    sqlite_where=text("state = 'waiting'"),
)
Index("webhook_deliveries_by_endpoint", webhook_deliveries.c.endpoint, webhook_deliveries.c.event_seq)
Index("webhook_deliveries_by_event", webhook_deliveries.c.event_seq)

sms_messages = Table(
    "sms_messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("account", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("conversation_id", Text),
    Column("sent_to", Text, nullable=False),
    Column("sent_from", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_at", Integer),
    Column("provider_sid", Text),
    Column("document", Text, nullable=False),
)
Index("sms_by_time", sms_messages.c.at)
Index("sms_by_conversation", sms_messages.c.conversation_id)
Index("sms_by_project", sms_messages.c.project, sms_messages.c.at)
Index("sms_by_recipient", sms_messages.c.sent_to, sms_messages.c.at)
Index("sms_by_sender", sms_messages.c.sent_from, sms_messages.c.at)
Index("sms_due", sms_messages.c.next_at, sqlite_where=text("state IN ('waiting', 'sending')"))
Index(
    "sms_by_provider_sid",
    sms_messages.c.provider_sid,
    unique=True,
    sqlite_where=text("provider_sid IS NOT NULL"),
)

sms_opt_outs = Table(
    "sms_opt_outs",
    metadata,
    Column("recipient", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("account", "recipient", "sender"),
    sqlite_with_rowid=False,
)
