"""Scripted peers on real sockets against `tieline serve`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.served import HOST, Served, eventually
from tieline.sip.events import Transport
from tieline.testing.contact_center import Manners, PeerState, behaving
from tieline.testing.contact_center.sockets import SocketCentre


def centre_of(served: Served, *names: str, transport: Transport = Transport.UDP) -> SocketCentre:
    server = served.sip(transport.value.lower())
    return SocketCentre(server, behaving(Manners(), names), listen=(HOST, 0), transport=transport)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_call_handed_back(served: Served, transport: Transport) -> None:
    shared = f"centre-{transport.value}"
    reserved = await served.reserve(shared_id=shared)
    async with centre_of(served, "sound-tone", transport=transport) as centre:
        await centre.connect()
        call = centre.call_number(reserved["dni"])
        await centre.up(call)
        audio = centre.audio(call)
        await audio.speech_ended()
        centre.press(call, "1")
        await centre.over(call)
        assert call.ended_by == "them"
        assert len(centre.byes) == 1
        assert audio.heard_s > 0.5
        assert audio.packets_sent > 50
        assert "(BYE)" in centre.timeline.ladder()
    answer = await served.handoff(shared)
    assert answer.answer["data"]["handoff_to"] == "sales"


@pytest.mark.parametrize(
    "name",
    [
        "ack-lost", "ack-late", "call-doubled", "call-answer-lost", "reinvite-hold", "reinvite-at-once",
        "reinvite-no-offer", "dtmf-no-marker", "dtmf-info", "sound-private-address", "sound-other-port", "sound-echo",
        "timer-none", "bye-late", "bye-481", "bye-crossing", "odd-method", "odd-refer", "odd-notify",
    ],
)  # fmt: skip
async def test_rude_callers_get_their_outcome_all_the_same(served: Served, name: str) -> None:
    reserved = await served.reserve(shared_id=f"rude-{name}")
    async with centre_of(served, name) as centre:
        call = centre.call_number(reserved["dni"])
        await centre.up(call)
        await centre.audio(call).speech_ended()
        if name == "reinvite-hold":
            await centre.until(lambda: len(centre.timeline.statuses("INVITE")) >= 5)
        centre.press(call, "2")
        await centre.over(call)
    answer = await served.handoff(f"rude-{name}")
    assert answer.answer["data"]["handoff_to"] == "service", centre.timeline.ladder()


@pytest.mark.parametrize("name", ["call-cancelled", "call-cancelled-at-once"])
async def test_callers_who_give_up(served: Served, name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    reserved = await served.reserve(shared_id=f"rude-{name}", act="slow", gate=str(gate))
    async with centre_of(served, name) as centre:
        call = centre.call_number(reserved["dni"])
        await centre.over(call)
        assert (call.status, call.ended_by) == (487, "cancelled")
    gate.touch()
    ended = await served.ended_call(call.call_id)
    assert ended["termination"]["reason"] == "caller_cancelled"


async def test_a_caller_who_sends_nothing(served: Served) -> None:
    """One-way audio: the agent is heard, and the call goes on as long as the silence limit allows."""
    reserved = await served.reserve(shared_id="one-way")
    async with centre_of(served, "sound-nothing") as centre:
        call = centre.call_number(reserved["dni"])
        await centre.up(call)
        await centre.audio(call).speech_ended()
        assert centre.audio(call).packets_sent == 0
        centre.hang_up(call, [("X-Disposition", "gave-up")])
        await centre.until(lambda: centre.timeline.statuses("BYE") == [200])
        assert call.state is PeerState.OVER

    async def ended() -> bool:
        answer = await served.handoff("one-way")
        return answer.status == 200

    await eventually(ended)
