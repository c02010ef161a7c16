"""Handoff by INVITE in the running product, with SIPp as the caller and SIPp as the human on a second trunk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import EVENTS, RtpEnd
from tests.integration.served import eventually
from tests.integration.sipp_caller import Played, Sipp
from tests.integration.switching import (
    EARLY,
    HUMAN,
    RINGING,
    Human,
    Switch,
    answer,
    call,
    called,
    cancelled,
    given_back,
    hang_up,
    human_says,
    keep,
    last_failure,
    request_of,
    respond,
    respond_kept,
    say,
    steps_of,
    switching,
)

pytestmark = pytest.mark.needs("sipp")
WORD, OTHER_WORD = bytes(range(160)), bytes(reversed(range(160)))


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    with switching(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def theirs() -> AsyncIterator[RtpEnd]:
    """The far end of the human's audio."""
    end = await RtpEnd.open(HUMAN)
    yield end
    await end.close()


class Both:
    """Caller and human play their parts, and what came of it."""

    caller: Sipp
    human: Sipp
    played: Played
    answered: Played


@asynccontextmanager
async def both(
    switch: Switch, folder: Path, caller: sipp.Steps, human: sipp.Steps, ear: RtpEnd | None = None,
    theirs: RtpEnd | None = None,
) -> AsyncIterator[Both]:  # fmt: skip
    """Both play to the end of the block, in which they may be given their cues."""
    two = Both()
    async with Human(switch, folder, human, theirs.port if theirs else None) as other:
        two.human = other.sipp
        two.caller = Sipp(folder, caller, ear.port if ear else None)
        await two.caller.start(switch.served.sip_udp, "200")
        try:
            yield two
            two.played = await two.caller.end()
            assert two.played.status == 0, two.played.output
            two.answered = await other.played()
        finally:
            two.caller.stop()


@asynccontextmanager
async def talking(end: RtpEnd, word: bytes) -> AsyncIterator[None]:
    """Say the same over and over, from when something is heard."""

    async def speak() -> None:
        await end.anything()
        while True:
            await end.say(word)

    task = asyncio.create_task(speak())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def hears(end: RtpEnd, word: bytes) -> None:
    """Wait until the word comes."""
    await eventually(lambda: any(packet.payload == word for packet in end.heard))


def keys_heard(end: RtpEnd) -> str:
    """Keys that came as RTP events, each once."""
    starts = dict.fromkeys(
        packet.payload[0]
        for packet in end.heard
        if packet.payload_type == EVENTS and len(packet.payload) == 4
    )
    return "".join("0123456789*#"[event] for event in starts)


async def test_caller_and_human_hear_each_other(
    switch: Switch, ear: RtpEnd, theirs: RtpEnd, tmp_path: Path
) -> None:
    """Audio and keys go both ways; the human ends it; the receipt and the turns say how long it was."""
    human: sipp.Steps = [
        called(), RINGING, *answer(), sipp.wait_for_cue(), human_says("BYE", 2, "X-Why: done"), sipp.receive(200),
    ]  # fmt: skip
    caller: sipp.Steps = [*call("X-Go: human", "X-Code: from code", "X-Shared-Id: case-8"), *given_back()]
    async with both(switch, tmp_path, caller, human, ear, theirs) as two:
        async with talking(ear, WORD), talking(theirs, OTHER_WORD):
            await hears(theirs, WORD)
            await hears(ear, OTHER_WORD)
            await switch.alive(two.caller)
        await asyncio.gather(ear.press("7"), theirs.press("9"))
        await eventually(lambda: (keys_heard(theirs), keys_heard(ear)) == ("7", "9"))
        two.human.cue()
    played, answered = two.played, two.answered
    assert (keys_heard(theirs), keys_heard(ear)) == ("7", "9")
    invite = request_of(answered, "INVITE")
    assert invite.start.startswith(f"INVITE sip:1001@127.0.0.14:{switch.human_port} ")
    assert "<sip:+15557654321@" in invite.header("From")
    assert (invite.header("X-Lead"), invite.header("X-Shared-Id")) == ("from code", "case-8")
    record = await switch.record(played)
    assert record["termination"] == {
        "reason": "handed_off", "fault": "agent", "detail": "human: ended by the callee",
    }  # fmt: skip
    receipt = record["receipt"]
    assert steps_of(receipt) == ["requested", "sent", "ringing", "answered", "alive", "done"]
    joined = re.match(r"joined for ([0-9.]+) s", receipt["steps"][-1]["detail"])
    assert joined is not None, receipt["steps"][-1]
    lasted = datetime.fromisoformat(receipt["steps"][-1]["at"]) - datetime.fromisoformat(
        receipt["steps"][3]["at"]
    )
    assert float(joined[1]) == pytest.approx(lasted.total_seconds(), abs=0.2)
    assert "bridge_ended_function" in [run["name"] for turn in record["turns"] for run in turn["functions"]]
    assert record["further_sip_call_ids"] == [invite.header("Call-ID")]
    assert record["media"]["callee"]["packets_received"] > 10
    assert "leg_id" not in record["media"]["callee"]
    found = await switch.served.handoff("case-8")
    assert found.answer["status"] == "ended_with_handoff"


@pytest.mark.parametrize(
    ("refusal", "failure", "retry"),
    [
        ("486 Busy Here", "busy", "later"),
        ("603 Decline", "declined", "other_destination"),
        ("302 Moved Temporarily", "redirected", "fix_settings"),
        ("488 Not Acceptable Here", "media_refused", "fix_settings"),
    ],
)
async def test_a_human_who_refuses_leaves_the_caller_with_the_agent(
    switch: Switch, ear: RtpEnd, tmp_path: Path, refusal: str, failure: str, retry: str
) -> None:
    """The caller hears the ringing tone, then the agent, whose keypad works."""
    contact = ["Contact: <sip:someone@elsewhere.example:5099>"] if refusal.startswith("302") else []
    human: sipp.Steps = [
        called(), RINGING, sipp.pause(300), respond(refusal, *contact, tag="human"), sipp.receive_request("ACK"),
    ]  # fmt: skip
    caller: sipp.Steps = [*call("X-Go: human"), *given_back()]
    async with both(switch, tmp_path, caller, human, ear) as two:
        await switch.spoken_again(two.caller)
        await eventually(lambda: sum(packet.loud for packet in ear.heard) > 25)
        await ear.press("0")
    played = two.played
    assert played.bye.header("X-Failed") == failure
    record = await switch.record(played)
    receipt = record["receipts"][0]
    status = int(refusal.split(maxsplit=1)[0])
    assert (receipt["state"], last_failure(receipt)) == ("failed", (failure, retry, status))
    if contact:
        assert receipt["steps"][-1]["evidence"] == f"{refusal}; Contact host elsewhere.example"
    assert record["turns"][1]["utterance"] == "Nobody took the call."


async def test_nobody_answers(switch: Switch, tmp_path: Path) -> None:
    human: sipp.Steps = [called(), RINGING, *cancelled()]
    caller: sipp.Steps = [*call("X-Go: human"), sipp.wait_for_cue(), *press(2, "0"), *given_back()]
    async with both(switch, tmp_path, caller, human) as two:
        await switch.spoken_again(two.caller)
        two.caller.cue()
    assert two.played.bye.header("X-Failed") == "no_answer"
    assert len({one.header("Via") for one in two.answered.received("CANCEL ")}) == 1
    receipt = (await switch.record(two.played))["receipts"][0]
    assert receipt["steps"][-1]["detail"] == "gave up after 1.5 s"


async def test_the_caller_gives_up_while_it_rings(switch: Switch, tmp_path: Path) -> None:
    human: sipp.Steps = [called(), RINGING, *cancelled()]
    caller: sipp.Steps = [*call("X-Go: human"), sipp.wait_for_cue(), *hang_up(2)]
    async with both(switch, tmp_path, caller, human) as two:
        await two.human.reached("SIP/2.0 180", sent=True)
        two.caller.cue()
    assert two.answered.received("CANCEL ")
    record = await switch.record(two.played)
    assert record["termination"]["reason"] == "caller_hung_up"
    assert last_failure(record["receipt"]) == ("caller_hung_up", "never", None)
    assert record["status"] == "ended_without_handoff"


async def test_a_challenged_second_leg(switch: Switch, tmp_path: Path) -> None:
    challenge = 'WWW-Authenticate: Digest realm="pbx", nonce="47364c23432d2e131a5fb210812c", algorithm=MD5'
    prove = (
        '<recv request="INVITE" rrs="true"><action><verifyauth assign_to="right" username="agent" '
        'password="s3cret"/></action></recv><nop hide="true" test="right" next="good"/>'
    )
    human: sipp.Steps = [
        called(),
        respond("401 Unauthorized", challenge, tag="gate"),
        sipp.receive_request("ACK"),
        prove,
        respond("403 Forbidden", tag="gate"),
        '<label id="good"/>',
        *answer(),
        human_says("BYE", 2),
        sipp.receive(200),
    ]
    async with both(switch, tmp_path, [*call("X-Go: human"), *given_back()], human) as two:
        pass
    played, answered = two.played, two.answered
    first, second = {one.header("CSeq"): one for one in answered.received("INVITE ")}.values()
    assert (first.headers("Authorization"), len(second.headers("Authorization"))) == ([], 1)
    receipt = (await switch.record(played))["receipt"]
    assert steps_of(receipt) == ["requested", "sent", "answered", "done"]
    page = await switch.served.command("calls", "show", played.messages[0].header("Call-ID"))
    assert "Digest username" not in page


async def test_two_phones_answer(switch: Switch, tmp_path: Path) -> None:
    """A fork: the second 200 is acknowledged and ended, the first is talked to."""
    other = respond_kept("200 OK", sipp.CONTACT, body=sipp.sdp(), tag="second[call_number]")
    human: sipp.Steps = [
        keep("INVITE"), RINGING, *answer(), other, sipp.receive_request("ACK"), sipp.receive_request("BYE"),
        sipp.thank(), human_says("BYE", 2), sipp.receive(200),
    ]  # fmt: skip
    async with both(switch, tmp_path, [*call("X-Go: human"), *given_back()], human) as two:
        pass
    played, answered = two.played, two.answered
    ended = answered.only("BYE")
    assert ";tag=second" in ended.header("To")
    receipt = (await switch.record(played))["receipt"]
    assert steps_of(receipt) == ["requested", "sent", "ringing", "answered", "done"]


async def test_early_media_is_heard(switch: Switch, ear: RtpEnd, theirs: RtpEnd, tmp_path: Path) -> None:
    """The caller hears what the other side sends before it answers, and is heard only afterwards."""
    human: sipp.Steps = [
        keep("INVITE"), EARLY, sipp.wait_for_cue(), *answer(kept=True), sipp.wait_for_cue(), human_says("BYE", 2),
        sipp.receive(200),
    ]  # fmt: skip
    caller: sipp.Steps = [*call("X-Go: human"), *given_back()]
    async with both(switch, tmp_path, caller, human, ear, theirs) as two:
        async with talking(ear, WORD), talking(theirs, OTHER_WORD):
            await hears(ear, OTHER_WORD)
            await ear.anything(len(ear.heard) + 25)  # half a second, in which the caller talks on
            assert not any(packet.payload == WORD for packet in theirs.heard)
            two.human.cue()
            await hears(theirs, WORD)
        two.human.cue()
    assert (await switch.record(two.played))["receipt"]["state"] == "done"


@pytest.mark.parametrize("how", ["rtp", "info"])
async def test_a_whisper_and_a_key(
    switch: Switch, ear: RtpEnd, theirs: RtpEnd, tmp_path: Path, how: str
) -> None:
    """Only the human hears the whisper; another key does nothing, the right one joins the two."""
    keys = ["4", "5"]
    by_info = [step for number, key in enumerate(keys, 2) for step in human_presses(number, key)]
    human: sipp.Steps = [
        called(), RINGING, *answer(), sipp.wait_for_cue(), *(by_info if how == "info" else []),
        sipp.wait_for_cue(), human_says("BYE", 9), sipp.receive(200),
    ]  # fmt: skip
    caller: sipp.Steps = [*call("X-Go: screened"), *given_back()]
    async with both(switch, tmp_path, caller, human, ear, theirs) as two:
        await theirs.speech()
        two.human.cue()
        if how == "rtp":
            await theirs.press("".join(keys))
        async with talking(ear, WORD):
            await hears(theirs, WORD)
            await switch.alive(two.caller)
        two.human.cue()
    record = await switch.record(two.played)
    assert steps_of(record["receipt"]) == [
        "requested",
        "sent",
        "ringing",
        "answered",
        "accepted",
        "alive",
        "done",
    ]


async def test_the_key_is_not_pressed(switch: Switch, tmp_path: Path) -> None:
    human: sipp.Steps = [called(), *answer(), sipp.receive_request("BYE"), sipp.thank()]
    caller: sipp.Steps = [*call("X-Go: screened"), sipp.wait_for_cue(), *press(2, "0"), *given_back()]
    async with both(switch, tmp_path, caller, human) as two:
        await switch.spoken_again(two.caller)
        two.caller.cue()
    assert two.played.bye.header("X-Failed") == "not_accepted"


@pytest.mark.parametrize("who", ["caller", "human"])
async def test_hold_passes_through(
    switch: Switch, ear: RtpEnd, theirs: RtpEnd, tmp_path: Path, who: str
) -> None:
    """One side holds and resumes by re-INVITE: the other one is offered the same."""
    held: list[str | list[str]] = [
        sipp.receive_request("INVITE"), respond("200 OK", sipp.CONTACT, body=sipp.sdp("recvonly")),
        sipp.receive_request("ACK"),
        sipp.receive_request("INVITE"), respond("200 OK", sipp.CONTACT, body=sipp.sdp()),
        sipp.receive_request("ACK"),
    ]  # fmt: skip
    renew = renewals(say if who == "caller" else human_says)
    caller: sipp.Steps = [
        *call("X-Go: human"), *([sipp.wait_for_cue(), *renew] if who == "caller" else held), *given_back(),
    ]  # fmt: skip
    human: sipp.Steps = [
        called(), *answer(), *([sipp.wait_for_cue(), *renew] if who == "human" else held), sipp.wait_for_cue(),
        human_says("BYE", 9), sipp.receive(200),
    ]  # fmt: skip
    async with both(switch, tmp_path, caller, human, ear, theirs) as two:
        await two.human.reached("ACK ")
        (two.caller if who == "caller" else two.human).cue()
        # Of the human's ACKs one is that of the first INVITE, which was not the human's.
        await two.caller.reached("ACK ", sent=who == "caller", times=3 if who == "caller" else 2)
        await two.human.reached("ACK ", sent=who == "human", times=3 if who == "caller" else 2)
        two.human.cue()
    played, answered = two.played, two.answered
    offered = (answered if who == "caller" else played).received("INVITE ")
    directions = [direction(one.text) for one in offered if ";tag=" in one.header("To")]
    assert directions == ["sendonly", "sendrecv"]
    assert (await switch.record(played))["receipt"]["state"] == "done"


async def test_the_caller_hangs_up_and_the_number_shown_is_another(switch: Switch, tmp_path: Path) -> None:
    human: sipp.Steps = [called(), *answer(), sipp.receive_request("BYE"), sipp.thank()]
    caller: sipp.Steps = [*call("X-Go: shown"), sipp.wait_for_cue(), *hang_up(2, "X-Disposition: enough")]
    async with both(switch, tmp_path, caller, human) as two:
        await switch.alive(two.caller)
        two.caller.cue()
    played, answered = two.played, two.answered
    assert "<sip:+15558880000@" in request_of(answered, "INVITE").header("From")
    record = await switch.record(played)
    assert record["termination"]["reason"] == "handed_off"
    assert steps_of(record["receipt"]) == ["requested", "sent", "answered", "alive", "done"]
    assert record["receipt"]["steps"][-1]["detail"].endswith("ended by the caller")


async def test_both_hang_up_at_once(switch: Switch, tmp_path: Path) -> None:
    """Our BYE to the human crosses the human's own."""
    human: sipp.Steps = [
        called(), *answer(), keep("BYE"), human_says("BYE", 2), sipp.receive(200), respond_kept("200 OK"),
    ]  # fmt: skip
    caller: sipp.Steps = [*call("X-Go: human"), sipp.wait_for_cue(), *hang_up(2)]
    async with both(switch, tmp_path, caller, human) as two:
        await two.human.reached("ACK ")
        two.caller.cue()
    record = await switch.record(two.played)
    assert record["termination"]["reason"] == "handed_off"


def renewals(request: Any) -> list[str]:
    """Steps: hold, and resume."""
    steps: list[str] = []
    for cseq, how in ((2, "sendonly"), (3, "sendrecv")):
        steps += [
            request("INVITE", cseq, sipp.CONTACT, "Content-Type: application/sdp", body=sipp.sdp(how)),
            sipp.receive(100, optional=True), sipp.receive(200),
            request("ACK", cseq).replace(' retrans="500"', ""),
        ]  # fmt: skip
    return steps


def press(cseq: int, key: str) -> list[str]:
    """Steps: the caller's key by INFO."""
    body = f"Signal={key}\nDuration=160\n"
    return [say("INFO", cseq, "Content-Type: application/dtmf-relay", body=body), sipp.receive(200)]


def human_presses(cseq: int, key: str) -> list[str]:
    """Steps: the human's key by INFO."""
    body = f"Signal={key}\nDuration=160\n"
    return [human_says("INFO", cseq, "Content-Type: application/dtmf-relay", body=body), sipp.receive(200)]


def direction(text: str) -> str:
    """The direction of a session description."""
    words = ("sendrecv", "sendonly", "recvonly", "inactive")
    return next(word for word in words if f"\na={word}" in text)
