"""The overview: only what is somebody's own, and a checklist that ticks what is done."""

from __future__ import annotations

import pytest

from tests.unit.admin.conftest import Parts, somebody
from tieline.admin.errors import Forbidden
from tieline.admin.installation import HIDDEN, InstallationAdmin
from tieline.admin.overview import OverviewAdmin, OverviewParts
from tieline.admin.pools import PoolAdmin
from tieline.admin.trunks import TrunkAdmin, TrunkLive
from tieline.calls.directory import Directory
from tieline.calls.reservations import Reservations
from tieline.config import Settings
from tieline.config.table import SETTINGS
from tieline.model.handoff import HandoffMethod
from tieline.model.project import Project
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Step
from tieline.model.user import Role
from tieline.testing.store_contract_conversations import closed, opened, refused
from tieline.testing.store_samples import after

OWNER = somebody(personal_data=True)
TENANT = somebody(account="ws-acme")


async def _not_ready() -> list[str]:
    return ["draining: no new calls are taken"]


@pytest.fixture
async def overview(parts: Parts) -> OverviewAdmin:
    directory = Directory(await parts.store.resources(), 1, ())
    pools = PoolAdmin(
        parts.resources, parts.store, Reservations(parts.store, directory, parts.clock), parts.clock, parts.trail,
        pool_names=lambda: (), reach=parts.reach,
    )  # fmt: skip
    trunks = TrunkAdmin(parts.resources, TrunkLive(health=dict, calls=lambda _: 0), parts.reach, Settings())

    def calls_up() -> tuple[Project, ...]:
        desk, shop = directory.resources.projects
        return (desk, desk, shop)

    return OverviewAdmin(
        OverviewParts(parts.resources, pools, trunks, calls_up, parts.store, _not_ready, parts.clock, 100)
    )


async def test_everybody_sees_their_own(overview: OverviewAdmin, parts: Parts) -> None:
    await parts.store.record_refusal(refused(1))
    found = await overview.overview(OWNER)
    assert (found.calls, found.max_calls) == (3, 100)
    assert found.not_ready == ("draining: no new calls are taken",)
    assert [one.pool.name for one in found.pools] == ["inbound", "elsewhere"]
    assert [one.caller for one in found.refusals] == ["a"]
    theirs = await overview.overview(TENANT)
    assert theirs.calls == 2
    assert [one.pool.name for one in theirs.pools] == ["inbound"]
    assert theirs.refusals == ()
    blind = await overview.overview(somebody())
    assert [one.caller for one in blind.refusals] == ["(hidden)"]
    with pytest.raises(Forbidden):
        await overview.overview(type(OWNER)(kind=OWNER.kind, id="x", name="x", rights=frozenset()))


async def test_steps_are_ticked_as_they_are_done(overview: OverviewAdmin, parts: Parts) -> None:
    def done(found: object) -> list[str]:
        return [one.key for one in found.steps if one.done]  # type: ignore[attr-defined]

    assert done(await overview.overview(OWNER)) == ["project", "trunk", "pool"]
    await parts.store.open_conversation(opened(account="ws-acme", project="PROJECT-desk"))
    sales = {"name": "sales", "sip_config": {"method": "bye"}}
    await parts.resources.update(OWNER, "projects", "desk", {"handoffs": [sales]})
    assert done(await overview.overview(OWNER)) == ["project", "trunk", "pool", "destination", "test_call"]
    assert "test_call" not in done(await overview.overview(somebody(Role.OWNER, "ws-other")))


async def test_failed_handoffs_are_counted_by_their_reasons(overview: OverviewAdmin, parts: Parts) -> None:
    for index, failure in enumerate((None, HandoffFailure.BUSY, HandoffFailure.BUSY)):
        call = f"c{index}"
        await parts.store.open_conversation(opened(call, account="ws-acme", project="PROJECT-desk"))
        last = Step.FAILED if failure else Step.DONE
        steps = tuple(
            ReceiptStep(
                step=step, at=after(5), rung=0, method=HandoffMethod.REFER, destination="sales",
                failure=failure if step is Step.FAILED else None,
            )
            for step in (Step.REQUESTED, Step.SENT, last)
        )  # fmt: skip
        state = ReceiptState.FAILED if failure else ReceiptState.DONE
        await parts.store.save_receipt(call, 0, Receipt(state=state, steps=steps))
        await parts.store.close_conversation(closed(call))
    found = await overview.overview(TENANT)
    assert found.handoffs == 3
    assert [(one.reason, one.times) for one in found.failed_handoffs] == [("busy", 2)]


async def test_settings_are_shown_with_their_source_to_those_of_all_accounts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIELINE_SERVER_MAX_CALLS", "7")
    settings = Settings(server=type(Settings().server)(max_calls=7, max_cps=3))
    admin = InstallationAdmin(settings, _not_ready, {"Version": "1"})
    found = await admin.installation(OWNER)
    rows = {one.key: one for one in found.settings}
    assert set(rows) == {one.key for one in SETTINGS}
    assert (rows["server.max_calls"].value, rows["server.max_calls"].source) == (
        7, "environment variable TIELINE_SERVER_MAX_CALLS",
    )  # fmt: skip
    assert (rows["server.max_cps"].source, rows["server.max_cps"].changed) == ("command line", True)
    assert (rows["http.port"].source, rows["http.port"].changed) == ("default", False)
    assert HIDDEN not in {one.value for one in found.settings}
    assert found.not_ready
    with pytest.raises(Forbidden):
        await admin.installation(TENANT)
