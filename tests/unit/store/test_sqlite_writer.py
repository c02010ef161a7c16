"""Group commit: what waits together, what it costs, and who hears of a failure."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tieline.errors import NotFound
from tieline.model.lease import NumberLease, Step
from tieline.model.pool import NumberAdmin
from tieline.store import sqlite_turn
from tieline.store.errors import InFlight, PoolExhausted, StoreFailed
from tieline.store.records import stamp
from tieline.store.sqlite import SqliteStore
from tieline.store.sqlite_reservations import _store as store_step
from tieline.store.sqlite_writer import MAX_GROUP
from tieline.testing.store_contract_conversations import opened
from tieline.testing.store_samples import T0, after, ask, give_pool, invite, numbers, pool


class SlowDisk:
    """Holds each commit until it is let go, and counts them."""

    def __init__(self) -> None:
        self.commits = 0
        self.reached = threading.Semaphore(0)
        self._free = threading.Event()
        self._free.set()
        self.fault: Exception | None = None

    def __call__(self) -> None:
        self.commits += 1
        self.reached.release()
        self._free.wait()
        if self.fault is not None:
            raise self.fault

    def hold(self) -> None:
        self._free.clear()
        while self.reached.acquire(blocking=False):
            pass

    def let_go(self) -> None:
        self._free.set()

    async def is_reached(self) -> None:
        await asyncio.to_thread(self.reached.acquire)


@pytest.fixture
def disk() -> SlowDisk:
    return SlowDisk()


@pytest.fixture
async def store(database: Path, disk: SlowDisk) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database, before_commit=disk)
    await store.open(T0)
    await give_pool(store, pool(100))
    yield store
    disk.let_go()
    await store.close()


async def test_what_arrives_during_a_commit_is_the_next_group(store: SqliteStore, disk: SlowDisk) -> None:
    disk.hold()
    first = asyncio.create_task(store.reserve(ask(), "p", T0))
    await disk.is_reached()
    commits = disk.commits
    rest = [asyncio.create_task(store.reserve(ask(), "p", T0)) for _ in range(63)]
    await asyncio.sleep(0)
    assert not first.done(), "nobody is told before the commit"
    disk.let_go()
    taken = [(await first).number, *[one.number for one in await asyncio.gather(*rest)]]
    assert taken == list(numbers(64)), "in order of arrival"
    assert disk.commits == commits + 1, "sixty-three in one commit"


async def test_results_leave_after_their_commit_and_reads_see_them(
    store: SqliteStore, disk: SlowDisk
) -> None:
    disk.hold()
    writing = asyncio.create_task(store.open_conversation(opened()))
    await disk.is_reached()
    assert await store.conversation("conversation-c1") is None
    assert not writing.done()
    disk.let_go()
    await writing
    assert await store.conversation("conversation-c1") is not None


async def test_one_failure_spares_its_neighbours(store: SqliteStore, disk: SlowDisk) -> None:
    disk.hold()
    first = asyncio.create_task(store.reserve(ask(), "p", T0))
    await disk.is_reached()
    writes = [
        store.reserve(ask(), "p", T0),
        store.mark_answered("none", T0),
        store.reserve(ask(), "none", T0),
        store.open_conversation(opened()),
        store.reserve(ask(), "p", T0),
    ]
    group = [asyncio.ensure_future(write) for write in writes]
    await asyncio.sleep(0)
    disk.let_go()
    got = await asyncio.gather(first, *group, return_exceptions=True)
    assert [type(one) for one in got if isinstance(one, BaseException)] == [NotFound, NotFound]
    assert await store.conversation("conversation-c1") is not None
    assert (await store.pool_stats("p", T0)).reserved_total == 3


async def test_a_failed_commit_is_told_and_leaves_nothing(store: SqliteStore, disk: SlowDisk) -> None:
    disk.fault = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(StoreFailed, match="disk I/O error"):
        await store.reserve(ask(idempotency_key="k", body_hash="h"), "p", T0)
    disk.fault = None
    assert not await store.reservations("x", T0)
    again = await store.reserve(ask(idempotency_key="k", body_hash="h"), "p", T0)
    assert (again.replayed, again.epoch) == (False, 1)


async def test_a_lone_write_does_not_wait_for_company(store: SqliteStore, disk: SlowDisk) -> None:
    before = disk.commits
    for _ in range(3):
        await store.reserve(ask(), "p", T0)
    assert disk.commits == before + 3


async def test_same_key_in_flight_is_refused(store: SqliteStore, disk: SlowDisk) -> None:
    disk.hold()
    wanted = ask(idempotency_key="k", body_hash="h")
    first = asyncio.create_task(store.reserve(wanted, "p", T0))
    await disk.is_reached()
    with pytest.raises(InFlight):
        await store.reserve(wanted, "p", T0)
    disk.let_go()
    made = await first
    assert (await store.reserve(wanted, "p", T0)).id == made.id


async def test_a_caller_who_gives_up_waiting_harms_nobody(store: SqliteStore, disk: SlowDisk) -> None:
    disk.hold()
    first, second = [asyncio.create_task(store.reserve(ask(), "p", T0)) for _ in range(2)]
    await disk.is_reached()
    first.cancel()
    await asyncio.sleep(0)
    disk.let_go()
    assert (await second).epoch == 1


async def test_a_client_who_hung_up_and_asks_again_at_once(store: SqliteStore, disk: SlowDisk) -> None:
    disk.hold()
    blocking = asyncio.create_task(store.reserve(ask(), "p", T0))
    await disk.is_reached()
    wanted = ask(idempotency_key="k", body_hash="h")
    first = asyncio.create_task(store.reserve(wanted, "p", T0))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(store.reserve(wanted, "p", T0))
    other = asyncio.create_task(store.reserve(ask(), "p", T0))
    await asyncio.sleep(0)
    disk.let_go()
    with pytest.raises(InFlight):
        await second
    assert (await other).epoch == (await blocking).epoch == 1
    assert (await store.reserve(wanted, "p", T0)).replayed


async def test_exhaustion_storm_needs_no_disk(store: SqliteStore, disk: SlowDisk) -> None:
    await give_pool(store, pool(1))
    await store.reserve(ask(), "p", T0)
    with pytest.raises(PoolExhausted):
        await store.reserve(ask(), "p", T0)
    disk.hold()
    writing = asyncio.create_task(store.open_conversation(opened()))
    await disk.is_reached()
    commits = disk.commits
    storm = [store.reserve(ask(), "p", after(0.5)) for _ in range(1000)]
    for refused in await asyncio.gather(*storm, return_exceptions=True):
        assert isinstance(refused, PoolExhausted)
        assert refused.retry_after_s == 119.5
    assert disk.commits == commits
    disk.let_go()
    await writing
    assert (await store.pool_stats("p", T0)).refused_total == 1001


async def test_refusals_do_not_commit_and_replays_are_still_answered(
    store: SqliteStore, disk: SlowDisk
) -> None:
    await give_pool(store, pool(1))
    wanted = ask(idempotency_key="k", body_hash="h")
    first = await store.reserve(wanted, "p", T0)
    commits = disk.commits
    for at in (1, 2.5, 4):
        with pytest.raises(PoolExhausted):
            await store.reserve(ask(idempotency_key=f"k{at}", body_hash="h"), "p", after(at))
    assert (await store.reserve(wanted, "p", after(5))).id == first.id
    assert disk.commits == commits


@pytest.mark.parametrize("event", ["claim", "release", "admin", "apply"])
async def test_what_frees_a_number_ends_the_refusals(store: SqliteStore, event: str) -> None:
    await give_pool(store, pool(2, claim_cooldown_s=0.0, expiry_cooldown_s=0.0))
    held = await store.reserve(ask(), "p", T0)
    await store.set_number_admin("p", numbers(2)[1], NumberAdmin.DISABLED)
    with pytest.raises(PoolExhausted):
        await store.reserve(ask(), "p", after(0.1))
    if event == "claim":
        await store.bind(invite(held.number), after(0.2))
        await store.claim(held.id, held.epoch, after(0.2), verified=True)
    elif event == "release":
        await store.release(held.id, "x", after(0.2))
    elif event == "admin":
        await store.set_number_admin("p", numbers(2)[1], NumberAdmin.ACTIVE)
    else:
        await give_pool(store, pool(3))
    assert (await store.reserve(ask(), "p", after(0.3))).id != held.id


async def test_another_process_adds_numbers(store: SqliteStore, database: Path) -> None:
    await give_pool(store, pool(1))
    await store.reserve(ask(), "p", T0)
    with pytest.raises(PoolExhausted):
        await store.reserve(ask(), "p", T0)
    version = await store.resources_version()
    operator = SqliteStore(database)
    await operator.open(T0)
    await give_pool(operator, pool(2, ttl_s=30.0))
    await operator.close()
    assert await store.resources_version() == version + 1
    assert (await store.resources()).pools[0].ttl_s == 30
    held = await store.reserve(ask(), "p", after(1))
    assert (held.number, held.expires_at) == (numbers(2)[1], after(31))


async def test_a_closed_store_refuses_writes(database: Path) -> None:
    store = SqliteStore(database)
    await store.open(T0)
    await store.close()
    with pytest.raises(StoreFailed):
        await store.reserve(ask(), "p", T0)


def test_two_connections_that_look_before_they_take_book_twice(database: Path) -> None:
    """The negative control: what the single writer prevents does happen without it."""
    first, second = (sqlite3.connect(database, isolation_level=None) for _ in range(2))
    first.execute("INSERT INTO pools (id, name, position, member, policy) VALUES (1, 'p', 0, 1, '{}')")
    first.execute("INSERT INTO numbers (pool_id, number, position) VALUES (1, '+1555', 0)")
    seen = [one.execute("SELECT id FROM numbers WHERE phase = 0").fetchone() for one in (first, second)]
    for connection, (number,) in zip((first, second), seen, strict=True):
        connection.execute("UPDATE numbers SET phase = 1, epoch = epoch + 1 WHERE id = ?", (number,))
    assert seen[0] == seen[1], "both hold the number"
    assert first.execute("SELECT epoch FROM numbers").fetchone() == (2,)
    first.close()
    second.close()


def test_the_database_refuses_two_reservations_of_one_epoch(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("INSERT INTO pools (id, name, position, member, policy) VALUES (1, 'p', 0, 1, '{}')")
    connection.execute("INSERT INTO numbers (id, pool_id, number, position) VALUES (1, 1, '+1555', 0)")
    insert = (
        "INSERT INTO reservations (id, number_id, epoch, project, state, attributes, reserved_at, expires_at,"
        " caller_policy) VALUES (?, 1, 1, 'x', 0, '{}', 0, 0, 0)"
    )
    connection.execute(insert, ("a",))
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(insert, ("b",))
    connection.close()


async def test_a_burst_larger_than_a_group_is_served_whole(store: SqliteStore) -> None:
    await give_pool(store, pool(MAX_GROUP + 100))
    taken = await asyncio.gather(*[store.reserve(ask(), "p", T0) for _ in range(MAX_GROUP + 100)])
    assert len({one.number for one in taken}) == MAX_GROUP + 100


def test_the_last_guards_hold_when_the_rules_are_bypassed(database: Path) -> None:
    """A number that is not free is not taken, and a number that has moved on is not written."""
    connection = sqlite3.connect(database)
    connection.execute("INSERT INTO pools (id, name, position, member, policy) VALUES (1, 'p', 0, 1, '{}')")
    connection.execute(
        "INSERT INTO numbers (id, pool_id, number, position, epoch, free_at) VALUES (1,1,'+1',0,5,9)"
    )
    lent = sqlite_turn._Lease(end=T0, end_stamp=stamp(T0), free_stamp=stamp(T0), ids=[1, 2])
    with pytest.raises(sqlite3.IntegrityError, match="taken twice"):
        sqlite_turn._take(connection, {None: lent}, stamp(T0))
    connection.rollback()
    lease = NumberLease(number="+1", epoch=4)
    with pytest.raises(sqlite3.IntegrityError, match="moved on"):
        store_step(connection, 1, Step(lease=lease, reservation=None))  # type: ignore[arg-type]
    connection.close()


async def test_a_job_that_fails_alone_leaves_nothing_behind(store: SqliteStore) -> None:
    """The only write of a group has no savepoint: its transaction is rolled back, and nothing is committed."""
    await give_pool(store, pool(1))
    before = store.commits

    def job(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE pools SET reserved = 7")
        raise NotFound("no such thing")

    with pytest.raises(NotFound):
        await store._writer.submit(job)
    assert store.commits == before
    assert (await store.pool_stats("p", T0)).reserved_total == 0
    assert (await store.reserve(ask(), "p", T0)).epoch == 1


async def test_a_disk_that_fails_under_a_lone_job_is_a_failure_of_the_store(store: SqliteStore) -> None:
    def job(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(StoreFailed, match="disk I/O error"):
        await store._writer.submit(job)
    await give_pool(store, pool(1))
    assert (await store.reserve(ask(), "p", T0)).epoch == 1


async def test_closing_commits_what_is_queued(database: Path) -> None:
    """More than one group is waiting when the store is closed: each is committed and told."""
    store = SqliteStore(database)
    await store.open(T0)
    await give_pool(store, pool(2 * MAX_GROUP))
    waiting = [asyncio.ensure_future(store.reserve(ask(), "p", T0)) for _ in range(2 * MAX_GROUP)]
    await asyncio.sleep(0)  # let them ask
    await store.close()
    assert len({(await one).number for one in waiting}) == 2 * MAX_GROUP
    await store.close()
    with pytest.raises(StoreFailed, match="closed"):
        await store.reserve(ask(), "p", T0)
