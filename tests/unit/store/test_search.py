"""What a search reads, and what a database of an older release is found by."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from tieline.model.call import Fault, TerminationReason
from tieline.model.receipt import HandoffFailure, Step
from tieline.store.base import ConversationFilter, Cursor
from tieline.store.migration import MIGRATIONS, migrate
from tieline.store.records import encode, stamp
from tieline.store.sqlite import SqliteStore
from tieline.store.sqlite_search import list_query
from tieline.testing.store_contract_conversations import closed, opened, outcome, refused
from tieline.testing.store_contract_search import HOUR_S, end, ids, receipt, span
from tieline.testing.store_samples import T0, after


def database_of_0003(path: Path) -> sqlite3.Connection:
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    engine.dispose()
    return sqlite3.connect(path, isolation_level=None)


def put_call(old: sqlite3.Connection, name: str, at: float) -> None:
    row = opened(name, after(at))
    end = closed(name, answered_at=after(at + 2), ended_at=after(at + 10))
    document: str | None = encode(end)
    if name == "up":
        document = None
    elif name == "unanswered":
        document = encode(closed(name, answered_at=None))
    old.execute(
        "INSERT INTO conversations (id, account, project, started_at, state, opened, closed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, row.account, row.project, stamp(row.started_at), "ended", encode(row), document),
    )


async def test_old_calls_are_found_and_counted_after_a_migration(tmp_path: Path, database: Path) -> None:
    old = database_of_0003(tmp_path / "old.db")
    new = SqliteStore(database)
    await new.open(T0)
    for name, at in (("c1", 0.0), ("c2", 10.5), ("c3", HOUR_S), ("unanswered", 0.0), ("up", 0.0)):
        put_call(old, name, at)
        await new.open_conversation(opened(name, after(at)))
    tried = receipt(
        (0, Step.FAILED, HandoffFailure.BUSY), (1, Step.DONE, None), (2, Step.DONE, None),
        (2, Step.FAILED, HandoffFailure.NO_ANSWER),
    )  # fmt: skip
    old.execute(
        "INSERT INTO receipts (conversation_id, position, document) VALUES ('c1', 0, ?)", (encode(tried),)
    )
    old.execute(
        "INSERT INTO outcomes (conversation_id, handed_off, document) VALUES ('c1', 1, ?)",
        (encode(outcome("c1")),),
    )
    old.execute(
        "INSERT INTO refusals (at, source, reason, document) VALUES (?, 'x', 'unknown_trunk', ?)",
        (stamp(T0), encode(refused(0, count=3))),
    )
    old.close()
    await new.save_receipt("c1", 0, tried)
    await new.save_outcome(outcome("c1"))
    await new.record_refusal(refused(0, count=3))
    for name, at in (("c1", 0.0), ("c2", 10.5), ("c3", HOUR_S)):
        await new.close_conversation(closed(name, answered_at=after(at + 2), ended_at=after(at + 10)))
    await new.close_conversation(closed("unanswered", answered_at=None))
    migrate(tmp_path / "old.db")
    migrated = SqliteStore(tmp_path / "old.db")
    await migrated.open(T0)
    counted = await migrated.figures(span(9))
    assert counted == await new.figures(span(9))
    assert (len(counted.calls), len(counted.handoffs), len(counted.refusals)) == (3, 3, 1)
    for wanted in ({"handed_off": True}, {"up": True}, {"env": "live"}, {"fault": Fault.CALLER}):
        assert await ids(migrated, **wanted) == await ids(new, **wanted)
    await migrated.close()
    await new.close()


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "conversations_by_start"),
        ({"older": Cursor(at=T0, id="c")}, "conversations_by_start (started_at<?)"),
        ({"after": T0, "before": after(9)}, "conversations_by_start (started_at>? AND started_at<?)"),
        ({"project": "x"}, "conversations_by_project (project=?)"),
        ({"project": "x", "reason": TerminationReason.NO_ACK}, "conversations_by_start"),
        ({"up": True}, "conversations_open"),
        ({"number": "+1", "project": "x"}, "conversations_by_callee (callee=?)"),
        ({"shared_id": "1", "env": "live"}, "conversations_by_shared_id (shared_id=?)"),
        ({"sip_call_id": "s"}, "conversations_by_sip_call_id (sip_call_id=?)"),
    ],
)
def test_a_search_goes_by_an_index(database: Path, wanted: dict[str, object], index: str) -> None:
    statement, values = list_query(ConversationFilter(**wanted))  # type: ignore[arg-type]
    connection = sqlite3.connect(database)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    connection.close()
    looked_at = [line for line in plan if "conversations_" in line or " c " in f"{line} "]
    assert any(index in line for line in looked_at), plan
    assert not [line for line in plan if line == "SCAN c"], plan


async def test_a_rare_end_is_found_among_many(database: Path) -> None:
    store = SqliteStore(database)
    await store.open(T0)
    for index in range(30):
        reason = TerminationReason.NO_ACK if index == 3 else TerminationReason.CALLER_HUNG_UP
        await end(store, f"c{index}", reason, at=float(index))
    assert await ids(store, reason=TerminationReason.NO_ACK, project="x", limit=5) == ["c3"]
    await store.close()
