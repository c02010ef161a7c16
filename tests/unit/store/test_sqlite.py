"""The database across restarts, releases and boots."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from tieline.clock import SystemClock
from tieline.errors import ConfigurationError, SchemaTooNew
from tieline.model.pool import NumberState
from tieline.model.reservation import BindVerdict, ReservationState
from tieline.store.anchor import Boot, read_boot, save_anchor, steady_anchor
from tieline.store.base import Pruned
from tieline.store.migration import MIGRATIONS, REVISIONS, SchemaState, migrate, schema_state
from tieline.store.records import encode
from tieline.store.schema import metadata
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_contract_conversations import opened, outcome
from tieline.testing.store_samples import T0, after, ask, give_pool, invite, numbers, pool


async def test_keys_are_forgotten_however_many_looks_it_takes(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieline.store.sqlite_retention.LOOK", 3)
    monkeypatch.setattr("tieline.store.sqlite_retention.CHUNK", 2)
    store = await reopen(database, 0)
    await give_pool(store, pool(20))
    for index in range(20):
        request = ask(project="xy"[index % 2], idempotency_key=f"k{index}", body_hash="h")
        await store.reserve(request, "p", after(index))
    assert await store.prune(after(110), keep_s=None, keep_keys_s=100.0) == Pruned(keys=10)
    assert (await store.reserve(ask(idempotency_key="k10", body_hash="h"), "p", after(110))).replayed
    await store.close()


HOUR = timedelta(hours=1)


async def reopen(path: Path, at: float) -> SqliteStore:
    store = SqliteStore(path)
    await store.open(after(at))
    return store


async def test_restart_with_open_leases(database: Path) -> None:
    """Held stays held, expired is in quarantine from its expiry, and nothing turns clean by the restart."""
    store = await reopen(database, 0)
    await give_pool(store, pool(4))
    held = [await store.reserve(ask(ttl_s=ttl), "p", T0) for ttl in (100.0, 30.0, 100.0)]
    bound = await store.bind(invite(held[2].number), after(1))
    assert bound.reservation is not None
    await store.claim(held[2].id, held[2].epoch, after(2), verified=False)
    await store.close()
    store = await reopen(database, 50)
    states = [one.state for one in await store.pool_numbers("p", after(50))]
    assert states == [
        NumberState.RESERVED,
        NumberState.QUARANTINE,
        NumberState.COOLING,
        NumberState.FREE_CLEAN,
    ]
    assert (await store.pool_numbers("p", after(89.9)))[1].state is NumberState.QUARANTINE
    assert (await store.pool_numbers("p", after(90)))[1].state is NumberState.FREE_DIRTY
    late = await store.bind(invite(held[1].number, "c2"), after(51))
    assert late.verdict is BindVerdict.LATE
    again = await store.bind(invite(held[2].number), after(52))
    assert again.reservation is not None
    assert (again.reservation.id, again.reservation.state) == (held[2].id, ReservationState.CLAIMED)
    await store.close()


async def test_a_new_database_is_made_and_an_old_one_kept(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    store = await reopen(path, 0)
    await give_pool(store, pool(1))
    await store.close()
    assert migrate(path) == REVISIONS[-1]
    store = await reopen(path, 1)
    assert (await store.resources()).pools == (pool(1),)
    await store.close()


async def test_a_database_of_the_first_release_is_brought_up_with_its_calls(tmp_path: Path) -> None:
    path = tmp_path / "first.db"
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO conversations (id, account, project, started_at, state, opened) VALUES (?, ?, ?, ?, ?, ?)",
            ("conversation-c1", "a", "x", 0, "handing_off", encode(opened())),
        )
        connection.exec_driver_sql(
            "INSERT INTO outcomes (conversation_id, handed_off, document) VALUES (?, 1, ?)",
            ("conversation-c1", encode(outcome()).replace(',"revision":0', "")),
        )
    engine.dispose()
    with pytest.raises(ConfigurationError, match="tieline migrate"):
        await SqliteStore(path).open(T0)
    assert migrate(path) == REVISIONS[-1]
    store = await reopen(path, 0)
    await store.save_outcome(outcome(data={"handoff_to": "again"}))
    found = await store.conversation("conversation-c1")
    assert found is not None
    assert (found.outcome, found.receipts, found.further_call_ids) == (outcome(), (), ())
    await store.save_outcome(outcome(revision=1))
    await store.close()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", SchemaTooNew),
        ("DELETE FROM alembic_version", ConfigurationError),
        ("DROP TABLE alembic_version", ConfigurationError),
    ],
)
async def test_a_database_of_another_release_is_refused(
    database: Path, change: str, error: type[Exception]
) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(error):
        await SqliteStore(database).open(T0)


def test_migrating_what_is_not_ours_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database at all, but long enough to look at" * 20)
    with pytest.raises(ConfigurationError):
        migrate(text)
    with pytest.raises(ConfigurationError):
        migrate(tmp_path / "none" / "x.db")


@pytest.mark.parametrize("name", ["none/x.db", "text.db", "."])
async def test_a_path_that_cannot_be_a_database_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.db").write_text("not a database at all, but long enough to look at" * 20)
    with pytest.raises(ConfigurationError):
        await SqliteStore(tmp_path / name).open(T0)


def test_the_migrations_make_the_declared_schema(database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}")
    declared = create_engine("sqlite://")
    with engine.connect() as migrated, declared.connect() as made:
        assert compare_metadata(MigrationContext.configure(migrated), metadata) == []
        metadata.create_all(made)
        query = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql NOT NULL"
        first, second = (
            {name: "".join(sql.split()) for name, sql in one.exec_driver_sql(query)}
            for one in (migrated, made)
        )
    engine.dispose()
    declared.dispose()
    assert first.keys() == second.keys()
    assert {name: "WITHOUTROWID" in sql for name, sql in first.items()} == {
        name: "WITHOUTROWID" in sql for name, sql in second.items()
    }
    assert {name: sql for name, sql in first.items() if "INDEX" in sql} == {
        name: sql for name, sql in second.items() if "INDEX" in sql
    }


def test_every_revision_is_known() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


def test_an_empty_database_is_told_from_a_current_one(database: Path) -> None:
    connection = sqlite3.connect(database)
    assert schema_state(connection) is SchemaState.CURRENT
    connection.close()
    connection = sqlite3.connect(":memory:")
    assert schema_state(connection) is SchemaState.EMPTY
    connection.close()


def test_opening_a_current_database_imports_no_migration_tool(database: Path) -> None:
    code = (
        "import asyncio, sys; from tieline.store.sqlite import SqliteStore;"
        "from tieline.testing.store_samples import T0\n"
        "async def main():\n    s = SqliteStore(sys.argv[1]); await s.open(T0); await s.close()\n"
        "asyncio.run(main()); print('alembic' in sys.modules, 'sqlalchemy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(database)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


# ------------------------------------------------------------------------------------------------------ clocks


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_clock_jumps_by_an_hour_across_a_restart(database: Path, jump: timedelta) -> None:
    boot = Boot(id="this", time_us=1_000_000_000)
    connection = sqlite3.connect(database, isolation_level=None)
    save_anchor(connection, boot, T0)
    connection.close()
    later = Boot(id="this", time_us=boot.time_us + 40_000_000)
    anchor = steady_anchor(database, boot=later, wall=after(40) + jump)
    assert anchor == after(40)
    assert abs(SystemClock(anchor).utc() - after(40)) < timedelta(seconds=5)


@pytest.mark.parametrize(("jump", "expected"), [(HOUR, after(3640)), (-HOUR, T0)])
async def test_on_another_boot_the_wall_clock_counts(
    database: Path, jump: timedelta, expected: object
) -> None:
    """But never a time earlier than what is stored, or a lease would grow."""
    connection = sqlite3.connect(database, isolation_level=None)
    save_anchor(connection, Boot(id="this", time_us=1), T0)
    connection.close()
    assert steady_anchor(database, boot=Boot(id="other", time_us=5), wall=after(40) + jump) == expected


async def test_the_anchor_is_no_earlier_than_the_newest_reservation(database: Path) -> None:
    store = await reopen(database, 0)
    await give_pool(store, pool(1))
    await store.reserve(ask(), "p", after(500))
    await store.close()
    assert steady_anchor(database, boot=Boot(id="", time_us=1), wall=after(10)) == after(500)


def test_without_a_database_the_wall_clock_counts(tmp_path: Path) -> None:
    assert steady_anchor(tmp_path / "none.db", wall=T0) == T0
    (tmp_path / "text.db").write_text("not a database at all, but long enough to look at" * 20)
    assert steady_anchor(tmp_path / "text.db", wall=T0) == T0


async def test_small_errors_of_the_anchor_do_not_add_up(database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    save_anchor(connection, Boot(id="this", time_us=0), T0)
    save_anchor(connection, Boot(id="this", time_us=10_000_000), after(10.2))
    stored = connection.execute("SELECT utc FROM clock").fetchone()
    save_anchor(connection, Boot(id="this", time_us=20_000_000), after(500))
    moved = connection.execute("SELECT utc FROM clock").fetchone()
    connection.close()
    assert moved[0] - stored[0] == 500_000_000


def test_this_machine_tells_its_boots_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = read_boot(), read_boot()
    assert first.id == second.id
    assert second.time_us >= first.time_us > 0
    monkeypatch.setattr("tieline.store.anchor.BOOT_ID_FILE", tmp_path / "none")
    assert read_boot().id == ""


# -------------------------------------------------------------------------------------------------------- size


async def test_taking_a_number_looks_at_no_other(database: Path) -> None:
    """The plan of the statement that takes numbers: straight down the index, whatever the pool's size."""
    from tieline.store import sqlite_turn

    connection = sqlite3.connect(database)
    plan = connection.execute("EXPLAIN QUERY PLAN " + sqlite_turn._IN_TURN, (1, 0, 1)).fetchall()
    connection.close()
    steps = [row[3] for row in plan]
    looks = [step for step in steps if step.startswith(("SEARCH", "SCAN numbers"))]
    assert len(looks) == 2, "clean numbers, then dirty ones"
    assert all("numbers_in_turn (pool_id=? AND phase=? AND free_at<?)" in look for look in looks)
    assert not any("TEMP B-TREE" in step for step in steps)


async def test_a_hundred_thousand_numbers_are_applied_and_kept(database: Path) -> None:
    store = await reopen(database, 0)
    many = numbers(100_000, 15550000000)
    await give_pool(store, pool(numbers=many))
    held = await store.reserve(ask(), "p", T0)
    await give_pool(store, pool(numbers=many[:-1]))
    stats = await store.pool_stats("p", after(1))
    assert (stats.numbers, stats.by_state[NumberState.RESERVED]) == (99_999, 1)
    assert (await store.resources()).pools[0].numbers == many[:-1]
    found = await store.reservation(held.id, after(1))
    assert found is not None
    assert found.state is ReservationState.RESERVED
    await store.close()


async def test_leases_of_different_lengths_share_a_group(database: Path) -> None:
    store = await reopen(database, 0)
    await give_pool(store, pool(150))
    wanted = [ask(ttl_s=float(5 + index % 7)) for index in range(150)]
    got = await asyncio.gather(*[store.reserve(one, "p", T0) for one in wanted])
    for one, made in zip(wanted, got, strict=True):
        assert one.ttl_s is not None
        assert made.expires_at == after(one.ttl_s)
        assert await store.reservation(made.id, T0) == made
    await store.close()
