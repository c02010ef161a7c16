"""Handoff by INVITE: a second leg is called, asked and joined, or is not."""

import pytest
from msgspec.structs import replace

from tests.unit.calls.bridge_parts import (
    CALLEE,
    OUT,
    ask_for_a_human,
    board_parts,
    ending,
    human,
    joined,
    last_failure,
    leave,
    only,
    result_of,
)
from tieline.agent.messages import Run, TurnResult
from tieline.errors import InvalidInput
from tieline.model.call import TerminationReason
from tieline.model.handoff import Destination, RingSound
from tieline.model.receipt import HandoffFailure, Step
from tieline.model.trunk import Trunk
from tieline.sip.events import (
    InfoReceived,
    LegAnswered,
)
from tieline.testing.call_parts import reply
from tieline.testing.calls import RESOURCES, Switchboard, play_calls
from tieline.testing.peer_stories import (
    ANSWER,
    Story,
    answer_invite,
    be_out_of_reach,
    refuse_invite,
    response,
    ring_for_ever,
)
from tieline.testing.virtual_time import elapse, settle


def test_caller_and_human_are_joined_and_the_human_leaves_first() -> None:
    async def story(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        assert (await board.conversations())[0].outcome is not None
        ((_, dialogs),) = await board.store.dialogs_up()
        assert list(dialogs) == ["dialog of leg 1", f"dialog of leg {CALLEE}"]
        await elapse(75.0)
        leave(board)

    board = play_calls(story, **board_parts())
    (sent,) = board.sip.invites
    assert sent.trunk is not None
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
