"""The call as it should be: greeting, keys, handoff or hang-up; what happens in which order."""

import pytest
from msgspec.structs import replace

from tieline.agent.messages import DtmfListen, Listen, Metric, Run, RunKind, TurnResult
from tieline.calls.ports import CallSettings
from tieline.model.call import CallState, Fault, TerminationReason
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import Destination, HandoffMethod, SipConfig, SipHeader
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import OFFER, PROJECT, RESOURCES, Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual

QUEUE = Destination(
    name="billing",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.BYE),
    sip_headers=(
        SipHeader(key="X-Destination", value="$queue"),
        SipHeader(key="X-Missing", value="$nothing"),
    ),
)


def hand_off(run: Run) -> TurnResult:
    return reply(
        run,
        "Let me pass you on.",
        state={"queue": "billing", "handoff_to": "billing"},
        handoff={"destination": "billing", "reason": "wants to pay", "utterance": "Let me pass you on."},
    )


async def dialogs_up(board: Switchboard) -> list[list[str]]:
    """What a later process would say BYE in."""
    return [list(dialogs) for _, dialogs in await board.store.dialogs_up()]


def test_the_normal_path_is_walked_in_order() -> None:
    async def story(board: Switchboard) -> None:
        board.store.delays["save_outcome"] = 3.0  # a slow disk
        board.invite()
        await board.hear("Welcome.")
        assert await dialogs_up(board) == [["dialog of leg 1"]]
        board.press("1")
        await board.until("played Let me pass you on.")
        assert "save_outcome" not in board.journal
        assert "bye" not in board.journal

    agent = ScriptedAgent(turn=hand_off, destinations=(QUEUE,))
    board = play_calls(story, agent=agent)
    assert run_virtual(dialogs_up(board)) == []
    walk = [entry for entry in board.journal if not entry.startswith("run ")]
    assert walk == [
        "ring", "open_leg", "ran start", "open_conversation", "save_turn", "mark_answered", "answer",
        "play Welcome.", "played Welcome.", "ran turn", "save_turn",
        "play Let me pass you on.", "played Let me pass you on.", "save_outcome", "bye",
        "close_leg", "ran end", "save_turn", "close_conversation",
    ]  # fmt: skip
    order = ["played Let me pass you on.", "save_outcome", "bye", "ran end", "close_conversation"]
    assert [entry for entry in walk if entry in order] == order
    assert board.journal.count("play Let me pass you on.") == 1


def test_what_is_stored_of_a_handed_off_call() -> None:
    async def story(board: Switchboard) -> None:
        board.invite("100", ("X-Session", "five9-1"))
        await board.hear("Welcome.")
        board.press("1")

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off, destinations=(QUEUE,)))
    (headers, reason) = board.sip.byes[0]
    assert headers == {"X-Destination": "billing"}
    assert reason is not None
    assert reason.startswith("Q.850;cause=16")
    (stored,) = run_virtual(board.conversations())
    assert stored.state is CallState.ENDED
    assert stored.outcome is not None
    assert stored.outcome.handed_off
    assert stored.outcome.data == {"handoff_to": "billing", "handoff_reason": "wants to pay"}
    assert stored.outcome.handoff is not None
    assert stored.outcome.handoff["left_out"] == (("X-Missing", "$nothing has no value that fits a header"),)
    assert stored.closed is not None
    assert stored.closed.termination.reason is TerminationReason.HANDED_OFF
    assert stored.closed.termination.fault is Fault.AGENT
    assert stored.closed.media is not None
    assert stored.closed.media["packets_received"] == 100
    assert [turn.channel for turn in stored.turns] == ["start", "keypad", "end"]
    assert [turn.utterance for turn in stored.turns] == ["Welcome.", "Let me pass you on.", ""]
    assert stored.turns[1].user_input == "1"
    assert stored.opened.sip_headers["X-Session"] == "five9-1"
    assert board.observer.terminations[0].reason is TerminationReason.HANDED_OFF


def test_a_handoffs_reason_header_replaces_ours() -> None:
    def turn(run: Run) -> TurnResult:
        return reply(run, handoff={"method": "bye", "sip_headers": {"Reason": "SIP;cause=200", "X-A": "1"}})

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.press("1")

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    assert board.sip.byes == [({"Reason": "SIP;cause=200", "X-A": "1"}, None)]


def test_an_agent_that_hangs_up_is_heard_out_first() -> None:
    async def story(board: Switchboard) -> None:
        board.store.delays["save_outcome"] = 1.0
        board.invite()
        await board.hear("Welcome.")
        board.press("9")

    def turn(run: Run) -> TurnResult:
        return reply(run, "Goodbye.", state={"contained": True}, hangup=True)

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    order = ["played Goodbye.", "save_outcome", "bye"]
    assert [entry for entry in board.journal if entry in order] == order
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert (stored.outcome.handed_off, stored.outcome.data) == (False, {"contained": True})
    assert board.observer.terminations[0].reason is TerminationReason.AGENT_HUNG_UP


def test_a_handoff_comes_before_a_hangup() -> None:
    def turn(run: Run) -> TurnResult:
        return reply(run, handoff={"destination": "default"}, hangup=True)

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.press("1")

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    assert board.observer.terminations[0].reason is TerminationReason.HANDED_OFF
    assert len(board.sip.byes) == 1


def test_every_utterance_is_spoken_in_order_and_empty_ones_are_silence() -> None:
    def start(run: Run) -> TurnResult:
        return reply(run, "One.", "", "Two.", hangup=True)

    async def story(board: Switchboard) -> None:
        board.invite()

    board = play_calls(story, agent=ScriptedAgent(start=start))
    heard = [entry for entry in board.journal if entry.startswith("played")]
    assert heard == ["played One.", "played Two."]


def test_a_prompt_that_cannot_be_spoken_does_not_end_the_call() -> None:
    async def story(board: Switchboard) -> None:
        board.prompts.unspeakable.add("Welcome.")
        board.invite()
        await board.until("save_turn")
        board.press("1")

    def turn(run: Run) -> TurnResult:
        return reply(run, "Still here.", hangup=True)

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    assert "played Still here." in board.journal
    assert board.observer.terminations[0].reason is TerminationReason.AGENT_HUNG_UP


def test_a_key_cuts_a_prompt_and_starts_the_input() -> None:
    def start(run: Run) -> TurnResult:
        return reply(run, "A long menu.", "More of it.", listen=Listen(dtmf=DtmfListen(num_digits=2)))

    async def story(board: Switchboard) -> None:
        board.media.clip_s = 30.0
        board.invite()
        await board.until("play A long menu.")
        board.press("4")
        board.press("2")

    agent = ScriptedAgent(start=start)
    board = play_calls(story, agent=agent)
    assert "cut A long menu." in board.journal
    assert "play More of it." not in board.journal
    assert [run.user_input for run in agent.runs if run.kind is RunKind.TURN] == ["42"]


def test_keys_pressed_ahead_skip_the_next_prompt() -> None:
    def turn(run: Run) -> TurnResult:
        if run.user_input == "1":
            return reply(run, "Second menu.", listen=Listen(dtmf=DtmfListen(num_digits=1)))
        return reply(run, hangup=True)

    def start(run: Run) -> TurnResult:
        return reply(run, "Welcome.", listen=Listen(dtmf=DtmfListen(num_digits=1)))

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.press("12")

    agent = ScriptedAgent(start=start, turn=turn)
    board = play_calls(story, agent=agent)
    assert [run.user_input for run in agent.runs if run.kind is RunKind.TURN] == ["1", "2"]
    assert "play Second menu." not in board.journal


def test_without_early_listening_the_prompt_is_heard_out_and_its_keys_do_not_count() -> None:
    def start(run: Run) -> TurnResult:
        return reply(run, "Listen well.", listen=Listen(dtmf=DtmfListen(num_digits=1, early_listening=False)))

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.until("play Listen well.")
        board.press("1")
        await board.hear("Listen well.")
        board.press("2")

    agent = ScriptedAgent(start=start)
    board = play_calls(story, agent=agent)
    assert "played Listen well." in board.journal
    assert [run.user_input for run in agent.runs if run.kind is RunKind.TURN] == ["2"]


def test_an_agent_that_does_not_listen_goes_on_by_itself() -> None:
    def start(run: Run) -> TurnResult:
        return reply(
            run, "One moment.", listen=Listen(listen=False, dtmf=DtmfListen(first_digit_timeout=2.0))
        )

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.until("play One moment.")
        board.press("7")
        await board.hear("One moment.")
        board.press("8")

    agent = ScriptedAgent(start=start)
    board = play_calls(story, agent=agent)
    assert "played One moment." in board.journal
    assert [run.user_input for run in agent.runs if run.kind is RunKind.TURN] == [""]


def test_silence_is_an_empty_input_after_its_time() -> None:
    at: list[float] = []

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        begin = board.clock.monotonic()
        await board.until("run turn")
        at.append(board.clock.monotonic() - begin)

    agent = ScriptedAgent()
    play_calls(story, agent=agent)
    assert at[0] == pytest.approx(10.0)
    assert agent.runs[1].user_input == ""


def test_runs_carry_state_and_limits() -> None:
    def start(run: Run) -> TurnResult:
        return reply(run, "Welcome.", state={"seen": 1}, metrics=[Metric(name="greeted", value=1)])

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")

    agent = ScriptedAgent(start=start)
    board = play_calls(story, agent=agent, settings=CallSettings(function_limit_s=7.0, start_limit_s=2.0))
    assert [(run.kind, run.limit_s) for run in agent.runs] == [
        (RunKind.START, 2.0), (RunKind.TURN, 7.0), (RunKind.END, 7.0),
    ]  # fmt: skip
    assert agent.runs[1].conversation.state == {"seen": 1}
    assert len({run.run_id for run in agent.runs}) == 3
    (stored,) = run_virtual(board.conversations())
    assert stored.closed is not None
    assert [metric["name"] for metric in stored.closed.metrics] == ["greeted"]


def test_the_outcome_is_there_the_moment_the_bye_leaves() -> None:
    statuses: list[OutcomeStatus] = []

    async def story(board: Switchboard) -> None:
        board.sip.bye_after_s = 0.0
        board.invite()
        await board.hear("Welcome.")
        board.press("1")
        await board.until("bye")
        (call,) = await board.conversations()
        found = await board.outcomes.lookup("ws-1", "PROJECT-1", conversation_id=call.opened.id)
        statuses.append(found.status)

    play_calls(story, agent=ScriptedAgent(turn=hand_off, destinations=(QUEUE,)))
    assert statuses == [OutcomeStatus.ENDED_WITH_HANDOFF]


def test_an_answer_only_project_is_answered_and_held() -> None:
    resources = replace(RESOURCES, projects=(replace(PROJECT, answer_only=True, path=None),))

    async def story(board: Switchboard) -> None:
        offered = board.invite(body=OFFER)
        late = board.invite(body=b"")
        await board.until("answer", times=2)
        await elapse(1.0)
        assert await dialogs_up(board) == []
        board.info(offered, "1")
        board.reinvite(offered, OFFER)
        board.reinvite(offered, b"v=0\r\n")
        board.update(offered, OFFER)
        board.update(offered, b"v=0\r\n")
        board.hang_up(offered)
        board.hang_up(late)

    board = play_calls(story, resources=resources)
    assert "open_leg" not in board.journal
    assert "run start" not in board.journal
    assert board.journal.count("accept_reinvite") == 1
    assert board.journal.count("reject_reinvite 488") == 1
    assert board.journal.count("accept_update") == 1
    assert board.journal.count("reject_update 488") == 1
    assert all(b"a=inactive" in sdp for sdp in board.sip.answers)
    assert [each.reason for each in board.observer.terminations] == [TerminationReason.CALLER_HUNG_UP] * 2


def test_a_key_does_not_cut_the_announcement_of_a_handoff() -> None:
    async def story(board: Switchboard) -> None:
        board.media.clip_s = 5.0
        board.invite()
        await board.hear("Welcome.")
        board.press("1")
        await board.until("play Let me pass you on.")
        board.press("2")

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off, destinations=(QUEUE,)))
    assert "played Let me pass you on." in board.journal
    assert "cut Let me pass you on." not in board.journal
