"""SIPp plays the whole path against `tieline serve`: reserve, dial, listen, press keys, be handed back, read."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import SECRETS, Served, eventually, may_send_raw

pytestmark = pytest.mark.needs("sipp")
MODES = {"udp": "u1", "tcp": "t1"}
ASK = Path(__file__).with_name("ask_outcome.py")


def ask_at_bye(served: Served, shared_id: str, answer: Path) -> str:
    """A shell command that asks for the outcome."""
    url = served.addresses.http + served.handoff_path(shared_id)
    return f"'{sys.executable}' -S -E '{ASK}' '{url}' '{SECRETS['TEST_HANDOFF_KEY']}' '{answer}'"


async def answer_in(path: Path) -> tuple[int, Any]:
    """What was answered there."""
    text = await eventually(lambda: path.read_text() if path.exists() else "")
    status, _, body = text.partition(" ")
    return int(status), json.loads(body)


async def talk(ear: RtpEnd, keys: str, *, marker: bool = True, ends: int = 3) -> None:
    """Hear the greeting out, then press keys."""
    await ear.speech()
    await ear.press(keys, marker=marker, ends=ends)


async def talk_after_hold(ear: RtpEnd) -> None:
    """Hear, be held and hear nothing, hear again, press a key."""
    await ear.anything()
    await eventually(lambda: longest_gap(ear) > 0.9)
    await ear.anything(len(ear.heard) + 10)
    await ear.press("1")


@pytest.mark.parametrize("offer", ["early", "late"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_whole_path(
    served: Served, ear: RtpEnd, tmp_path: Path, transport: str, offer: str
) -> None:
    shared_id = f"case-{uuid.uuid4()}"
    reserved = await served.reserve(shared_id=shared_id, note={"tier": "gold"})
    found = tmp_path / "answer"
    early = offer == "early"
    steps: sipp.Steps = [
        sipp.invite(None if early else ""),
        sipp.answered(),
        sipp.ack(1, "" if early else sipp.sdp()),
        sipp.receive_request("BYE", ask_at_bye(served, shared_id, found)),
        sipp.pause(300),
        sipp.thank(),
    ]
    target = served.sip(transport)
    async with asyncio.TaskGroup() as both:
        playing = both.create_task(
            sipp.play(tmp_path, steps, target, reserved["dni"], mode=MODES[transport], media_port=ear.port)
        )
        both.create_task(talk(ear, "2"))
    played = playing.result()

    ok = played.responses(200, "INVITE")[0]
    assert "m=audio" in ok.text
    assert "telephone-event" in ok.text
    bye = played.bye
    assert bye.header("X-Destination") == "service"
    assert bye.header("X-Shared-Id") == shared_id
    assert bye.headers("X-Left-Out") == []
    assert "cause=16" in bye.header("Reason")
    status, answer = await answer_in(found)
    assert status == 200
    assert answer == {
        "id": bye.header("X-Conversation"),
        "shared_id": shared_id,
        "status": "ended_with_handoff",
        "data": {"handoff_to": "service", "note": {"tier": "gold"}, "pressed": "2"},
    }

    call = await served.ended_call(bye.header("Call-ID"))
    whole = await served.conversation(call["id"])
    assert whole["reservation_id"] == reserved["reservation_id"]
    assert whole["termination"]["reason"] == "handed_off"
    assert whole["attributes"] == {"shared_id": shared_id, "note": {"tier": "gold"}}
    assert [turn["user_input"] for turn in whole["turns"]][1] == "2"


async def test_keys_that_sipp_sends_itself(served: Served, ear: RtpEnd, tmp_path: Path) -> None:
    shared_id = f"case-{uuid.uuid4()}"
    reserved = await served.reserve(shared_id=shared_id)
    raw = may_send_raw()
    steps: sipp.Steps = [
        sipp.invite(sipp.sdp(events=96)),
        sipp.answered(),
        sipp.ack(),
        sipp.press("1") if raw else sipp.info(2, "1"),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"])
    assert played.bye.header("X-Destination") == "sales"
    assert (await served.handoff(shared_id)).answer["data"]["pressed"] == "1"


async def test_a_key_by_info(served: Served, ear: RtpEnd, tmp_path: Path) -> None:
    reserved = await served.reserve(shared_id="info")
    steps: sipp.Steps = [
        sipp.invite(),
        sipp.answered(),
        sipp.ack(),
        sipp.info(2, "2"),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"], media_port=ear.port)
    assert played.bye.header("X-Destination") == "service"
    # The key came while the prompt was spoken and cut it short; the goodbye was spoken to its end.
    assert any(packet.loud for packet in ear.heard)


async def test_keys_without_marker_and_with_two_ends_lost(
    served: Served, ear: RtpEnd, tmp_path: Path
) -> None:
    reserved = await served.reserve(shared_id="unmarked")
    steps: sipp.Steps = [
        sipp.invite(),
        sipp.answered(),
        sipp.ack(),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    async with asyncio.TaskGroup() as both:
        playing = both.create_task(
            sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"], media_port=ear.port)
        )
        both.create_task(talk(ear, "1", marker=False, ends=1))
    assert playing.result().bye.header("X-Destination") == "sales"


async def test_cancel_while_it_rings(served: Served, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    reserved = await served.reserve(shared_id="gives-up", act="slow", gate=str(gate))
    cancel = sipp.request("CANCEL", 1, uri=sipp.URI, to=f"To: <{sipp.URI}>").replace(
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]", "[last_Via:]"
    )
    refused = sipp.request("ACK", 1, uri=sipp.URI).replace(
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]", "[last_Via:]"
    )
    steps: sipp.Steps = [
        sipp.invite(),
        sipp.receive(100, optional=True),
        sipp.receive(180),
        sipp.send(cancel),
        '<recv response="200" crlf="true"/>',
        sipp.receive(487),
        sipp.send(refused, retransmitted=False),
    ]
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"])
    gate.touch()
    call = await served.ended_call(played.messages[0].header("Call-ID"))
    assert call["termination"]["reason"] == "caller_cancelled"
    assert call["answered_at"] is None
    # The number is its reservation's again: the same caller may try once more and finds the same attributes.
    steps = [
        sipp.invite(),
        sipp.answered(),
        sipp.ack(),
        sipp.send(sipp.request("BYE", 2)),
        sipp.receive(200),
    ]
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"])
    again = await served.ended_call(played.messages[0].header("Call-ID"))
    assert again["reservation_id"] == reserved["reservation_id"]
    assert again["termination"]["reason"] == "caller_hung_up"


async def test_a_caller_that_gives_up_hears_of_its_outcome(served: Served, tmp_path: Path) -> None:
    reserved = await served.reserve(shared_id="hangs-up", note="left early")
    steps: sipp.Steps = [
        sipp.invite(),
        sipp.answered(),
        sipp.ack(),
        sipp.pause(300),
        sipp.send(sipp.request("BYE", 2, headers=["X-Why: bored"])),
        sipp.receive(200),
    ]
    waiting = asyncio.create_task(served.handoff("hangs-up", wait_s=20))
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"])
    answer = (await waiting).answer
    assert answer["status"] == "ended_without_handoff"
    assert answer["data"] == {"handoff_to": None, "note": "left early", "pressed": ""}
    shown = await served.command_json("calls", "show", played.messages[0].header("Call-ID"))
    assert shown["termination"]["reason"] == "caller_hung_up"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_hold_and_resume(served: Served, ear: RtpEnd, tmp_path: Path, transport: str) -> None:
    reserved = await served.reserve(shared_id=f"holds-{transport}")
    steps: sipp.Steps = [
        sipp.invite(),
        sipp.answered(),
        sipp.ack(),
        sipp.pause(400),
        sipp.reinvite(2, sipp.sdp("sendonly")),
        sipp.answered(),
        sipp.ack(2),
        sipp.pause(1500),
        sipp.reinvite(3, sipp.sdp("sendrecv")),
        sipp.answered(),
        sipp.ack(3),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    playing = asyncio.create_task(
        sipp.play(
            tmp_path,
            steps,
            served.sip(transport),
            reserved["dni"],
            mode=MODES[transport],
            media_port=ear.port,
        )
    )
    await ear.anything()
    await eventually(lambda: longest_gap(ear) > 0.9)
    after = len(ear.heard)
    await ear.anything(after + 10)
    await ear.press("1")
    played = await playing
    assert played.bye.header("X-Destination") == "sales"
    answers = played.responses(200, "INVITE")
    directions = [next(line for line in one.text.split() if line in DIRECTIONS) for one in answers]
    assert directions == ["a=sendrecv", "a=recvonly", "a=sendrecv"]
    versions = [int(one.text.partition("o=tieline ")[2].split()[1]) for one in answers]
    assert versions == sorted(set(versions))


DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


def longest_gap(ear: RtpEnd) -> float:
    """The longest time without a packet, in seconds."""
    times = [packet.at for packet in ear.heard]
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_options(served: Served, tmp_path: Path, transport: str) -> None:
    ping = sipp.request(
        "OPTIONS", 1, uri="sip:[remote_ip]:[remote_port]", to="To: <sip:[remote_ip]:[remote_port]>"
    )
    steps: sipp.Steps = [sipp.send(ping), sipp.receive(200)]
    played = await sipp.play(tmp_path, steps, served.sip(transport), "ping", mode=MODES[transport], calls=5)
    answers = played.responses(200, "OPTIONS")
    assert len(answers) == 5
    assert all("INVITE" in answer.header("Allow") for answer in answers)


async def test_routes_are_followed(served: Served, ear: RtpEnd, tmp_path: Path) -> None:
    """The BYE goes to the first Route, through the proxies that recorded themselves, nearest first."""
    reserved = await served.reserve(shared_id="routed", act="leave")
    far, near = "<sip:10.9.9.9;lr>", "<sip:[local_ip]:[local_port];lr;id=near>"
    steps: sipp.Steps = [
        sipp.invite(headers=[f"Record-Route: {near}, {far}"]),
        sipp.answered(),
        sipp.ack(),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"])
    routes = ",".join(played.bye.headers("Route")).replace(" ", "").split(",")
    assert [route.partition(";id")[0].rstrip(">") for route in routes] == [
        f"<sip:{played.messages[0].header('Contact').partition('@')[2].partition(';')[0]};lr",
        "<sip:10.9.9.9;lr",
    ]
    assert played.bye.start.startswith("BYE sip:sipp@")
    assert played.responses(200, "INVITE")[0].headers("Record-Route") != []


async def test_many_callers_at_once(served: Served, tmp_path: Path) -> None:
    """Forty calls at twenty a second, each dialling its own reserved number and handed back at once."""
    reserved = await asyncio.gather(*(served.reserve(shared_id=f"many-{i}", act="leave") for i in range(40)))
    listed = tmp_path / "numbers.csv"
    listed.write_text("SEQUENTIAL\n" + "".join(f"{one['dni']};\n" for one in reserved))
    steps: sipp.Steps = [
        sipp.invite(),
        sipp.answered(),
        sipp.ack(),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    caller = sipp.Sipp(tmp_path, [step.replace("[service]", "[field0]") for step in flat(steps)])
    await caller.start(served.sip_udp, "unused", calls=40, more=["-inf", str(listed)])
    played = await caller.end()
    assert played.status == 0, played.output
    shared_ids = [one.header("X-Shared-Id") for one in played.received("BYE ")]
    assert sorted(set(shared_ids)) == sorted(f"many-{i}" for i in range(40))
    called = {
        one.header("Call-ID"): one.start.split("@")[0]
        for one in played.messages
        if one.start.startswith("INVITE")
    }
    numbers = {f"many-{i}": one["dni"] for i, one in enumerate(reserved)}
    for bye in played.received("BYE "):
        assert called[bye.header("Call-ID")] == f"INVITE sip:{numbers[bye.header('X-Shared-Id')]}"


def flat(steps: sipp.Steps) -> list[str]:
    return [line for step in steps for line in ([step] if isinstance(step, str) else step)]
