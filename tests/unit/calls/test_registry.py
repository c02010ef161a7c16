"""All calls: who may come in, who is told what, and that nothing stays behind."""

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from tieline.agent.messages import Run, TurnResult
from tieline.calls.admission import BRIEF_AFTER
from tieline.calls.ports import AgentPort
from tieline.calls.registry import CallRegistry
from tieline.model.call import CallState, TerminationReason
from tieline.model.project import Project
from tieline.model.trunk import RefusalReason, Trunk
from tieline.sip.events import ByeCompleted, Flow, InviteRefused, OptionsReceived, StrangerRefused, Transport
from tieline.sip.message import Headers, Request
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import PROJECT, RESOURCES, Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle

FLOW = Flow(Transport.UDP, ("203.0.113.1", 5060))


def refusals(board: Switchboard) -> list[RefusalReason]:
    return [each.refusal.reason for each in run_virtual(board.store.refusals())]


def test_a_stranger_and_a_number_without_a_route_are_refused_on_record() -> None:
    async def story(board: Switchboard) -> None:
        board.invite(source="203.0.113.7")
        board.invite("999")

    board = play_calls(story)
    assert [status for status, _ in board.sip.rejections] == [403, 404]
    assert sorted(refusals(board)) == [RefusalReason.NO_ROUTE, RefusalReason.UNKNOWN_TRUNK]
    assert sorted(board.sip.taken) == [1, 2]
    assert board.observer.terminations == []


def test_past_the_limit_calls_are_told_when_to_come_back_and_room_is_given_back() -> None:
    async def story(board: Switchboard) -> None:
        first = board.invite()
        board.invite()
        await settle()
        board.invite()
        assert board.sip.rejections == [(503, [("Retry-After", "5")])]
        await board.hear("Welcome.")
        board.hang_up(first)
        await board.until("close_conversation")
        await settle()
        last = board.invite()
        await board.until("answer", times=3)
        board.hang_up(2)
        board.hang_up(last)

    board = play_calls(story, max_calls=2)
    (refused,) = run_virtual(board.store.refusals())
    assert refused.refusal.reason is RefusalReason.SERVER_FULL
    assert [rule.rule for rule in refused.refusal.rules] == [
        "trunk", "token", "reserved_dni", "number", "admission",
    ]  # fmt: skip


def test_a_trunks_own_limit_refuses_its_calls() -> None:
    trunk = replace(RESOURCES.trunks[0], max_calls=0)

    async def story(board: Switchboard) -> None:
        board.invite()

    board = play_calls(story, resources=replace(RESOURCES, trunks=(trunk,)))
    assert refusals(board) == [RefusalReason.TRUNK_CALL_LIMIT]


def test_a_project_whose_agent_is_not_running_refuses_and_holds_no_place() -> None:
    async def story(board: Switchboard) -> None:
        board.registry = CallRegistry(
            board.registry._services, board.admission, board.refusals, lambda project: None
        )
        board.registry.directory = board.directory
        board.invite()

    board = play_calls(story)
    assert board.sip.rejections == [(503, [("Retry-After", "10")])]
    assert refusals(board) == [RefusalReason.AGENT_UNAVAILABLE]


def test_an_agent_is_given_back_with_its_call() -> None:
    taken: list[Project] = []
    returned: list[AgentPort] = []

    async def story(board: Switchboard) -> None:
        def take(project: Project) -> AgentPort:
            taken.append(project)
            return board.agent

        board.registry = CallRegistry(
            board.registry._services, board.admission, board.refusals, take, returned.append
        )
        board.registry.directory = board.directory
        board.sip.on_event = board.registry.on_event
        leg = board.invite()
        await board.hear("Welcome.")
        assert returned == []
        board.hang_up(leg)

    board = play_calls(story)
    assert taken == [PROJECT]
    assert returned == [board.agent]


def test_a_call_that_cannot_be_made_is_refused_and_holds_no_place() -> None:
    def no_address(trunk: Trunk, host: str) -> str:
        raise OSError("no route to host")

    async def story(board: Switchboard) -> None:
        services = dataclasses.replace(board.registry._services, media_address=no_address)
        board.registry = CallRegistry(
            services, board.admission, board.refusals, lambda project: board.agent, lambda agent: None
        )
        board.registry.directory = board.directory
        board.invite()

    board = play_calls(story)
    assert board.sip.rejections == [(500, [])]
    assert refusals(board) == [RefusalReason.INTERNAL_ERROR]


def test_events_of_no_call_are_nothing() -> None:
    async def story(board: Switchboard) -> None:
        board.registry.on_event(ByeCompleted(99, 200))
        board.registry.on_event(OptionsReceived(FLOW))
        board.registry.on_event(
            StrangerRefused(FLOW, "INVITE sip:1@h SIP/2.0", "c", "<sip:a@b>", "<sip:c@d>")
        )
        board.registry.on_event(InviteRefused(FLOW, Request("INVITE", "sip:1@h", Headers()), 400, "broken"))

    board = play_calls(story)
    assert sorted(refusals(board)) == [RefusalReason.PROTOCOL, RefusalReason.UNKNOWN_TRUNK]


def test_what_the_stack_refused_for_us_has_our_reason() -> None:
    async def story(board: Switchboard) -> None:
        flow = Flow(Transport.UDP, ("192.0.2.1", 5060))
        full = InviteRefused(flow, Request("INVITE", "sip:1@h", Headers()), 503, "too many calls at once")
        board.registry.on_event(full)
        board.admission.draining = True
        for _ in range(BRIEF_AFTER):
            board.admission.admit(board.directory.resources.trunks[0], board.clock.monotonic())
        board.registry.on_event(full)

    board = play_calls(story)
    assert sorted(refusals(board)) == [RefusalReason.DRAINING, RefusalReason.PROTOCOL]


def test_a_failure_over_one_event_does_not_reach_the_sip_stack(capsys: pytest.CaptureFixture[str]) -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.registry.on_event(ByeCompleted(leg, 200))  # for a BYE that was never sent
        session = board.registry.sessions()[0]
        session.on_event = None  # type: ignore[method-assign,assignment]
        board.hang_up(leg)
        del session.on_event
        board.sip.legs.add(leg)
        board.hang_up(leg)

    play_calls(story)
    assert "could not be handled" in capsys.readouterr().out


def test_a_session_that_breaks_altogether_is_counted_out(capsys: pytest.CaptureFixture[str]) -> None:
    async def whole() -> Switchboard:
        board = await Switchboard().start()
        board.observer.ended = None  # type: ignore[method-assign,assignment]
        leg = board.invite()
        await board.hear("Welcome.")
        board.hang_up(leg)
        await board.idle()
        return board

    board = run_virtual(whole())
    assert board.admission.calls == 0
    assert "session failed" in capsys.readouterr().out


def test_draining_lets_running_calls_finish_and_takes_no_new_ones() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        draining = asyncio.create_task(board.registry.drain(30.0))
        await settle()
        board.invite()
        assert board.sip.rejections == [(503, [("Retry-After", "10")])]
        board.hang_up(leg)
        assert await draining == 0
        assert await board.registry.drain(1.0) == 0

    board = play_calls(story)
    assert board.observer.terminations[0].reason is TerminationReason.CALLER_HUNG_UP
    assert refusals(board) == [RefusalReason.DRAINING]


def test_calls_that_outlive_the_drain_are_ended_with_their_outcome() -> None:
    left: list[int] = []

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        assert board.registry.sessions()[0].state is CallState.TALKING
        left.append(await board.registry.drain(5.0))
        assert board.registry.sessions() == []

    board = play_calls(
        story, agent=ScriptedAgent(start=lambda run: reply(run, "Welcome.", state={"handoff_to": "x"}))
    )
    assert left == [1]
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert stored.outcome.data == {"handoff_to": "x"}
    assert stored.closed is not None
    assert stored.closed.termination.reason is TerminationReason.DRAINED
    order = ["save_outcome", "bye", "close_conversation"]
    assert [entry for entry in board.journal if entry in order] == order


def test_a_drain_waits_for_no_function_and_no_peer_that_takes_its_time() -> None:
    times: list[float] = []

    async def for_ever(run: Run) -> TurnResult:
        await elapse(3600)
        return reply(run)

    async def story(board: Switchboard) -> None:
        board.sip.bye_after_s = None
        board.media.closes_after_s = None
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("run turn")
        begin = board.clock.monotonic()
        assert await board.registry.drain(5.0) == 1
        times.append(board.clock.monotonic() - begin)
        assert board.registry.sessions() == []

    board = play_calls(story, agent=ScriptedAgent(turn=for_ever, end=for_ever))
    assert 5.0 < times[0] < 13.0
    assert "close_conversation" in board.journal


def test_a_drain_hurries_a_call_that_is_already_ending() -> None:
    async def for_ever(run: Run) -> TurnResult:
        await elapse(3600)
        return reply(run)

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("run turn")
        board.hang_up(leg)
        await settle()
        await board.registry.drain(5.0)
        assert board.registry.sessions() == []
        board.registry.sessions()

    board = play_calls(story, agent=ScriptedAgent(turn=for_ever))
    assert board.observer.terminations[0].reason is TerminationReason.CALLER_HUNG_UP


def test_a_call_that_is_not_answered_yet_is_refused_by_the_drain() -> None:
    async def slow(run: Run) -> TurnResult:
        await elapse(30)
        return reply(run)

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.until("run start")
        await board.registry.drain(1.0)

    board = play_calls(story, agent=ScriptedAgent(start=slow))
    assert board.sip.rejections == [(503, [("Retry-After", "10")])]
    assert refusals(board) == [RefusalReason.DRAINING]
    assert board.observer.terminations[0].reason is TerminationReason.DRAINED


def test_interrupting_twice_is_once() -> None:
    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        session = board.registry.sessions()[0]
        session.interrupt(TerminationReason.DRAINED)
        session.interrupt(TerminationReason.INTERNAL_ERROR)

    board = play_calls(story)
    assert [each.reason for each in board.observer.terminations] == [TerminationReason.DRAINED]


def test_many_calls_at_once_leave_nothing() -> None:
    async def story(board: Switchboard) -> None:
        legs = [board.invite() for _ in range(50)]
        await board.until("played Welcome.", times=50)
        for leg in legs[::2]:
            board.hang_up(leg)
        board.press("1#")

    board = play_calls(story, max_calls=50)
    assert len(board.observer.terminations) == 50
    assert len(set(board.sip.taken)) == 50
