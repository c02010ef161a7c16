"""Caller and human are joined: hold, keys, breakage, and who leaves first; and ladders that lead there."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.calls.bridge_parts import (
    CALLEE,
    HELD,
    HUMAN,
    WITH_TRUNK,
    ask_for_a_human,
    board_parts,
    ending,
    human,
    joined,
    last_failure,
    leave,
    only,
)
from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.model.call import TerminationReason
from tieline.model.handoff import Destination, HandoffMethod, Rung, SipConfig
from tieline.model.receipt import HandoffFailure, ReceiptState
from tieline.sip.events import (
    AckReceived,
    InfoReceived,
    LegFailed,
    LegFailure,
    LegRefused,
    ReinviteCompleted,
    ReinviteReceived,
    UpdateReceived,
)
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import OFFER, Switchboard, play_calls
from tieline.testing.peer_stories import (
    ANSWER,
    refuse_invite,
    refuse_refer,
    ring_for_ever,
)
from tieline.testing.virtual_time import elapse, settle


def test_hold_and_resume_pass_through_both_ways() -> None:
    async def whole(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        board.reinvite(leg, OFFER + b"a=sendonly\r\n")
        await elapse(0.1)
        (offered,) = board.sip.offers
        assert offered[0] == CALLEE
        assert b"a=sendonly" in offered[1]
        board.reinvite(leg, OFFER)
        await elapse(0.1)
        assert [entry[0] for entry in board.sip.offers] == [CALLEE, CALLEE]
        assert b"a=sendrecv" in board.sip.offers[1][1]
        board.registry.on_event(UpdateReceived(CALLEE, HELD))
        await elapse(0.1)
        assert board.sip.offers[2][0] == leg
        assert b"a=sendonly" in board.sip.offers[2][1]
        board.registry.on_event(ReinviteReceived(CALLEE, ANSWER))
        await elapse(0.1)
        assert len(board.sip.offers) == 4
        assert b"a=sendrecv" in board.sip.offers[3][1]
        board.reinvite(leg, OFFER)  # a refresh changes nothing for the other side
        await elapse(0.1)
        assert len(board.sip.offers) == 4
        leave(board)

    board = play_calls(whole, **board_parts())
    assert board.journal.count("accept_reinvite") == 4
    assert board.journal.count("accept_update") == 1


def test_glare_is_tried_again_and_a_refusal_is_not() -> None:
    async def whole(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        statuses = iter([491, 488])
        board.sip.on_reinvite = lambda leg_id: [(0.01, ReinviteCompleted(leg_id, next(statuses), b"", 1.5))]
        board.reinvite(leg, OFFER + b"a=sendonly\r\n")
        await elapse(1.0)
        assert len(board.sip.offers) == 1
        await elapse(10.0)
        assert len(board.sip.offers) == 2
        leave(board)

    play_calls(whole, **board_parts())


def test_an_offer_that_the_leg_cannot_take_now_waits() -> None:
    async def whole(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        real = board.sip.reinvite
        board.sip.reinvite = lambda *_: False  # type: ignore[method-assign]
        board.reinvite(leg, OFFER + b"a=sendonly\r\n")
        await elapse(1.0)
        board.sip.reinvite = real  # type: ignore[method-assign]
        await elapse(2.0)
        assert len(board.sip.offers) == 1
        board.sip.on_reinvite = lambda leg_id: [(0.01, ReinviteCompleted(leg_id, 200, b"v=nonsense"))]
        board.reinvite(leg, OFFER)
        await elapse(5.0)
        board.hang_up(leg)

    play_calls(whole, **board_parts())


def test_an_offer_of_the_humans_that_cannot_be_met_is_refused() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        board.registry.on_event(ReinviteReceived(CALLEE, b"v=nonsense"))
        board.registry.on_event(UpdateReceived(CALLEE, b"v=nonsense"))
        board.registry.on_event(ReinviteReceived(CALLEE, b""))
        board.registry.on_event(AckReceived(CALLEE, b"v=nonsense"))
        board.registry.on_event(AckReceived(CALLEE, ANSWER))
        await settle()
        leave(board)

    board = play_calls(whole, **board_parts())
    assert board.journal.count("reject_reinvite 488") == 1
    assert board.journal.count("reject_update 488") == 1


def test_keys_told_by_info_reach_the_other_side() -> None:
    async def whole(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        board.info(leg, "9")  # nobody is there yet
        await joined(board)
        board.info(leg, "1")
        board.registry.on_event(InfoReceived(CALLEE, "application/dtmf-relay", b"Signal=2\r\n"))
        leave(board)

    board = play_calls(whole, **board_parts())
    call_id = only(board).opened.id
    assert [entry for entry in board.journal if entry.startswith("digits")] == [
        f"digits 1 {call_id} callee", f"digits 2 {call_id}",
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["drain", "callers media", "callees media", "callees leg"])
def test_a_bridge_ends_on_both_sides_whatever_breaks(how: str) -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        call_id = board.registry.sessions()[0].call_id
        if how == "drain":
            await board.registry.drain(1.0)
        elif how == "callees leg":
            board.sip.legs.discard(CALLEE)
            board.registry.on_event(LegFailed(CALLEE, LegFailure.PEER_GONE))
        else:
            board.media.fall_silent(call_id if how == "callers media" else "callee")

    board = play_calls(whole, **board_parts())
    assert not board.sip.legs
    reason = ending(board)[0]
    expected = {"drain": TerminationReason.DRAINED, "callers media": TerminationReason.NO_MEDIA}
    assert reason is expected.get(how, TerminationReason.HANDED_OFF)
    stored = only(board)
    assert stored.outcome is not None
    assert stored.outcome.handed_off
    assert stored.receipts[0].state is ReceiptState.DONE


@pytest.mark.parametrize("who", ["caller", "human", "both", "human alone"])
def test_a_hold_that_never_ends_is_ended(who: str) -> None:
    async def whole(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        if who == "human alone":  # the caller's side takes no new offer, and goes on sending
            board.sip.on_reinvite = lambda leg_id: [(0.01, ReinviteCompleted(leg_id, 488, b""))]
        if who in {"caller", "both"}:
            board.reinvite(leg, OFFER + b"a=sendonly\r\n")
        if who != "caller":
            board.registry.on_event(UpdateReceived(CALLEE, HELD))
        await elapse(3_599)
        assert board.registry.sessions()
        await elapse(2)
        assert not board.registry.sessions()

    board = play_calls(whole, **board_parts())
    assert not board.sip.legs
    assert ending(board)[0] is TerminationReason.HELD_TOO_LONG
    assert only(board).receipts[0].state is ReceiptState.DONE


def test_a_drain_while_it_rings_cancels_the_second_leg() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board, ring_for_ever)
        await elapse(1.0)
        board.media.fall_silent("callee")  # of no importance before the two are joined
        assert await board.registry.drain(0.5) == 1

    board = play_calls(whole, **board_parts())
    assert [entry for entry in board.journal if entry in {"cancel", "bye"}] == ["cancel", "bye"]
    assert ending(board)[0] is TerminationReason.DRAINED
    assert last_failure(board) is HandoffFailure.INTERNAL_ERROR


def test_a_drain_while_the_way_is_looked_for_leaves_nothing() -> None:
    async def whole(board: Switchboard) -> None:
        async def never(*_: object) -> list[Any]:
            await elapse(1000.0)
            return []

        board.location.targets = never  # type: ignore[method-assign, assignment]
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("save_outcome")
        assert await board.registry.drain(0.5) == 1

    board = play_calls(whole, **board_parts())
    assert last_failure(board) is HandoffFailure.INTERNAL_ERROR


@pytest.mark.parametrize(("given", "shown"), [("+15550009999", "+15550009999"), (None, "+15557654321")])
def test_the_callers_number_is_kept_or_replaced(given: str | None, shown: str) -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        leave(board)

    board = play_calls(whole, **board_parts(human(outbound_caller_id=given)))
    assert board.sip.invites[0].from_ == f"<sip:{shown}@198.51.100.1>"


def test_without_an_endpoint_the_callers_own_trunk_is_called() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        leave(board)

    board = play_calls(whole, **board_parts(human(outbound_endpoint=None)))
    assert board.sip.invites[0].uri == "sip:+15550002222@192.0.2.10:5060"


def test_a_leg_is_encrypted_unless_it_is_said_otherwise() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await board.until("ran handoff_failed")

    board = play_calls(whole, **board_parts(human(outbound_encryption=None)))
    assert b"RTP/SAVP" in board.sip.invites[0].sdp
    assert last_failure(board) is HandoffFailure.MEDIA_REFUSED  # the answer has no keys


def test_a_caller_without_a_number_stays_anonymous() -> None:
    async def whole(board: Switchboard) -> None:
        board.invite(caller="<sip:anonymous@anonymous.invalid>")
        await board.hear("Welcome.")
        board.press("1#")
        await joined(board)
        leave(board)

    board = play_calls(whole, **board_parts())
    assert board.sip.invites[0].from_ == "<sip:anonymous@anonymous.invalid>"


def test_refer_then_invite_then_bye_with_the_agent_in_between() -> None:
    first = Destination(
        name="far", is_default=True, sip_config=SipConfig(phone_number="+15550001111"),
        fallback=(Rung(destination="human"),), between="Still trying.",
    )  # fmt: skip
    second = replace(HUMAN, is_default=False)
    desk = Destination(name="desk", sip_config=SipConfig(method=HandoffMethod.BYE))

    def talk(run: Run) -> TurnResult:
        return reply(run, "Nobody there. Back to the desk?")

    def turn(run: Run) -> TurnResult:
        wanted = "desk" if run.conversation.handoff_result else "far"
        return reply(run, handoff={"destination": wanted})

    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = refuse_refer(405)
        board.sip.on_invite = refuse_invite(486)
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.hear("Nobody there. Back to the desk?")
        board.press("1#")

    agent = ScriptedAgent(turn=turn, handoff_failed=talk, destinations=(first, second, desk))
    board = play_calls(whole, agent=agent, resources=WITH_TRUNK)
    order = [
        "refer", "played Still trying.", "invite", "run handoff_failed", "played Nobody there. Back to the desk?",
        "run turn", "bye",
    ]  # fmt: skip
    assert [entry for entry in board.journal if entry in order] == ["run turn", *order]
    stored = only(board)
    assert [receipt.state for receipt in stored.receipts] == [ReceiptState.FAILED, ReceiptState.DONE]
    assert stored.outcome is not None
    assert (stored.outcome.handed_off, (stored.outcome.handoff or {})["destination"]) == (True, "desk")
    assert ending(board)[0] is TerminationReason.HANDED_OFF


def test_a_bridge_for_a_failed_agent_ends_as_such() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        leave(board)

    parts = board_parts()
    parts["agent"] = ScriptedAgent(
        turn=lambda run: reply(run, handoff={"destination": "nobody"}), destinations=(HUMAN,)
    )
    board = play_calls(whole, **parts)
    assert ending(board)[0] is TerminationReason.AGENT_FAILED
    assert [run.kind for run in board.agent.runs][-2:] == [RunKind.BRIDGE_ENDED, RunKind.END]


def test_a_refusal_that_comes_at_once_finds_its_call() -> None:
    async def whole(board: Switchboard) -> None:
        real = board.sip.invite

        def invite(*given: Any) -> int:
            leg_id = real(*given)
            board.sip.legs.discard(leg_id)
            board.registry.on_event(LegRefused(leg_id, 503, None))
            return leg_id

        board.sip.invite = invite  # type: ignore[method-assign, assignment]
        board.sip.on_invite = lambda leg_id: ()
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("ran handoff_failed")

    board = play_calls(whole, **board_parts())
    assert last_failure(board) is HandoffFailure.TRANSPORT_FAILED
