import json
from collections.abc import Sequence

import pytest

from tests.unit.admin.conftest import Parts, somebody
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.pools import PoolAdmin
from tieline.calls.directory import Directory
from tieline.calls.reservations import Reservations
from tieline.errors import InvalidInput, NotFound
from tieline.model.pool import NumberAdmin, NumberState
from tieline.model.user import Role
from tieline.store.people import AuditFilter
from tieline.testing.store_contract_conversations import opened
from tieline.testing.store_samples import after, answer, invite, numbers

OWNER = somebody(personal_data=True)


@pytest.fixture
async def pools(parts: Parts) -> PoolAdmin:
    directory = Directory(await parts.store.resources(), 1, ())
    reservations = Reservations(parts.store, directory, parts.clock)

    def names() -> Sequence[str]:
        return ["inbound", "gone"]

    return PoolAdmin(
        parts.resources,
        parts.store,
        reservations,
        parts.clock,
        parts.trail,
        pool_names=names,
        reach=parts.reach,
    )


async def test_pools_are_seen_by_their_own_account(pools: PoolAdmin) -> None:
    assert [(one.pool.name, one.project) for one in await pools.pools(OWNER)] == [
        ("inbound", "desk"), ("elsewhere", "shop"),
    ]  # fmt: skip
    theirs = somebody(Role.READ_ONLY, "ws-other")
    assert [one.pool.name for one in await pools.pools(theirs)] == ["elsewhere"]
    assert (await pools.pool(theirs, "elsewhere")).stats.numbers == 1
    for wanted in (
        pools.pool(theirs, "inbound"),
        pools.numbers(theirs, "inbound"),
        pools.history(theirs, "inbound", numbers(1)[0]),
        pools.forecast(theirs, "inbound"),
        pools.samples(theirs, "inbound"),
        pools.reservations(theirs, "inbound"),
        pools.read_numbers(theirs, "inbound", ""),
    ):
        with pytest.raises(NotFound):
            await wanted


async def test_numbers_are_searched_by_digits_and_state(pools: PoolAdmin, parts: Parts) -> None:
    made = await pools.try_it(OWNER, "inbound", "")
    assert [one.number for one in await pools.numbers(OWNER, "inbound", limit=2)] == list(numbers(2))
    held = await pools.numbers(OWNER, "inbound", state=NumberState.RESERVED)
    assert [one.number for one in held] == [made.reservation.number]
    assert await pools.numbers(OWNER, "inbound", containing="999") == []


async def test_a_number_is_drained_by_an_operator_and_on_record(pools: PoolAdmin, parts: Parts) -> None:
    number = numbers(2)[1]
    with pytest.raises(Forbidden):
        await pools.set_state(somebody(Role.READ_ONLY), "inbound", number, NumberAdmin.DRAINING)
    await pools.set_state(somebody(Role.OPERATOR), "inbound", number, NumberAdmin.DRAINING)
    assert (await pools.numbers(OWNER, "inbound"))[1].admin is NumberAdmin.DRAINING
    (entry,) = await parts.store.audit(AuditFilter())
    assert (entry.action, entry.name, entry.account) == ("draining", "inbound", "ws-acme")
    assert (entry.changes[0].field, entry.changes[0].before) == (number, "active")
    with pytest.raises(NotFound):
        await pools.set_state(OWNER, "inbound", "+15550109998", NumberAdmin.DISABLED)


async def test_attributes_take_the_right_to_personal_data(pools: PoolAdmin) -> None:
    made = await pools.try_it(OWNER, "inbound", '{"name": "Ada"}')
    (shown,) = await pools.reservations(OWNER, "inbound")
    assert json.loads(shown.reservation.attributes_json) == {"name": "Ada"}
    (hidden,) = await pools.reservations(somebody(), "inbound")
    assert hidden.attributes_hidden
    assert "Ada" not in hidden.reservation.attributes_json
    (past,) = await pools.history(somebody(), "inbound", made.reservation.number)
    assert past.reservation.attributes_json == "{}"


async def test_a_trial_shows_what_to_dial_and_to_send(pools: PoolAdmin) -> None:
    made = await pools.try_it(OWNER, "inbound", '{"quote": "it\'s"}')
    assert made.dial == f"sip:{made.reservation.number}@192.0.2.1:5080"
    assert "http://tieline.example/v1/conversations/dni-reservation" in made.curl
    assert "it'\\''s" in made.curl
    with pytest.raises(InvalidInput, match="not JSON"):
        await pools.try_it(OWNER, "inbound", "{")
    with pytest.raises(InvalidInput):
        await pools.try_it(OWNER, "inbound", "[]")
    with pytest.raises(Forbidden):
        await pools.try_it(somebody(Role.READ_ONLY), "inbound", "{}")
    await pools.release(OWNER, "inbound", made.reservation.id)
    assert (await pools.pool(OWNER, "inbound")).stats.released_total == 1


async def test_numbers_are_added_and_taken_away(pools: PoolAdmin, parts: Parts) -> None:
    found = await pools.read_numbers(OWNER, "inbound", "+15550100001\n+15550100007-+15550100008\nx")
    assert found.numbers == ("+15550100007", "+15550100008")
    assert found.repeated == ("+15550100001",)
    assert len(found.faults) == 1
    await pools.add_numbers(OWNER, "inbound", found.numbers)
    there = (await parts.store.resources()).pools[0].numbers
    assert there == (*numbers(3), "+15550100007", "+15550100008")
    await pools.remove_numbers(OWNER, "inbound", [*numbers(3)])
    assert (await parts.store.resources()).pools[0].numbers == ("+15550100007", "+15550100008")
    with pytest.raises(InvalidFields, match="elsewhere"):
        await pools.add_numbers(OWNER, "inbound", ["+15550200000"])
    with pytest.raises(Forbidden):
        await pools.add_numbers(somebody(Role.OPERATOR), "inbound", ["+15550100009"])


async def test_the_forecast_stands_beside_what_was_measured(pools: PoolAdmin, parts: Parts) -> None:
    empty = await pools.forecast(OWNER, "inbound")
    assert (empty.plan, empty.load, empty.predicted_share, empty.measured_delay) == (None, 0.0, 0.0, False)
    await pools.sample()
    for step in range(25):
        at = step * 12.0
        parts.clock.advance(12.0)
        made = await pools.try_it(OWNER, "inbound", "{}")
        call = f"c{step}"
        came = after(at + 12.0 + 3.0)
        await parts.store.open_conversation(opened(f"conversation-{call}", at=came))
        bound = await parts.store.bind(invite(made.reservation.number, call, pool="inbound"), came)
        await answer(parts.store, bound, came)
    await pools.sample()
    found = await pools.forecast(OWNER, "inbound")
    assert found.measured_delay
    assert found.delay.median_s == pytest.approx(3.0)
    assert found.pace.rate == pytest.approx(1 / 12)
    assert found.pace.refused_share == 0
    assert found.load == pytest.approx(found.hold_s / 12)
    assert 0 < found.predicted_share < 0.1
    assert found.plan is not None
    assert found.plan.rows[0].numbers >= 3
    assert len(await pools.samples(OWNER, "inbound")) == 2
