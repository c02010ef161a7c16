"""Handoffs by REFER, INVITE and BYE on real stacks, against peers of any manners, with the caller never left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tieline.agent.messages import Run, TurnResult
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, Rung, SipConfig, SipHeader
from tieline.model.receipt import ReceiptState, Step
from tieline.model.trunk import Trunk
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import EXTENSION, RESOURCES
from tieline.testing.contact_center import BEHAVIOURS, Manners, MemoryCentre, PeerState, behaving
from tieline.testing.contact_center.steps import Answer
from tieline.testing.memory_server import HUMAN, MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual

OUT = Trunk(name="out", networks=("192.0.2.128/25",), account="ws-1", target="192.0.2.30")
WITH_OUT = replace(RESOURCES, trunks=(*RESOURCES.trunks, OUT))
BY_REFER = SipConfig(method=HandoffMethod.REFER, phone_number="sip:queue@pbx.example")
BY_INVITE = SipConfig(
    method=HandoffMethod.INVITE, phone_number="200", outbound_endpoint="out", outbound_encryption="UDP/RTP",
    ring_timeout_s=30.0,
)  # fmt: skip
HEADERS = (SipHeader(key="X-Topic", value="billing"),)
LADDER = (
    Destination(
        name="people", is_default=True, sip_config=BY_REFER, sip_headers=HEADERS, between="Please hold on.",
        fallback=(Rung(destination="human"),),
    ),
    Destination(name="human", sip_config=BY_INVITE, sip_headers=HEADERS, fallback=()),
    Destination(name="desk", sip_config=SipConfig(method=HandoffMethod.BYE), sip_headers=HEADERS),
)  # fmt: skip


def hand_over(to: str) -> Callable[[Run], TurnResult]:
    return lambda run: reply(run, "One moment.", handoff={"destination": to, "reason": "asked"})


async def only(server: MemoryServer) -> Conversation:
    (stored,) = await server.board.conversations()
    assert stored.closed is not None
    assert stored.outcome is not None
    return stored


def open_server(destinations: tuple[Destination, ...] = LADDER, to: str = "people", **acts: Any) -> Any:
    agent = ScriptedAgent(turn=hand_over(to), destinations=destinations, **acts)
    return MemoryServer.open(agent, WITH_OUT)


def test_refer_fails_over_to_invite_and_then_the_agent_gives_back_with_bye() -> None:
    """The walk of a ladder: REFER refused, the human busy, the agent speaks again, and BYE takes the caller back."""

    def speak_again(run: Run) -> TurnResult:
        return reply(run, "Nobody is free. Shall I pass you to the desk?")

    def turn(run: Run) -> TurnResult:
        return hand_over("desk" if run.conversation.handoff_result else "people")(run)

    async def story() -> None:
        agent = ScriptedAgent(turn=turn, handoff_failed=speak_again, destinations=LADDER)
        async with MemoryServer.open(agent, WITH_OUT) as server:
            sbc = MemoryCentre(server, behaving(Manners(), ["refer-403"]))
            human = MemoryCentre(server, behaving(Manners(), ["invite-busy"]), name="human", address=HUMAN)
            call = sbc.call_number(EXTENSION)
            await sbc.up(call)
            await server.hear("Welcome.")
            server.press("1#")
            await server.hear("Nobody is free. Shall I pass you to the desk?")
            assert call.state is PeerState.UP
            server.press("1#")
            await sbc.over(call)
            await server.idle()
            (refer,), (invite,), (bye,) = sbc.refers, human.invites, sbc.byes
            assert refer.headers["Refer-To"] == "<sip:queue@pbx.example>"
            assert invite.uri_text == "sip:200@192.0.2.30"
            for request in (refer, invite, bye):
                assert request.headers["X-Topic"] == "billing"
            order = [
                "refer", "played Please hold on.", "played Nobody is free. Shall I pass you to the desk?", "> BYE",
            ]  # fmt: skip
            seen = [entry for entry in server.journal if entry in (*order, "> INVITE", "> REFER")]
            assert seen == ["> REFER", order[1], "> INVITE", order[2], "> BYE"]
            stored = await only(server)
            assert [receipt.state for receipt in stored.receipts] == [ReceiptState.FAILED, ReceiptState.DONE]
            failed = [step for step in stored.receipts[0].steps if step.step is Step.FAILED]
            assert [(step.method, step.status) for step in failed] == [("refer", 403), ("invite", 486)]
            assert stored.closed is not None
            assert {entry["leg"] for entry in stored.closed.ladder} == {"caller", "callee"}

    run_virtual(story())


@pytest.mark.parametrize(
    "name", [name for name in BEHAVIOURS if name.startswith(("refer", "bye", "timer", "ack"))]
)
def test_a_transfer_to_any_peer_ends_with_the_caller_somewhere(name: str) -> None:
    """Whatever the peer makes of REFER: the transfer worked, or the agent had the caller again; one receipt tells."""

    async def story() -> None:
        async with open_server((replace(LADDER[0], fallback=()), *LADDER[1:])) as server:
            sbc = MemoryCentre(server, behaving(Manners(), [name]))
            call = sbc.call_number(EXTENSION)
            await elapse(20)
            server.press("1#")
            await sbc.until(
                lambda: call.state is PeerState.OVER or not server.board.registry.sessions(), 500.0
            )
            await server.idle()
            await elapse(100)
            assert server.sip.stack.is_idle(), server.sip.stack.leg_ids()
            stored = await only(server)
            if not stored.receipts:
                return
            (receipt,) = stored.receipts
            ended = stored.closed.termination.reason if stored.closed is not None else None
            worked = ended is TerminationReason.HANDED_OFF
            assert receipt.state is not ReceiptState.UNDER_WAY
            assert stored.outcome is not None
            assert stored.outcome.handed_off is worked
            if not worked:
                assert receipt.state is ReceiptState.FAILED

    run_virtual(story())


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in BEHAVIOURS
        if name.startswith(("invite", "cancel", "reinvite", "bye", "update", "timer"))
    ],
)
def test_a_bridge_to_any_human_leaves_nothing_behind(name: str) -> None:
    """Whatever the human's phone makes of INVITE: joined and ended, or the agent had the caller again."""

    async def story() -> None:
        async with open_server(to="human") as server:
            sbc = MemoryCentre(server, Manners())
            human = MemoryCentre(server, behaving(Manners(), [name]), name="human", address=HUMAN)
            call = sbc.call_number(EXTENSION)
            await sbc.up(call)
            await server.hear("Welcome.")
            server.press("1#")
            await elapse(60)
            if call.state is PeerState.UP:
                sbc.act(call.hang_up)
            await server.idle()
            await elapse(100)
            assert server.sip.stack.is_idle(), server.sip.stack.leg_ids()
            assert all(each.state is not PeerState.UP for each in (call, *human.calls))
            stored = await only(server)
            (receipt,) = stored.receipts
            assert receipt.state is not ReceiptState.UNDER_WAY
            assert stored.outcome is not None
            assert stored.outcome.handed_off is (receipt.state is ReceiptState.DONE)

    run_virtual(story())


def test_a_caller_who_leaves_while_it_rings_stops_the_ringing() -> None:
    async def story() -> None:
        async with open_server(to="human") as server:
            sbc = MemoryCentre(server, Manners())
            human = MemoryCentre(server, Manners(invite=(Answer(180),)), name="human", address=HUMAN)
            call = sbc.call_number(EXTENSION)
            await sbc.up(call)
            await server.hear("Welcome.")
            server.press("1#")
            await server.until("> INVITE")
            await elapse(5)
            sbc.act(call.hang_up)
            await server.idle()
            assert human.timeline.requests("CANCEL")
            stored = await only(server)
            assert stored.outcome is not None
            assert not stored.outcome.handed_off

    run_virtual(story())
