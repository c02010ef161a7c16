"""Kill -9 of a server while Twilio has calls of it, and a new one in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import Served
from tests.integration.sip_phone import phone
from tests.integration.test_twilio_voice import RESOURCES, record_of, steps_of
from tests.integration.twilio_api.caller import Human, TwilioCaller
from tests.integration.twilio_api.server import TwilioApiServer, twilio_api
from tests.integration.twilio_api.sip_caller import SipTwilioCaller
from tests.ports import free_port

pytestmark = [pytest.mark.needs("node", "prism"), pytest.mark.timeout(180)]
HUMAN = "+15550001111"
DURABLE_S = 0.3
"""After that, what is written behind a call's back is on the disk."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioApiServer]:
    with twilio_api(tmp_path_factory.mktemp("twilio")) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, api: TwilioApiServer) -> Iterator[Served]:
    settings: dict[str, dict[str, Any]] = {
        "twilio": {"api_url": api.url},
        "http": {"port": free_port()},
        "log": {"level": "debug"},
    }
    server = Served(tmp_path_factory.mktemp("server"), settings, resources=RESOURCES)
    server.apply()
    server.start()
    try:
        yield server
    finally:
        server.process.stop()


@pytest.fixture
async def caller(served: Served, api: TwilioApiServer) -> AsyncIterator[TwilioCaller]:
    async with TwilioCaller(api, served.addresses.http) as one:
        await one.dial()
        await one.until_spoken()
        yield one


async def ringing(caller: TwilioCaller, human: Human) -> Human:
    """The agent hands the caller over; the human's phone rings, and goes on ringing."""
    human.decides = asyncio.Event()
    caller.humans[HUMAN] = human
    await caller.press("1")
    await caller.until(lambda: bool(caller.dialled))
    await asyncio.sleep(DURABLE_S)
    return human


async def again(served: Served) -> None:
    """The server dies on the spot, and another one comes up in its place."""
    served.process.kill()
    await asyncio.to_thread(served.start)


async def test_a_handoff_goes_on_and_its_end_is_on_the_receipt(served: Served, caller: TwilioCaller) -> None:
    human = await ringing(caller, Human())
    await again(served)
    assert (await served.handoff(caller.sid)).answer["status"] == "ended_with_handoff"
    assert (await served.calls())[f"{caller.sid}@twilio"]["ended_at"] is None
    assert human.decides is not None
    human.decides.set()
    await asyncio.wait_for(caller.talking.wait(), 20)
    record = await record_of(served, caller)
    assert sorted(steps_of(record)[-4:-2]) == ["accepted", "ringing"]
    assert steps_of(record)[-2:] == ["answered", "done"]
    assert record["termination"]["reason"] == "handed_off"
    assert (await served.handoff(caller.sid)).answer["data"]["handoff_to"] == "people"
    # A second death changes nothing about it, and a caller who was served is not sent to the fall-back.
    await again(served)
    caller.human_hangs_up.set()
    await asyncio.wait_for(caller.ended.wait(), 20)
    assert caller.events[-2:] == ["Dial", "Hangup"]
    assert await record_of(served, caller) == record


async def test_a_handoff_that_fails_afterwards_is_none(served: Served, caller: TwilioCaller) -> None:
    """The caller goes to the fall-back, and whoever asks is told that nobody took them."""
    human = await ringing(caller, Human("busy"))
    await again(served)
    assert human.decides is not None
    human.decides.set()
    await asyncio.wait_for(caller.ended.wait(), 20)
    assert [one[0].text for one in caller.dialled] == [HUMAN, "+15550003333"]
    record = await record_of(served, caller)
    assert record["termination"]["reason"] == "interrupted"
    assert record["receipt"]["state"] == "failed"
    assert record["receipt"]["steps"][-1]["failure"] == "busy"
    assert (await served.handoff(caller.sid)).answer["status"] == "ended_without_handoff"


async def test_a_human_may_answer_while_nobody_is_there_to_be_told(
    served: Served, api: TwilioApiServer, caller: TwilioCaller
) -> None:
    """The next server asks Twilio's API."""
    await ringing(caller, Human())
    api.legs[caller.sid] = ["in-progress"]
    await again(served)
    record = await record_of(served, caller)
    assert steps_of(record)[-2:] == ["answered", "done"]
    assert record["termination"]["reason"] == "handed_off"


async def test_a_caller_may_hang_up_while_nobody_is_there_to_be_told(
    served: Served, api: TwilioApiServer, caller: TwilioCaller
) -> None:
    await ringing(caller, Human())
    api.legs[caller.sid], api.statuses[caller.sid] = ["canceled"], "completed"
    await again(served)
    record = await record_of(served, caller)
    assert record["receipt"]["steps"][-1]["failure"] == "caller_hung_up"
    assert record["termination"]["reason"] == "interrupted"


async def test_a_caller_who_was_with_the_agent_goes_to_the_fall_back(
    served: Served, caller: TwilioCaller
) -> None:
    await again(served)
    await asyncio.wait_for(caller.ended.wait(), 20)
    assert caller.events[-1] == "Dial"
    assert caller.dialled[0][0].text == "+15550003333"
    record = await record_of(served, caller)
    assert record["termination"]["reason"] == "interrupted"
    assert (await served.handoff(caller.sid)).answer["status"] == "ended_without_handoff"


async def test_a_caller_who_came_by_sip_gets_bye_and_the_fall_back(
    served: Served, api: TwilioApiServer
) -> None:
    async with phone() as at_twilio:
        options: dict[str, Any] = {"api": api, "base": served.addresses.http, "callee": "+15555550102"}
        caller = SipTwilioCaller(at_twilio, served.sip_udp, **options)
        async with caller:
            await caller.dial()
            await asyncio.wait_for(caller.answered.wait(), 20)
            assert caller.ear is not None
            await caller.ear.speech()
            await asyncio.sleep(DURABLE_S)
            await again(served)
            await asyncio.wait_for(caller.ended.wait(), 30)
            assert caller.dialled[-1][0].text == "+15550003333"


def test_nothing_broke(served: Served) -> None:
    log = Path(served.process.log).read_text(errors="replace")
    assert "Traceback" not in log
    assert "could not be ended" not in log
