"""Handoff by INVITE: a second leg is called, joined and ended, whoever leaves first."""

from typing import Any

import pytest
from msgspec.structs import replace

from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.errors import InvalidInput
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, RingSound, Rung, SipConfig, SipHeader
from tieline.model.receipt import HandoffFailure, ReceiptState, Step
from tieline.model.trunk import Trunk
from tieline.sip.events import (
    AckReceived,
    ByeReceived,
    InfoReceived,
    LegAnswered,
    LegFailed,
    LegFailure,
    LegRefused,
    ReinviteCompleted,
    ReinviteReceived,
    UpdateReceived,
)
from tieline.sip.message import Headers
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import OFFER, RESOURCES, Switchboard, play_calls
from tieline.testing.peer_stories import (
    ANSWER,
    Story,
    answer_invite,
    be_out_of_reach,
    refuse_invite,
    refuse_refer,
    response,
    ring_for_ever,
)
from tieline.testing.virtual_time import elapse, run_virtual, settle

OUT = Trunk(name="out", networks=("192.0.2.128/25",), account="ws-1", target="pbx.example")
WITH_TRUNK = replace(RESOURCES, trunks=(*RESOURCES.trunks, OUT))
CONFIG = SipConfig(
    method=HandoffMethod.INVITE,
    phone_number="+15550002222",
    outbound_endpoint="out",
    ring_timeout_s=20.0,
    outbound_encryption="UDP/RTP",
)
HUMAN = Destination(
    name="human",
    is_default=True,
    sip_config=CONFIG,
    sip_headers=(SipHeader(key="X-Why", value="asked"),),
    fallback=(),
)
CALLEE = 1001
HELD = ANSWER + b"a=sendonly\r\n"


def ask(run: Run) -> TurnResult:
    return reply(
        run, "Passing you on.", state={"n": 1}, handoff={"destination": "default", "reason": "asked"}
    )


def board_parts(*destinations: Destination, **acts: Any) -> dict[str, Any]:
    agent = ScriptedAgent(turn=ask, destinations=destinations or (HUMAN,), **acts)
    return {"agent": agent, "resources": WITH_TRUNK}


def human(**config: Any) -> Destination:
    return replace(HUMAN, sip_config=replace(CONFIG, **config))


async def ask_for_a_human(board: Switchboard, story: Story | None = None) -> int:
    """The caller gets as far as the INVITE of the second leg."""
    if story is not None:
        board.sip.on_invite = story
    leg = board.invite()
    await board.hear("Welcome.")
    board.media.press("1#", leg="")
    await board.until("invite")
    return leg


async def joined(board: Switchboard) -> None:
    await board.journal.until_like("join ")
    await settle()


def leave(board: Switchboard, leg: int = CALLEE) -> None:
    """The human hangs up."""
    board.sip.legs.discard(leg)
    board.registry.on_event(ByeReceived(leg, Headers()))


def only(board: Switchboard) -> Conversation:
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert stored.closed is not None
    return stored


def ending(board: Switchboard) -> tuple[TerminationReason, str]:
    (termination,) = board.observer.terminations
    return termination.reason, termination.detail


def last_failure(board: Switchboard) -> HandoffFailure | None:
    return only(board).receipts[-1].steps[-1].failure


def result_of(board: Switchboard) -> dict[str, Any]:
    result = board.agent.runs[-1].conversation.handoff_result
    assert result is not None
    return result


def test_caller_and_human_are_joined_and_the_human_leaves_first() -> None:
    async def story(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        assert (await board.conversations())[0].outcome is not None
        await elapse(75.0)
        leave(board)

    board = play_calls(story, **board_parts())
    (sent,) = board.sip.invites
    assert (sent.uri, sent.to) == ("sip:+15550002222@pbx.example", "<sip:+15550002222@pbx.example>")
    assert sent.from_ == "<sip:+15557654321@198.51.100.1>"
    assert sent.headers == {"X-Why": "asked"}
    call_id = only(board).opened.id
    order = [
        "save_outcome", "invite", "loop tone:ringback-us", "cut tone:ringback-us",
        f"join {call_id} {call_id} callee", "bye",
        "run bridge_ended", "run end", "close_conversation",
    ]  # fmt: skip
    assert [entry for entry in board.journal if entry in order] == order
    assert ending(board) == (TerminationReason.HANDED_OFF, "human: ended by the callee")
    stored = only(board)
    assert [step.step for step in stored.receipts[0].steps] == [
        Step.REQUESTED, Step.SPOKEN, Step.SENT, Step.RINGING, Step.ANSWERED, Step.ALIVE, Step.DONE,
    ]  # fmt: skip
    assert stored.further_call_ids == (f"leg-{CALLEE}@tieline",)
    assert stored.closed is not None
    assert stored.closed.media is not None
    assert stored.closed.media["callee"]["packets_sent"] == 200
    result = result_of(board)
    assert (result["state"], result["duration_s"], result["ended_by"]) == ("done", 75.0, "callee")
    assert board.location.notes == [("192.0.2.20", True)]
    assert board.media.beside[f"{call_id} callee"] == call_id
    assert board.metrics.value("tieline_handoffs_total", "invite", "done") == 1
    assert board.metrics.value("tieline_handoffs_died_young_total", "invite") == 0


def test_the_caller_leaves_first() -> None:
    async def story(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        await elapse(5.0)
        board.hang_up(leg)

    board = play_calls(story, **board_parts())
    assert board.journal.count("bye") == 1
    assert ending(board) == (TerminationReason.HANDED_OFF, "human: ended by the caller")
    assert result_of(board)["ended_by"] == "caller"
    assert board.metrics.value("tieline_handoffs_died_young_total", "invite") == 1


def test_a_caller_who_hangs_up_while_it_rings_lets_nobody_answer_to_silence() -> None:
    async def story(board: Switchboard) -> None:
        leg = await ask_for_a_human(board, ring_for_ever)
        await elapse(3.0)
        board.hang_up(leg)

    board = play_calls(story, **board_parts())
    assert board.journal.count("cancel") == 1
    assert "bye" not in board.journal
    assert ending(board)[0] is TerminationReason.CALLER_HUNG_UP
    stored = only(board)
    assert stored.outcome is not None
    assert not stored.outcome.handed_off
    assert last_failure(board) is HandoffFailure.CALLER_HUNG_UP


def test_an_answer_that_crosses_the_cancel_is_ended() -> None:
    async def story(board: Switchboard) -> None:
        leg = await ask_for_a_human(board, ring_for_ever)
        board.sip.cancel = lambda leg_id: board.journal.append("cancel")  # type: ignore[method-assign]
        await elapse(3.0)
        board.hang_up(leg)
        await settle()
        board.registry.on_event(LegAnswered(CALLEE, response(200, "OK", ANSWER)))

    board = play_calls(story, **board_parts())
    assert [entry for entry in board.journal if entry in {"cancel", "bye"}] == ["cancel", "bye"]


@pytest.mark.parametrize(
    ("story", "failure"),
    [
        (refuse_invite(486, phrase="Busy Here"), HandoffFailure.BUSY),
        (refuse_invite(603), HandoffFailure.DECLINED),
        (refuse_invite(302, ("Contact", "<sip:other@elsewhere.example>")), HandoffFailure.REDIRECTED),
        (refuse_invite(503), HandoffFailure.UNAVAILABLE),
        (be_out_of_reach, HandoffFailure.TRANSPORT_FAILED),
        (ring_for_ever, HandoffFailure.NO_ANSWER),
    ],
)
def test_nobody_takes_the_call_and_the_agent_goes_on(story: Story, failure: HandoffFailure) -> None:
    def go_on(run: Run) -> TurnResult:
        return reply(run, "They are busy.", hangup=True)

    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board, story)
        await board.hear("They are busy.")

    board = play_calls(whole, **board_parts(handoff_failed=go_on))
    assert ending(board)[0] is TerminationReason.AGENT_HUNG_UP
    assert last_failure(board) is failure
    assert result_of(board)["reason"] == failure
    assert board.journal.count("cut tone:ringback-us") == 1
    assert board.media.legs == {}


def test_the_next_target_is_tried_where_the_first_is_out_of_reach() -> None:
    async def whole(board: Switchboard) -> None:
        board.location.flows += board.location.flows
        board.location.flows.append(board.location.flows[0])
        stories = {1001: be_out_of_reach, 1002: refuse_invite(503), 1003: answer_invite()}
        board.sip.on_invite = lambda leg_id: stories[leg_id](leg_id)
        await ask_for_a_human(board)
        await joined(board)
        leave(board, 1003)

    board = play_calls(whole, **board_parts())
    assert len(board.sip.invites) == 3
    assert [worked for _, worked in board.location.notes] == [False, False, True]
    assert ending(board)[0] is TerminationReason.HANDED_OFF
    assert len(only(board).further_call_ids) == 3


@pytest.mark.parametrize(
    ("destination", "trunks", "failure"),
    [
        (human(outbound_endpoint="gone"), (OUT,), HandoffFailure.MISCONFIGURED),
        (human(), (replace(OUT, target=None),), HandoffFailure.MISCONFIGURED),
    ],
)
def test_a_leg_that_cannot_be_placed_is_a_failed_rung(
    destination: Destination, trunks: tuple[Trunk, ...], failure: HandoffFailure
) -> None:
    async def whole(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")

    parts = board_parts(destination)
    parts["resources"] = replace(RESOURCES, trunks=(*RESOURCES.trunks, *trunks))
    board = play_calls(whole, **parts)
    assert last_failure(board) is failure
    assert not board.sip.invites


@pytest.mark.parametrize("fault", ["unknown", "no flows", "no port", "refused"])
def test_what_is_missing_is_a_failed_rung(fault: str) -> None:
    async def whole(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.location.unknown = fault == "unknown"
        if fault == "no flows":
            board.location.flows = []
        board.media.no_ports = fault == "no port"
        if fault == "refused":
            board.agent.destinations = (human(phone_number="+1555", outbound_caller_id="x y"),)

            def refuse(*_: object) -> int:
                raise InvalidInput("no such header")

            board.sip.invite = refuse  # type: ignore[method-assign, assignment]
        board.press("1#")

    board = play_calls(whole, **board_parts())
    expected = {
        "unknown": HandoffFailure.TRANSPORT_FAILED,
        "no flows": HandoffFailure.TRANSPORT_FAILED,
        "no port": HandoffFailure.INTERNAL_ERROR,
        "refused": HandoffFailure.MISCONFIGURED,
    }
    assert last_failure(board) is expected[fault]


def test_early_media_takes_the_place_of_the_tone() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board, answer_invite(early=ANSWER, body=b""))
        await joined(board)
        await elapse(3.0)
        leave(board)

    board = play_calls(whole, **board_parts(human(ring_sound=RingSound.EARLY_MEDIA)))
    call_id = only(board).opened.id
    joins = [entry for entry in board.journal if entry.startswith(("join", "part", "cut", "loop"))]
    assert joins[:2] == ["loop tone:ringback-us", "cut tone:ringback-us"]
    assert joins[2:5] == [
        f"join {call_id} {call_id} callee early", f"part {call_id}", f"join {call_id} {call_id} callee",
    ]  # fmt: skip


def test_early_media_that_cannot_be_used_leaves_the_tone() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board, answer_invite(early=b"v=nonsense"))
        await joined(board)
        leave(board)

    board = play_calls(whole, **board_parts())
    assert not [entry for entry in board.journal if entry.endswith("early")]
    assert ending(board)[0] is TerminationReason.HANDED_OFF


def test_an_answer_without_usable_media_is_ended_again() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board, answer_invite(body=b""))
        await board.until("ran handoff_failed")

    board = play_calls(whole, **board_parts())
    assert last_failure(board) is HandoffFailure.MEDIA_REFUSED
    assert "cancel" not in board.journal
    assert board.journal.count("bye") == 2  # the human's leg, then the caller's


@pytest.mark.parametrize("key", ["5", "1", None])
def test_the_human_hears_a_whisper_and_takes_the_call_by_key(key: str | None) -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await board.until("played A caller asks for you.")
        if key is not None:
            board.media.press(key, leg="callee")
        await elapse(1.0)
        assert any(entry.startswith("join") for entry in board.journal) is (key == "1")
        if key == "1":
            leave(board)
        await board.idle()

    config = {"whisper": "A caller asks for you.", "accept_key": "1", "accept_timeout_s": 6.0}
    board = play_calls(whole, **board_parts(human(**config)))
    if key == "1":
        assert ending(board)[0] is TerminationReason.HANDED_OFF
        assert Step.ACCEPTED in [step.step for step in only(board).receipts[0].steps]
    else:
        assert last_failure(board) is HandoffFailure.NOT_ACCEPTED
        assert ending(board)[0] is TerminationReason.AGENT_HUNG_UP


def test_a_whisper_alone_joins_when_it_has_been_spoken() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        assert "played A caller." in board.journal
        leave(board)

    play_calls(whole, **board_parts(human(whisper="A caller.")))


def test_the_key_cuts_the_whisper() -> None:
    async def whole(board: Switchboard) -> None:
        board.media.clip_s = 10.0
        await ask_for_a_human(board)
        await board.until("play A caller.")
        board.registry.on_event(InfoReceived(CALLEE, "application/dtmf-relay", b"Signal=1\r\n"))
        await joined(board)
        assert "cut A caller." in board.journal
        leave(board)

    play_calls(whole, **board_parts(human(whisper="A caller.", accept_key="1")))


def test_a_human_who_leaves_during_the_whisper_has_not_accepted() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await board.until("play A caller.")
        leave(board)

    board = play_calls(whole, **board_parts(human(whisper="A caller.")))
    assert last_failure(board) is HandoffFailure.NOT_ACCEPTED


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


def test_a_drain_while_it_rings_cancels_the_second_leg() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board, ring_for_ever)
        await elapse(1.0)
        board.media.fall_silent("callee")  # of no importance before the two are joined
        assert await board.registry.drain(0.5) == 1

    board = play_calls(whole, **board_parts())
    assert [entry for entry in board.journal if entry in {"cancel", "bye"}] == ["cancel", "bye"]
    assert ending(board)[0] is TerminationReason.DRAINED


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
