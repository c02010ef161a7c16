"""A server's webhooks from the call to the receiver: in order, at least once, whoever is restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import DESK, RESOURCES, Served, eventually, serving
from tests.integration.sip_peer import SipPeer
from tests.integration.webhook_receiver import Receiver, hang_up, status, well
from tieline.webhooks.signing import verify

SECRET = "whsec_0123456789abcdef0123456789abcdef"
CALL = ["call.started", "handoff_state.changed", "call.ended"]
SETTINGS = {"webhooks": {"private_targets": True}}


def resources(**urls: str) -> str:
    """The usual resources, and an endpoint at each of these URLs."""
    lines = [
        f"  - {{name: {name}, account: northwind, url: '{url}', secret: {SECRET}, allow_private: true}}"
        for name, url in urls.items()
    ]
    numbers = "+15550100-+15550101"
    return "\n".join([RESOURCES.format(desk=DESK, numbers=numbers), "webhooks:", *lines])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


@pytest.fixture
def served(tmp_path: Path, receiver: Receiver) -> Iterator[Served]:
    with serving(tmp_path / "server", SETTINGS, resources=resources(crm=receiver.url)) as running:
        yield running


async def call(served: Served, *, hang_up: bool = True) -> SipPeer:
    """A call that is answered, and ended by its caller."""
    peer = await SipPeer.open(served.sip_udp)
    answered = await peer.invite("300")
    assert answered.status == 200
    peer.ack()
    if hang_up:
        await peer.ask("BYE")
        await peer.close()
    return peer


def told(receiver: Receiver) -> dict[str, list[str]]:
    """The types of events by call, as they came, repeats left out."""
    found: dict[str, list[str]] = {}
    known: set[str] = set()
    for one in receiver.got:
        event = one.event
        if "conversation_id" in event["data"] and event["id"] not in known:
            known.add(event["id"])
            found.setdefault(event["subject"], []).append(event["type"])
    return found


def all_told(receiver: Receiver, calls: int) -> bool:
    """Whether so many calls were told to their end."""
    return [types == CALL for types in told(receiver).values()].count(True) == calls


async def test_a_call_is_told_in_order_and_signed(served: Served, receiver: Receiver) -> None:
    for _ in range(5):
        await call(served)
    await eventually(lambda: all_told(receiver, 5))
    came = [(one.event["subject"][:8], one.event["type"], one.event["id"][-6:]) for one in receiver.got]
    assert len(came) == 15, came
    assert all(
        verify(one.headers["Tieline-Signature"], one.body, SECRET, time.time()) for one in receiver.got
    )
    ended = next(one.event for one in receiver.got if one.event["type"] == "call.ended")
    assert (ended["account"], ended["data"]["reason"]) == ("ws-northwind", "caller_hung_up")

    async def counted() -> bool:
        return await served.metric("tieline_webhook_attempts_total", result="delivered") == 15

    await eventually(counted)


async def test_reservations_and_a_full_pool(served: Served, receiver: Receiver) -> None:
    kept = await served.reserve(shared_id="one")
    await served.reserve(shared_id="two")
    peer = await SipPeer.open(served.sip_udp)
    await peer.invite(kept["dni"])
    peer.ack()
    await peer.ask("BYE")
    await peer.close()
    refused = await served.ask(
        "POST",
        "/v1/conversations/dni-reservation",
        "tl_reserve-0123456789abcdef0123456789abcdef",
        {"attributes": {}},
    )
    assert refused.status == 404

    def come() -> bool:
        return {"reservation.arrived", "call.ended", "pool.exhausted"} <= {
            one.event["type"] for one in receiver.got
        }

    await eventually(come)
    events = {one.event["type"]: one.event for one in receiver.got}
    assert events["reservation.arrived"]["data"]["reservation_id"] == kept["reservation_id"]
    assert events["pool.exhausted"]["subject"] == "desk"
    about = receiver.subjects(events["reservation.arrived"]["subject"])
    assert about[:2] == ["reservation.arrived", "call.started"]
    assert about[-1] == "call.ended"


async def test_a_slow_receiver_keeps_nobody_else_waiting(tmp_path: Path, receiver: Receiver) -> None:
    async with Receiver() as slow:

        async def never(_: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)

        slow.answer = never
        given = resources(slow=slow.url, quick=receiver.url)
        with serving(tmp_path / "server", SETTINGS, resources=given) as served:
            for _ in range(10):
                await call(served)
            await eventually(lambda: all_told(receiver, 10), within_s=30)
            assert 0 < len(slow.got) <= 4


async def test_private_targets_are_refused_unless_the_settings_say_so(
    tmp_path: Path, receiver: Receiver
) -> None:
    with serving(tmp_path / "server", {}, resources=resources(crm=receiver.url)) as served:
        await call(served)

        async def refused() -> bool:
            return await served.metric("tieline_webhook_attempts_total", result="refused") > 0

        await eventually(refused)
    assert receiver.connections == 0


async def test_a_killed_server_loses_nothing_and_keeps_the_order(served: Served, receiver: Receiver) -> None:
    """Killed while nobody takes the events, while one is being delivered, and while a call is up."""
    receiver.answer = hang_up
    for _ in range(3):
        await call(served)
    up = await call(served, hang_up=False)
    await eventually(lambda: len(receiver.got) >= 4)
    served.process.kill()
    await up.close()

    begun = asyncio.Event()

    async def stall(_: asyncio.StreamWriter) -> None:
        begun.set()
        await asyncio.sleep(60)

    receiver.answer = stall
    first = len(receiver.got)
    served.start()
    await call(served)
    await asyncio.wait_for(begun.wait(), 20)
    served.process.kill()

    receiver.answer = well
    served.start()
    # What failed before has a minute to wait; what was under way when the process died is tried at once.
    await eventually(
        lambda: any(types == CALL for types in told_after(receiver, first).values()), within_s=20
    )
    await eventually(lambda: all_told(receiver, 5), within_s=90)
    assert all(types == CALL for types in told(receiver).values()), told(receiver)
    interrupted = [one.event for one in receiver.got if one.event["data"].get("reason") == "interrupted"]
    assert len({one["subject"] for one in interrupted}) in {1, 2}  # the last call may have been ending


def told_after(receiver: Receiver, first: int) -> dict[str, list[Any]]:
    """As `told`, of what came from request number `first` on."""
    found: dict[str, list[Any]] = {}
    for one in receiver.got[first:]:
        types = found.setdefault(one.event["subject"], [])
        if one.event["type"] not in types:
            types.append(one.event["type"])
    return found


async def test_a_receiver_that_is_gone_is_not_asked_again(served: Served, receiver: Receiver) -> None:
    receiver.answer = status(410)
    await call(served)

    async def failed() -> bool:
        return await served.metric("tieline_webhook_failed_total") == 3

    await eventually(failed)
    assert [one.event["type"] for one in receiver.got] == CALL
