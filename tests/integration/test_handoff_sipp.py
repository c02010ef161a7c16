"""SIPp as the caller's SBC and as a human's phone: handoffs by REFER, INVITE and BYE on real sockets.

The server is a `tieline serve` of its own; what it did is read back over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import PCMU, RtpEnd
from tests.integration.served import HOST, SECRETS, Served, eventually
from tests.ports import free_port

pytestmark = pytest.mark.needs("sipp")

PHONE = free_port(HOST)
PROJECT = Path(__file__).parent / "projects" / "transfers"
RESOURCES = f"""
accounts: [{{slug: northwind}}]
projects:
  - {{slug: desk, account: northwind, path: {PROJECT}, env: sandbox, numbers: ["200"]}}
trunks:
  - {{name: main, account: northwind, networks: [127.0.0.1/32], bye_wait_s: 3}}
  - {{name: phone, account: northwind, networks: [127.0.0.9/32], target: "{HOST}:{PHONE}", transport: udp, alive_s: 1}}
api_keys:
  - {{name: handoff, account: northwind, project: desk, scopes: ["handoff:read"], value_from_env: TEST_HANDOFF_KEY}}
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""
TALKING: list[str | list[str]] = [sipp.invite(), sipp.answered(), sipp.ack()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server whose agent passes callers on."""
    running = Served(tmp_path_factory.mktemp("server"))
    running.resources.write_text(RESOURCES)
    running.apply()
    running.start()
    try:
        yield running
    finally:
        running.process.stop()


@pytest.fixture
async def far_ear() -> AsyncIterator[RtpEnd]:
    """The human's end of the audio."""
    end = await RtpEnd.open()
    yield end
    await end.close()


async def record(served: Served) -> dict[str, Any]:
    """The newest call, once it is over."""

    async def ended() -> dict[str, Any] | None:
        rows = (
            await served.ask("GET", "/v1/northwind/desk/conversations?limit=1", SECRETS["TEST_RECORDS_KEY"])
        ).answer["conversations"]
        return rows[0] if rows and rows[0]["ended_at"] else None

    row = await eventually(ended)
    assert row is not None
    return await served.conversation(row["id"])


def steps_of(receipt: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    return [(step["method"], step["step"], step["status"]) for step in receipt["steps"]]


async def alive(served: Served) -> bool:
    """Whether the bridge of the call that is up has proved to be alive."""
    (row,) = [call for call in (await served.calls()).values() if call["ended_at"] is None]
    found = await served.conversation(row["id"])
    return any(step["step"] == "alive" for receipt in found["receipts"] for step in receipt["steps"])


async def press(ear: RtpEnd, *keys: str) -> None:
    """Hear the agent out, press a key, and so on."""
    for key in keys:
        await ear.speech()
        await ear.press(key)


async def test_a_transfer_by_refer_is_watched_to_its_end(served: Served, ear: RtpEnd, tmp_path: Path) -> None:
    steps: sipp.Steps = [
        *TALKING,
        sipp.receive_request("REFER"),
        sipp.respond(202, "Accepted", tag=""),
        sipp.notify(2, "SIP/2.0 100 Trying", "active;expires=60"),
        sipp.pause(300),
        sipp.notify(3, "SIP/2.0 180 Ringing", "active;expires=60"),
        sipp.pause(300),
        sipp.notify(4, "SIP/2.0 200 OK", "terminated;reason=noresource"),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    async with asyncio.TaskGroup() as both:
        playing = both.create_task(sipp.play(tmp_path, steps, served.sip_udp, "200", media_port=ear.port))
        both.create_task(press(ear, "1"))
    (refer,) = playing.result().received("REFER ")[:1]
    assert refer.header("Refer-To") == "<sip:queue@127.0.0.1>"
    assert refer.header("X-Topic") == "billing"
    found = await record(served)
    assert found["termination"]["reason"] == "handed_off"
    assert steps_of(found["receipt"]) == [
        ("refer", "requested", None), ("refer", "spoken", None), ("refer", "sent", None), ("refer", "accepted", 202),
        ("refer", "ringing", 180), ("refer", "answered", 200), ("refer", "done", None),
    ]  # fmt: skip
    assert found["data"]["handoff_to"] == "queue"


async def test_refer_fails_over_to_invite_and_the_agent_ends_it_with_bye(
    served: Served, ear: RtpEnd, tmp_path: Path
) -> None:
    human = sipp.Sipp(
        tmp_path,
        [sipp.receive_request("INVITE"), sipp.respond(486, "Busy Here"), sipp.receive_request("ACK")],
    )
    await human.start(served.sip_udp, "400", port=PHONE)
    caller: sipp.Steps = [
        *TALKING,
        sipp.receive_request("REFER"),
        sipp.respond(403, "Forbidden", tag=""),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    try:
        async with asyncio.TaskGroup() as both:
            playing = both.create_task(
                sipp.play(tmp_path, caller, served.sip_udp, "200", media_port=ear.port)
            )
            both.create_task(press(ear, "1"))
            called = await human.end()
            assert called.status == 0, called.output
            both.create_task(press(ear, "0"))
        played = playing.result()
    finally:
        human.stop()
    (invite,) = called.received("INVITE ")[:1]
    assert invite.start == f"INVITE sip:400@{HOST}:{PHONE} SIP/2.0"
    assert invite.header("X-Topic") == "billing"
    assert "+15557654321" in invite.header("From")
    assert played.bye.header("X-Topic") == "billing"
    order = [(one.at, one.start.split(" ")[0]) for one in (*played.received("REFER"), invite, played.bye)]
    assert [word for _, word in sorted(order)] == ["REFER", "INVITE", "BYE"]
    found = await record(served)
    first, second = found["receipts"]
    assert [(method, status) for method, step, status in steps_of(first) if step == "failed"] == [
        ("refer", 403), ("invite", 486),
    ]  # fmt: skip
    assert (first["state"], second["state"]) == ("failed", "done")
    assert found["termination"]["reason"] == "handed_off"
    assert [turn["channel"] for turn in found["turns"]] == ["start", "keypad", "handoff_failed", "keypad"]
    assert found["data"]["handoff_to"] == "desk"


async def test_caller_and_human_hear_each_other_until_the_human_hangs_up(
    served: Served, ear: RtpEnd, far_ear: RtpEnd, tmp_path: Path
) -> None:
    phone: sipp.Steps = [
        sipp.receive_call(),
        sipp.respond(180, "Ringing"),
        sipp.pause(1500),
        sipp.respond(200, "OK", [sipp.CONTACT], sipp.sdp()),
        sipp.receive_request("ACK"),
        sipp.wait_for_cue(),
        sipp.called_bye(),
    ]
    human = sipp.Sipp(tmp_path, phone, far_ear.port)
    await human.start(served.sip_udp, "400", port=PHONE)
    caller: sipp.Steps = [*TALKING, sipp.receive_request("BYE"), sipp.thank()]
    spoken, answered = b"\x10" * 160, b"\x90" * 160

    async def talk(end: RtpEnd, frame: bytes) -> None:
        await end.anything()
        for _ in range(75):
            end.send(PCMU, frame)
            await asyncio.sleep(0.02)

    try:
        async with asyncio.TaskGroup() as both:
            playing = both.create_task(
                sipp.play(tmp_path, caller, served.sip_udp, "200", media_port=ear.port)
            )
            await press(ear, "2")
            before = len(ear.heard)
            talked = both.create_task(talk(far_ear, answered))
            await far_ear.anything()
            both.create_task(talk(ear, spoken))
            await eventually(lambda: any(packet.payload == answered for packet in ear.heard))
            await eventually(lambda: any(packet.payload == spoken for packet in far_ear.heard))
            await eventually(partial(alive, served))
            await talked
            human.cue()
            called = await human.end()
            assert called.status == 0, called.output
        assert playing.result().received("BYE")
    finally:
        human.stop()
    rang = [packet.payload for packet in ear.heard[before:]]
    assert answered in rang
    assert spoken in [packet.payload for packet in far_ear.heard]
    assert any(packet.loud and packet.payload != answered for packet in ear.heard[before:])  # it rang before
    found = await record(served)
    assert found["termination"] == {
        "fault": "agent", "reason": "handed_off", "detail": "human: ended by the callee",
    }  # fmt: skip
    assert [step for _, step, _ in steps_of(found["receipt"])] == [
        "requested", "spoken", "sent", "ringing", "answered", "alive", "done",
    ]  # fmt: skip
    assert found["turns"][-1]["channel"] == "bridge_ended"
    assert found["media"]["callee"]["packets_received"] > 50
    assert len(found["further_sip_call_ids"]) == 1
