"""Calls to a Twilio number in the running product: webhooks, media streams, handoffs by Twilio's own means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.served import SECRETS, Served
from tests.integration.sip_phone import phone
from tests.integration.twilio_api.caller import Human, TwilioCaller
from tests.integration.twilio_api.server import ACCOUNT, TOKEN, TwilioApiServer, number_sid, twilio_api
from tests.integration.twilio_api.sip_caller import SipTwilioCaller

pytestmark = pytest.mark.needs("node", "prism")
PROJECT = Path(__file__).parent / "projects" / "twilio"
RESOURCES = f"""
accounts: [{{slug: northwind}}]
projects:
  - slug: desk
    account: northwind
    path: {PROJECT}
    handoff_api: {{state_keys: [handoff_to, failed, told]}}
    fallback_handoff: rescue
    handoffs:
      - {{name: rescue, sip_config: {{method: refer, phone_number: "+15550003333"}}}}
pools:
  - {{name: desk, project: desk, numbers: ["+15555550101"], ttl_s: 180}}
twilio:
  - name: main
    account: northwind
    account_sid: {ACCOUNT}
    auth_token: {TOKEN}
    numbers:
      - {{number: "+15555550100", sid: {number_sid(0)}, project: desk, env: pre-release}}
      - {{number: "+15555550101", sid: {number_sid(1)}}}
      - {{number: "+15555550102", sid: {number_sid(2)}, project: desk, path: sip}}
trunks:
  - {{name: twilio-sip, account: northwind, networks: [127.0.0.1/32], profile: twilio_voice, encryption: offered}}
api_keys:
  - {{name: reserve, account: northwind, project: desk, scopes: ["dni:reserve"], value_from_env: TEST_RESERVE_KEY}}
  - {{name: handoff, account: northwind, project: desk, scopes: ["handoff:read"], value_from_env: TEST_HANDOFF_KEY}}
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioApiServer]:
    with twilio_api(tmp_path_factory.mktemp("twilio")) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, api: TwilioApiServer) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    settings = {"twilio": {"api_url": api.url}, "log": {"level": "debug"}}
    server = Served(folder, settings, resources=RESOURCES)
    server.apply()
    server.start()
    try:
        yield server
    finally:
        server.process.stop()


@pytest.fixture
async def caller(served: Served, api: TwilioApiServer) -> AsyncIterator[TwilioCaller]:
    async with TwilioCaller(api, served.addresses.http) as one:
        yield one


async def record_of(served: Served, caller: TwilioCaller) -> dict[str, Any]:
    """The conversation of a call, once it is over."""
    async with asyncio.timeout(20):
        while True:
            found = (await served.calls()).get(f"{caller.sid}@twilio")
            if found is not None and found.get("ended_at"):
                return await served.conversation(found["id"])
            await asyncio.sleep(0.1)


def steps_of(record: dict[str, Any]) -> list[str]:
    """The steps of the call's receipt."""
    return [one["step"] for one in record["receipt"]["steps"]]


async def test_a_call_talks_and_ends(served: Served, caller: TwilioCaller) -> None:
    """The agent hears keys and is heard; its goodbye is heard to the end before the call is completed."""
    await caller.dial()
    await caller.until_spoken()
    before = len(caller.heard)
    await caller.press("9")
    await asyncio.wait_for(caller.ended.wait(), 20)
    assert caller.loud_s(before) > 0.2
    assert caller.events == ["Connect", "clear", "mark"]
    assert ("Status", "completed") in caller.api.asked[-1][2].items()
    record = await record_of(served, caller)
    assert record["termination"]["reason"] == "agent_hung_up"
    assert record["caller_number"] == "+15557654321"
    assert record["callee_number"] == "+15555550100"
    assert record["env"] == "pre-release"
    assert record["sip_headers"]["X-Twilio-FromCity"] == "SPRINGFIELD"


async def test_the_caller_hangs_up(served: Served, caller: TwilioCaller) -> None:
    await caller.dial()
    await caller.until_spoken()
    await caller.hang_up()
    record = await record_of(served, caller)
    assert record["termination"]["reason"] == "caller_hung_up"


async def test_a_number_takes_the_caller(served: Served, caller: TwilioCaller) -> None:
    """REFER becomes a `<Dial>` of the live call; ringing and answer are on the receipt, and our part is over."""
    caller.humans["+15550001111"] = Human()
    await caller.dial()
    await caller.until_spoken()
    await caller.press("1")
    await asyncio.wait_for(caller.talking.wait(), 20)
    record = await record_of(served, caller)
    assert not caller.ended.is_set()
    assert steps_of(record)[-4:] == ["accepted", "ringing", "answered", "done"]
    sent = next(one for one in record["receipt"]["steps"] if one["step"] == "sent")
    assert "carries no headers" in sent["detail"]
    (dial,) = caller.dialled
    assert (dial[0].tag, dial[0].text, dial.get("timeout"), dial.get("callerId")) == (
        "Number", "+15550001111", "20", None,
    )  # fmt: skip
    handed = await served.handoff(caller.sid)
    assert handed.answer["data"]["handoff_to"] == "people"
    caller.human_hangs_up.set()
    await asyncio.wait_for(caller.ended.wait(), 20)
    assert caller.events[-2:] == ["Dial", "Hangup"]


async def test_headers_reach_a_sip_desk(served: Served, caller: TwilioCaller) -> None:
    caller.humans["sip:desk@centre.example"] = Human()
    await caller.dial()
    await caller.until_spoken()
    await caller.press("2")
    await asyncio.wait_for(caller.talking.wait(), 20)
    record = await record_of(served, caller)
    assert caller.dialled[0][0].text == "sip:desk@centre.example?X-Topic=billing"
    sent = next(one for one in record["receipt"]["steps"] if one["step"] == "sent")
    assert "Subject" in sent["detail"]


@pytest.mark.parametrize(("human", "reason"), [
    (Human("busy"), "busy"), (Human("no-answer"), "no_answer"), (Human("failed"), "not_found"),
    (Human("failed", "603"), "declined"),
])  # fmt: skip
async def test_who_is_not_taken_goes_back_to_the_agent(
    served: Served, caller: TwilioCaller, human: Human, reason: str
) -> None:
    """The same call goes on: a second stream, the same conversation, and a key is heard again."""
    caller.humans["+15550001111"] = human
    await caller.dial()
    await caller.until_spoken()
    await caller.press("1")
    await caller.until(lambda: caller.streams == 2)
    await caller.until_spoken()
    await caller.press("9")
    await asyncio.wait_for(caller.ended.wait(), 20)
    record = await record_of(served, caller)
    assert record["termination"]["reason"] == "agent_hung_up"
    kinds = [one["channel"] for one in record["turns"]]
    assert "handoff_failed" in kinds
    assert record["data"]["failed"] == reason


@pytest.mark.parametrize(("keys", "taken"), [("1", True), ("71", True), ("", False)])
async def test_who_is_dialled_hears_the_whisper_and_takes_the_call_by_key(
    served: Served, caller: TwilioCaller, keys: str, taken: bool
) -> None:
    """A key that is not pressed is a handoff that failed: the caller is the agent's again."""
    human = caller.humans["+15550004444"] = Human(keys=keys)
    await caller.dial()
    await caller.until_spoken()
    await caller.press("6")
    if taken:
        await asyncio.wait_for(caller.talking.wait(), 20)
    else:
        await caller.until(lambda: caller.streams == 2)
        await caller.until_spoken()
        await caller.press("9")
        await asyncio.wait_for(caller.ended.wait(), 20)
    record = await record_of(served, caller)
    assert set(human.said) == {"A caller from <billing> & more."}
    if taken:
        assert steps_of(record)[-4:] == ["ringing", "answered", "accepted", "done"]
        assert record["termination"]["reason"] == "handed_off"
    else:
        assert record["data"]["failed"] == "not_accepted"
        assert not caller.talking.is_set()


async def test_a_whisper_alone_joins_once_it_was_said(served: Served, caller: TwilioCaller) -> None:
    human = caller.humans["sip:whispered@centre.example"] = Human()
    await caller.dial()
    await caller.until_spoken()
    await caller.press("7")
    await asyncio.wait_for(caller.talking.wait(), 20)
    record = await record_of(served, caller)
    assert human.said == ["A caller."]
    assert steps_of(record)[-3:] == ["ringing", "answered", "done"]


async def test_an_invite_without_a_trunk_goes_by_twilio_with_the_caller_id(
    served: Served, caller: TwilioCaller
) -> None:
    caller.humans["+15550002222"] = Human()
    await caller.dial()
    await caller.until_spoken()
    await caller.press("4")
    await asyncio.wait_for(caller.talking.wait(), 20)
    record = await record_of(served, caller)
    assert caller.dialled[0].get("callerId") == "+15555550100"
    assert {one["method"] for one in record["receipt"]["steps"]} == {"invite"}


async def test_a_bye_completes_the_call_and_says_what_it_could_not_carry(
    served: Served, caller: TwilioCaller
) -> None:
    await caller.dial()
    await caller.until_spoken()
    await caller.press("3")
    await asyncio.wait_for(caller.ended.wait(), 20)
    record = await record_of(served, caller)
    sent = next(one for one in record["receipt"]["steps"] if one["step"] == "sent")
    assert "1 not carried" in sent["detail"]
    assert record["termination"]["reason"] == "handed_off"


async def test_an_extension_is_nothing_that_twilio_can_call(served: Served, caller: TwilioCaller) -> None:
    await caller.dial()
    await caller.until_spoken()
    await caller.press("5")
    await caller.until_spoken(2.0)
    assert caller.dialled == []
    await caller.hang_up()
    record = await record_of(served, caller)
    assert record["data"]["failed"] == "misconfigured"


async def test_the_caller_hangs_up_while_it_rings(served: Served, caller: TwilioCaller) -> None:
    await caller.dial()
    await caller.until_spoken()
    await caller.press("1")
    await caller.until(lambda: bool(caller.dialled))
    await caller.hang_up()
    record = await record_of(served, caller)
    assert record["termination"]["reason"] == "caller_hung_up"


async def test_twilio_refuses_to_redirect_and_the_agent_keeps_the_caller(
    served: Served, caller: TwilioCaller
) -> None:
    await caller.dial()
    await caller.until_spoken()
    caller.api.refuse = (400, 21215, "geo")
    try:
        await caller.press("1")
        # One moment. Nobody is free. Please press a key.
        await caller.until_spoken(2.0)
    finally:
        caller.api.refuse = None
    assert caller.streams == 1
    await caller.press("9")
    await asyncio.wait_for(caller.ended.wait(), 20)
    record = await record_of(served, caller)
    assert record["data"]["failed"] == "forbidden"


async def test_a_reserved_number_brings_its_attributes(served: Served, api: TwilioApiServer) -> None:
    """A Twilio number of a pool is routed by its reservation, as a call by SIP is."""
    made = await served.reserve(shared_id="case-9", told="by reservation")
    async with TwilioCaller(api, served.addresses.http, callee=made["dni"]) as caller:
        await caller.dial()
        await caller.until_spoken()
        await caller.press("9")
        await asyncio.wait_for(caller.ended.wait(), 20)
        record = await record_of(served, caller)
    assert record["data"]["told"] == "by reservation"
    assert record["shared_id"] == "case-9"


@pytest.fixture
async def sip_caller(served: Served, api: TwilioApiServer) -> AsyncIterator[SipTwilioCaller]:
    """A call to the number that comes in by SIP."""
    async with phone() as at_twilio:
        options = {"api": api, "base": served.addresses.http, "callee": "+15555550102"}
        one = SipTwilioCaller(at_twilio, served.sip_udp, **options)
        async with one:
            await one.dial()
            await asyncio.wait_for(one.answered.wait(), 20)
            assert one.ear is not None
            await one.ear.speech()
            yield one


async def sip_record(served: Served) -> dict[str, Any]:
    """The newest conversation, once it is over."""
    async with asyncio.timeout(20):
        while True:
            newest = next(iter((await served.calls()).values()))
            if newest.get("ended_at"):
                return await served.conversation(newest["id"])
            await asyncio.sleep(0.1)


async def test_a_call_by_sip_comes_with_its_context(served: Served, sip_caller: SipTwilioCaller) -> None:
    """The caller's own call at Twilio and what Twilio knows are headers; our BYE completes the caller's call."""
    assert sip_caller.ear is not None
    await sip_caller.ear.press("9")
    await asyncio.wait_for(sip_caller.ended.wait(), 20)
    record = await sip_record(served)
    assert record["sip_headers"]["X-Twilio-ParentCallSid"] == sip_caller.sid
    assert record["sip_headers"]["X-Twilio-FromCity"] == "SPRINGFIELD"
    assert record["termination"]["reason"] == "agent_hung_up"
    assert sip_caller.events == ["Dial", "Hangup"]


async def test_a_call_by_sip_is_given_away_by_twilio(served: Served, sip_caller: SipTwilioCaller) -> None:
    """Twilio's BYE on our leg is no end of the call: the human's answer is."""
    sip_caller.humans["+15550001111"] = Human()
    assert sip_caller.ear is not None
    await sip_caller.ear.press("1")
    await asyncio.wait_for(sip_caller.talking.wait(), 20)
    record = await sip_record(served)
    assert steps_of(record)[-3:] == ["ringing", "answered", "done"]
    assert record["termination"]["reason"] == "handed_off"
    assert not sip_caller.ended.is_set()


async def test_a_call_by_sip_comes_back_by_a_stream(served: Served, sip_caller: SipTwilioCaller) -> None:
    """Nobody answers: the same conversation goes on, its audio now by a media stream, keys included."""
    assert sip_caller.ear is not None
    await sip_caller.ear.press("1")
    await sip_caller.until(lambda: sip_caller.streams == 1)
    await sip_caller.until_spoken()
    await sip_caller.press("9")
    await asyncio.wait_for(sip_caller.ended.wait(), 20)
    record = await sip_record(served)
    assert record["data"]["failed"] == "no_answer"
    assert record["termination"]["reason"] == "agent_hung_up"


async def test_a_call_that_nobody_takes_is_told_so_or_goes_to_the_fall_back(
    served: Served, api: TwilioApiServer
) -> None:
    async with TwilioCaller(api, served.addresses.http, callee="+15555550177") as caller:
        await caller.dial()
        await asyncio.wait_for(caller.ended.wait(), 20)
        assert caller.events == ["Connect", "Say"]
        assert (await caller.twiml("/voice/fallback"))[0].tag == "Say"
        known = await caller.twiml("/voice/fallback", To="+15555550100")
        assert (known[0].tag, known[0][0].text) == ("Dial", "+15550003333")


async def test_what_is_delivered_twice_is_answered_the_same(served: Served, caller: TwilioCaller) -> None:
    first = await caller.post("/voice/call", caller.fields())
    again = await caller.post("/voice/call", caller.fields())
    assert first.text == again.text
    for _ in range(2):
        done = await caller.post("/voice/status", caller.fields(CallStatus="completed"))
        assert done.status_code == 200


async def test_nothing_unsigned_is_taken(served: Served, caller: TwilioCaller) -> None:
    base = served.addresses.http
    async with httpx.AsyncClient() as http:
        for path in ("call", "status", "fallback", "progress", "screen", "next"):
            bare = await http.post(f"{base}/voice/{path}", data=caller.fields())
            assert bare.status_code == 403, path
        assert (await http.get(f"{base}/voice/call")).status_code == 405
        large = await http.post(f"{base}/voice/call", data={"Body": "x" * 70_000})
        assert large.status_code == 413
    assert (await caller.post("/voice/call", caller.fields(), "another")).status_code == 403
    assert (await caller.post("/voice/call", caller.fields(AccountSid="AC" + "0f" * 16))).status_code == 403
    assert (await caller.post("/voice/call", caller.fields(CallSid="nonsense"))).status_code == 400


async def test_a_stream_takes_a_token_once_and_no_browser(served: Served, caller: TwilioCaller) -> None:
    url = served.addresses.http.replace("http", "ws", 1) + "/voice/stream"
    start: dict[str, Any] = {"streamSid": "MZ1", "callSid": caller.sid, "accountSid": ACCOUNT}

    async def closes(*messages: Any) -> bool:
        async with connect(url) as socket:
            for message in messages:
                await socket.send(message if isinstance(message, str) else json.dumps(message))
            try:
                async with asyncio.timeout(5):
                    while True:
                        await socket.recv()
            except ConnectionClosed:
                return True

    document = await caller.twiml("/voice/call")
    token = document[0][0][0].get("value")
    other = start | {"callSid": f"CA{'0' * 32}", "customParameters": {"token": token}}
    assert await closes({"event": "start", "start": start | {"customParameters": {"token": "wrong"}}})
    assert await closes(*["{"] * 30)
    assert await closes({"event": "stop"})
    # Even a good token is used up by whoever comes with it for another call.
    assert await closes({"event": "start", "start": other})
    assert await closes({"event": "start", "start": start | {"customParameters": {"token": token}}})
    with pytest.raises(InvalidStatus):
        async with connect(url, origin="https://evil.example"):  # type: ignore[arg-type]
            pass


def test_the_secrets_are_in_no_log(served: Served) -> None:
    text = served.process.log_tail(100_000)
    assert TOKEN not in text
    assert SECRETS["TEST_RESERVE_KEY"] not in text
