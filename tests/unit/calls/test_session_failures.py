"""What can break: the agent, the offer, the disk, ourselves. No caller is held, no outcome is lost."""

import pytest
from msgspec.structs import replace

from tieline.agent.messages import FailureKind, Run, RunKind, TurnResult
from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, SipConfig, SipHeader
from tieline.model.reservation import ReservationState
from tieline.model.trunk import RefusalReason
from tieline.sip.events import AckReceived, ReinviteCancelled
from tieline.testing.call_parts import ScriptedAgent, fail, reply
from tieline.testing.calls import DNI, OFFER, PROJECT, RESOURCES, Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle

HUMANS = Destination(
    name="humans",
    sip_config=SipConfig(method=HandoffMethod.BYE),
    sip_headers=(SipHeader(key="X-Contained", value="false"),),
)
SALES = Destination(name="sales", is_default=True, sip_config=SipConfig(method=HandoffMethod.BYE))
BY_REFER = Destination(name="far", is_default=True, sip_config=SipConfig())
WITH_FALLBACK = replace(RESOURCES, projects=(replace(PROJECT, fallback_handoff="humans"),))


def only(board: Switchboard) -> Conversation:
    """The one stored call, which must be whole."""
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert stored.closed is not None
    return stored


async def greet_and_press(board: Switchboard) -> None:
    board.invite()
    await board.hear("Welcome.")
    board.press("1#")


@pytest.mark.parametrize("kind", list(FailureKind))
def test_any_failure_of_the_agent_leads_to_the_fallback_handoff(kind: FailureKind) -> None:
    def turn(run: Run) -> TurnResult:
        broken = fail(run, kind, "secret detail")
        return replace(
            broken,
            utterances=["not said"],
            hangup=True,
            conversation=replace(run.conversation, state={"half": "done"}),
        )

    agent = ScriptedAgent(turn=turn, destinations=(SALES, HUMANS))
    board = play_calls(greet_and_press, agent=agent, resources=WITH_FALLBACK)
    assert board.sip.byes[0][0] == {"X-Contained": "false"}
    stored = only(board)
    assert stored.closed is not None
    assert stored.closed.termination.reason is TerminationReason.AGENT_FAILED
    assert stored.closed.termination.fault is Fault.AGENT
    assert stored.closed.termination.detail == f"turn_function: {kind.value}"
    assert stored.outcome is not None
    assert stored.outcome.handed_off
    assert stored.outcome.data == {"handoff_to": "humans", "handoff_reason": "agent_failed"}
    assert "play not said" not in board.journal
    assert board.agent.runs[-1].conversation.state == {}


def test_without_a_named_fallback_the_default_destination_takes_the_caller() -> None:
    board = play_calls(greet_and_press, agent=ScriptedAgent(turn=fail, destinations=(HUMANS, SALES)))
    outcome = only(board).outcome
    assert outcome is not None
    assert outcome.data["handoff_to"] == "sales"


@pytest.mark.parametrize("destinations", [(), (BY_REFER,)])
def test_without_any_usable_destination_there_is_a_plain_bye(destinations: tuple[Destination, ...]) -> None:
    board = play_calls(greet_and_press, agent=ScriptedAgent(turn=fail, destinations=destinations))
    ((headers, said),) = board.sip.byes
    assert headers == {}
    assert said is not None
    assert "cause=41" in said
    stored = only(board)
    assert stored.outcome is not None
    assert not stored.outcome.handed_off
    assert board.observer.terminations[0].reason is TerminationReason.AGENT_FAILED
    order = ["save_outcome", "bye"]
    assert [entry for entry in board.journal if entry in order] == order


def test_a_start_function_that_fails_is_answered_first_and_then_falls_back() -> None:
    async def story(board: Switchboard) -> None:
        board.invite()

    agent = ScriptedAgent(start=fail, destinations=(HUMANS,))
    board = play_calls(story, agent=agent)
    order = ["ran start", "answer", "save_outcome", "bye", "ran end"]
    assert [entry for entry in board.journal if entry in order] == order
    assert board.sip.byes[0][0] == {"X-Contained": "false"}


@pytest.mark.parametrize(
    "handoff",
    [
        {"destination": "nowhere"},
        {"method": "refer"},
        {"destination": 5},
        {"method": "smoke signals"},
    ],
)
def test_a_handoff_that_cannot_be_carried_out_falls_back(handoff: dict[str, object]) -> None:
    def turn(run: Run) -> TurnResult:
        return reply(run, "Passing you on.", handoff=handoff)

    agent = ScriptedAgent(turn=turn, destinations=(HUMANS,))
    board = play_calls(greet_and_press, agent=agent)
    assert "played Passing you on." in board.journal
    assert board.sip.byes[0][0] == {"X-Contained": "false"}
    assert board.observer.terminations[0].reason is TerminationReason.AGENT_FAILED


def test_an_end_function_that_fails_changes_nothing() -> None:
    board = play_calls(greet_and_press, agent=ScriptedAgent(end=fail))
    assert board.observer.terminations[0].reason is TerminationReason.AGENT_HUNG_UP
    assert len(only(board).turns) == 3


@pytest.mark.parametrize("kind", [RunKind.START, RunKind.TURN, RunKind.END])
def test_a_defect_in_the_agent_port_ends_the_call_cleanly(kind: RunKind) -> None:
    def explode(run: Run) -> TurnResult:
        raise RuntimeError("a defect")

    async def story(board: Switchboard) -> None:
        board.invite()
        if kind is not RunKind.START:
            await board.hear("Welcome.")
            board.press("1#")

    agent = ScriptedAgent(
        start=explode if kind is RunKind.START else None,
        turn=explode if kind is RunKind.TURN else None,
        end=explode if kind is RunKind.END else None,
    )
    board = play_calls(story, agent=agent)
    expected = {RunKind.END: TerminationReason.AGENT_HUNG_UP}.get(kind, TerminationReason.INTERNAL_ERROR)
    assert board.observer.terminations[0].reason is expected
    assert only(board).closed is not None
    if kind is RunKind.START:
        assert board.journal.count("reject 500") == 1
        (refused,) = run_virtual(board.store.refusals())
        assert refused.refusal.reason is RefusalReason.INTERNAL_ERROR


@pytest.mark.parametrize("body", [b"v=0\r\n", b"junk", OFFER.replace(b"RTP/AVP 0 8 101", b"RTP/AVP 18")])
def test_a_bad_offer_is_refused_with_the_reason_and_leaves_a_record(body: bytes) -> None:
    async def story(board: Switchboard) -> None:
        board.invite(DNI, body=body)

    board = play_calls(story)
    ((status, headers),) = board.sip.rejections
    assert status == 488
    assert headers[0][0] == "Warning"
    assert headers[0][1].startswith('399 tieline "')
    assert run_virtual(board.conversations()) == []
    (refused,) = run_virtual(board.store.refusals())
    assert refused.refusal.reason is RefusalReason.BAD_OFFER
    assert [rule.rule for rule in refused.refusal.rules] == ["trunk", "token", "reserved_dni", "media"]
    assert refused.trunk == "carrier"
    assert "bind" not in board.journal
    assert "run start" not in board.journal
    assert board.observer.terminations[0].reason is TerminationReason.BAD_OFFER


def test_no_rtp_port_is_a_refusal_that_says_when_to_come_back() -> None:
    async def story(board: Switchboard) -> None:
        board.media.no_ports = True
        board.invite()

    board = play_calls(story)
    ((status, headers),) = board.sip.rejections
    assert (status, headers) == (503, [("Retry-After", "5")])
    (refused,) = run_virtual(board.store.refusals())
    assert "none is free" in refused.refusal.rules[-1].detail


def test_a_media_process_that_dies_before_the_answer_refuses_the_call() -> None:
    async def start(run: Run) -> TurnResult:
        await elapse(1.0)
        return reply(run)

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.until("run start")
        board.media.die()

    board = play_calls(story, agent=ScriptedAgent(start=start))
    assert board.sip.rejections[0][0] == 503
    assert board.observer.terminations[0].reason is TerminationReason.MEDIA_FAILED
    assert only(board).closed is not None


def test_a_late_offer_is_met_with_ours_and_settled_by_the_ack() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.ack_body = OFFER
        leg = board.invite(body=b"")
        await board.hear("Welcome.")
        board.hang_up(leg)

    board = play_calls(story)
    assert b"m=audio" in board.sip.answers[0]
    assert board.media.connected[0].remote == ("192.0.2.10", 40000)


@pytest.mark.parametrize("body", [b"", b"junk"])
def test_a_late_offer_without_a_usable_answer_ends_with_a_bye(body: bytes) -> None:
    async def story(board: Switchboard) -> None:
        board.sip.ack_body = body
        board.invite(body=b"")

    board = play_calls(story)
    assert board.observer.terminations[0].reason is TerminationReason.BAD_OFFER
    assert len(board.sip.byes) == 1
    assert "play Welcome." not in board.journal
    assert only(board).closed is not None


def test_hold_resume_and_a_bad_reinvite() -> None:
    held = OFFER + b"a=sendonly\r\n"

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.reinvite(leg, held)
        board.reinvite(leg, b"v=0\r\n")
        board.reinvite(leg, OFFER.replace(b"40000", b"41000"))
        board.hang_up(leg)
        board.reinvite(leg, OFFER)

    board = play_calls(story)
    sends = [(each.send, each.remote[1]) for each in board.media.connected]
    assert sends == [(True, 40000), (False, 40000), (True, 41000)]
    assert b"a=recvonly" in board.sip.answers[1]
    assert b"a=sendrecv" in board.sip.answers[2]
    assert board.journal.count("reject_reinvite 488") == 1


def test_a_reinvite_without_an_offer_is_settled_by_its_own_ack() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.reinvite(leg, b"")
        board.registry.on_event(AckReceived(leg, OFFER.replace(b"40000", b"42000")))
        board.reinvite(leg, b"")
        board.registry.on_event(AckReceived(leg, b"junk"))
        await settle()
        board.hang_up(leg)
        board.registry.on_event(AckReceived(leg, b""))

    board = play_calls(story)
    assert [each.remote[1] for each in board.media.connected][-1] == 42000
    assert 42000 in [each.remote[1] for each in board.media.connected]
    assert board.observer.terminations[0].reason is TerminationReason.CALLER_HUNG_UP


def test_a_reinvite_while_our_leg_ends_is_refused_and_after_it_ignored() -> None:
    async def turn(run: Run) -> TurnResult:
        await elapse(5.0)
        return reply(run)

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("run turn")
        board.store.delays["save_outcome"] = 1.0
        board.media.die()
        board.media.fall_silent()
        await settle()
        board.reinvite(leg, OFFER)
        await board.until("bye")
        board.reinvite(leg, OFFER)

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    assert board.journal.count("reject_reinvite 488") == 1
    assert "accept_reinvite" not in board.journal
    assert board.observer.terminations[0].reason is TerminationReason.MEDIA_FAILED


@pytest.mark.parametrize("verb", ["open_conversation", "mark_answered", "save_outcome", "close_conversation"])
def test_a_broken_disk_ends_the_call_and_leaves_nothing_running(verb: str) -> None:
    async def whole() -> Switchboard:
        board = await Switchboard(agent=ScriptedAgent(turn=lambda run: reply(run, hangup=True))).start()
        board.store.broken.add(verb)
        board.invite()
        for _ in range(100):
            if not board.registry.sessions():
                break
            await elapse(0.5)
            board.press("1#")
        await board.refusals.close()
        return board

    board = run_virtual(whole())
    assert board.registry.sessions() == []
    assert board.admission.calls == 0
    assert board.sip.legs == set()
    assert board.media.legs == {}
    assert len(board.observer.terminations) == 1
    answered = verb in {"save_turn", "save_outcome", "close_conversation"}
    assert len(board.sip.byes) == (1 if answered else 0)
    assert len(board.sip.rejections) == (0 if answered else 1)


def test_an_outcome_whose_first_write_fails_is_written_again_before_the_bye() -> None:
    async def story(board: Switchboard) -> None:
        board.store.broken.add("save_outcome")
        board.store.delays["save_outcome"] = 1.0
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("ran turn")
        await elapse(1.5)
        board.store.broken.clear()

    board = play_calls(story, agent=ScriptedAgent(turn=lambda run: reply(run, hangup=True)))
    assert board.observer.terminations[0].reason is TerminationReason.INTERNAL_ERROR
    order = ["save_outcome", "bye"]
    assert [entry for entry in board.journal if entry in order] == order


@pytest.mark.parametrize("broken", [{"bind"}, {"mark_answered", "unbind"}])
def test_a_pool_that_cannot_be_reached_refuses_the_call(broken: set[str]) -> None:
    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={})
        board.store.broken.update(broken)
        board.invite(held.number)

    board = play_calls(story)
    assert board.sip.rejections[0][0] == 500
    assert board.observer.terminations[0].reason is TerminationReason.INTERNAL_ERROR


def test_a_claim_that_cannot_be_stored_does_not_end_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={})
        board.store.broken.add("claim")
        leg = board.invite(held.number)
        await board.hear("Welcome.")
        board.hang_up(leg)

    board = play_calls(story)
    assert board.observer.terminations[0].reason is TerminationReason.CALLER_HUNG_UP
    assert "the reservation was not claimed" in capsys.readouterr().out


def test_a_turn_that_cannot_be_stored_after_the_caller_left_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def turn(run: Run) -> TurnResult:
        await elapse(1.0)
        return reply(run, state={"handoff_to": "x"})

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("run turn")
        board.store.broken.add("save_turn")
        board.hang_up(leg)
        await board.until("save_outcome")
        board.store.broken.clear()

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    assert "the last turn was not stored" in capsys.readouterr().out
    outcome = only(board).outcome
    assert outcome is not None
    assert outcome.data == {"handoff_to": "x"}


def test_a_reservation_that_moved_on_does_not_stop_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    async def no(reservation_id: str, epoch: int, now: object, *, verified: bool) -> bool:
        return False

    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={})
        board.store.claim = no  # type: ignore[method-assign]
        leg = board.invite(held.number)
        await board.hear("Welcome.")
        board.registry.on_event(ReinviteCancelled(leg))
        board.hang_up(leg)

    play_calls(story)
    assert "no longer this call's" in capsys.readouterr().out


def test_a_call_that_is_answered_and_never_acknowledged_claims_its_number() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.ack_after_s = None
        held = await board.reservations.reserve("PROJECT-1", attributes={})
        leg = board.invite(held.number)
        await board.until("answer")
        board.hang_up(leg)
        await board.idle()
        states.append((await board.reservations.get("PROJECT-1", held.id)).state)

    states: list[ReservationState] = []
    play_calls(story)
    assert states == [ReservationState.CLAIMED]


def test_a_caller_who_cancels_while_the_call_is_stored_leaves_its_first_turn() -> None:
    async def story(board: Switchboard) -> None:
        board.store.delays["open_conversation"] = 1.0
        leg = board.invite()
        await board.until("ran start")
        await settle()
        board.cancel(leg)

    board = play_calls(story)
    assert only(board).turns[0].channel == "start"
