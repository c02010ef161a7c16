"""Trunks that are pinged and registered at, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from tieline.calls.trunk_watch import TrunkHealth, TrunkState, TrunkWatch
from tieline.errors import Conflict, Unavailable
from tieline.model.trunk import Trunk
from tieline.observe.metrics import TRUNK_STATES
from tieline.sip.events import Flow, OptionsCompleted, RegisterCompleted, Transport
from tieline.testing.virtual_time import elapse, run_virtual

A, B = Flow(Transport.UDP, ("192.0.2.1", 5060)), Flow(Transport.UDP, ("192.0.2.2", 5060))
PINGED = Trunk(name="pinged", networks=(), target="sbc.example:5070", options_interval_s=60.0)
REGISTERED = Trunk(
    name="pbx", networks=(), target="sip:[2001:db8::1]:5080;transport=tcp", username="bot", register=True,
    register_expires_s=300,
)  # fmt: skip


class World:
    """A SIP stack whose peers answer by `statuses` (None: after 32 s, 408), and a location that knows two targets."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.statuses: dict[Flow, int | None] = {A: 200, B: 200}
        self.flows = [A]
        self.lost = False
        self.forbidden = False
        self.granted_s: int | None = 300
        self.asked: list[tuple[float, str, Flow]] = []
        self.notes: list[tuple[Flow, bool]] = []
        self.trunks: list[Trunk | None] = []
        self.changes: list[tuple[str, TrunkHealth]] = []
        self.watch = TrunkWatch(
            self, self, lambda trunk, health, _: self.changes.append((trunk.name, health))
        )

    def options(self, flow: Flow, uri: str, trunk: Trunk | None = None) -> int:
        self.trunks.append(trunk)
        number = self._ask(f"OPTIONS {uri}", flow)
        self._answer(flow, lambda status: OptionsCompleted(number, status))
        return number

    def register(
        self, flow: Flow, registrar: str, aor: str, user: str, expires_s: int, trunk: Trunk | None = None
    ) -> int:
        self.trunks.append(trunk)
        if self.forbidden:
            raise Conflict("one is under way")
        number = self._ask(f"REGISTER {registrar} {aor} {user} {expires_s}", flow)
        granted = self.granted_s
        self._answer(flow, lambda status: RegisterCompleted(number, status, "", granted))
        return number

    def _ask(self, text: str, flow: Flow) -> int:
        self.asked.append((round(asyncio.get_running_loop().time(), 1), text, flow))
        return next(self.numbers)

    def _answer(self, flow: Flow, event: Callable[[int], OptionsCompleted | RegisterCompleted]) -> None:
        status = self.statuses[flow]
        after_s, status = (32.0, 408) if status is None else (0.1, status)
        asyncio.get_running_loop().call_later(after_s, lambda: self.watch.on_event(event(status)))

    async def targets(self, trunk: Trunk, uri: str) -> list[Flow]:
        if self.lost:
            raise Unavailable("the name cannot be resolved")
        return self.flows

    def note(self, flow: Flow, *, worked: bool) -> None:
        self.notes.append((flow, worked))


def play(story: Callable[[World], Awaitable[None]]) -> World:
    async def run() -> World:
        world = World()
        await story(world)
        await world.watch.close()
        return world

    return run_virtual(run())


def states(world: World) -> list[TrunkState]:
    return [health.state for _, health in world.changes]


def test_a_trunk_that_answers_is_up_and_asked_at_its_interval() -> None:
    async def story(world: World) -> None:
        assert world.watch.health("pinged").state is TrunkState.UNKNOWN
        world.watch.sync([PINGED, Trunk(name="unwatched", networks=())])
        await elapse(130)
        assert world.watch.count() == {TrunkState.UP: 1, TrunkState.DOWN: 0, TrunkState.UNKNOWN: 0}
        assert [(name, health.state) for name, health in world.watch.states().items()] == [
            ("pinged", TrunkState.UP)
        ]

    world = play(story)
    assert [at for at, _, _ in world.asked] == [0.0, 60.1, 120.2]
    assert world.asked[0][1] == "OPTIONS sip:sbc.example:5070"
    assert states(world) == [TrunkState.UP]


@pytest.mark.parametrize("status", [404, 405, 481, 501])
def test_any_answer_shows_that_somebody_is_there(status: int) -> None:
    async def story(world: World) -> None:
        world.statuses[A] = status
        world.watch.sync([PINGED])
        await elapse(1)

    assert states(play(story)) == [TrunkState.UP]


@pytest.mark.parametrize("status", [None, 503])
def test_two_silent_rounds_are_an_outage_and_one_answer_its_end(status: int | None) -> None:
    async def story(world: World) -> None:
        world.statuses[A] = status
        world.watch.sync([PINGED])
        await elapse(0.5 if status else 33)
        assert world.changes == []
        await elapse(90)
        assert states(world) == [TrunkState.DOWN]
        world.statuses[A] = 200
        await elapse(50)

    assert states(play(story)) == [TrunkState.DOWN, TrunkState.UP]


def test_one_target_of_several_that_answers_is_enough() -> None:
    async def story(world: World) -> None:
        world.flows = [A, B]
        world.statuses[A] = None
        world.watch.sync([PINGED])
        await elapse(40)

    world = play(story)
    assert states(world) == [TrunkState.UP]
    assert world.notes == [(A, False), (B, True)]
    assert world.changes[0][1].detail == "192.0.2.2:5060 answered 200"


def test_a_name_that_cannot_be_resolved_is_an_outage() -> None:
    async def story(world: World) -> None:
        world.lost = True
        world.watch.sync([PINGED, REGISTERED])
        await elapse(30)

    world = play(story)
    assert {name: health.detail for name, health in world.changes} == {
        "pinged": "the name cannot be resolved", "pbx": "the name cannot be resolved",
    }  # fmt: skip
    assert world.asked == []


def test_a_registration_is_refreshed_in_time_and_taken_back_at_the_end() -> None:
    async def story(world: World) -> None:
        world.watch.sync([REGISTERED])
        await elapse(250)
        assert world.watch.health("pbx") == TrunkHealth(
            TrunkState.UP, registered=True, detail="the registrar 192.0.2.1:5060 answered 200"
        )

    world = play(story)
    texts = [text for _, text, _ in world.asked]
    registrar = "sip:[2001:db8::1]:5080;transport=tcp"
    assert texts == [
        f"REGISTER {registrar} sip:bot@[2001:db8::1] bot 300",
        f"REGISTER {registrar} sip:bot@[2001:db8::1] bot 300",
        f"REGISTER {registrar} sip:bot@[2001:db8::1] bot 0",
    ]
    assert world.asked[1][0] == pytest.approx(240.1)


def test_a_registrar_that_grants_less_is_asked_sooner() -> None:
    async def story(world: World) -> None:
        world.granted_s = 60
        world.watch.sync([REGISTERED])
        await elapse(100)

    assert [round(at) for at, _, _ in play(story).asked[:3]] == [0, 48, 96]


def test_a_registration_that_is_refused_is_tried_again_ever_more_seldom() -> None:
    async def story(world: World) -> None:
        world.flows = [A, B]
        world.statuses[A] = 403
        world.watch.sync([REGISTERED])
        await elapse(80)
        world.statuses[A] = 200
        await elapse(80)

    world = play(story)
    assert [round(at) for at, _, flow in world.asked[:-1]] == [0, 10, 30, 70, 150]
    assert {flow for _, _, flow in world.asked} == {A}
    assert [health.registered for _, health in world.changes] == [False, True]


def test_the_next_registrar_is_asked_when_one_is_silent() -> None:
    async def story(world: World) -> None:
        world.flows = [A, B]
        world.statuses[A] = 503
        world.watch.sync([REGISTERED])
        await elapse(5)

    world = play(story)
    assert [health.registered for _, health in world.changes] == [True]
    assert [flow for _, _, flow in world.asked] == [A, B, B]


def test_a_request_that_cannot_be_sent_is_a_failure_like_any() -> None:
    async def story(world: World) -> None:
        world.forbidden = True
        world.watch.sync([REGISTERED])
        await elapse(1)

    assert [health.registered for _, health in play(story).changes] == [False]


def test_pings_say_whether_a_registered_trunk_is_up() -> None:
    both = Trunk(
        name="both", networks=(), target="host", username="bot", register=True, options_interval_s=30.0
    )

    async def story(world: World) -> None:
        world.statuses[A] = 403
        world.watch.sync([both])
        await elapse(5)

    world = play(story)
    assert world.watch.health("both").state is TrunkState.UNKNOWN  # let go of at the end
    assert {(health.state, health.registered) for _, health in world.changes} >= {(TrunkState.UP, False)}


def test_a_trunk_that_is_changed_starts_anew_and_one_that_stayed_goes_on() -> None:
    async def story(world: World) -> None:
        world.watch.sync([PINGED])
        await elapse(10)
        world.watch.sync([PINGED])
        await elapse(10)
        assert len(world.asked) == 1
        world.watch.sync([Trunk(name="pinged", networks=(), target="other.example", options_interval_s=60.0)])
        await elapse(10)
        assert [text for _, text, _ in world.asked][1:] == ["OPTIONS sip:other.example"]
        world.watch.sync([])
        await elapse(500)
        assert len(world.asked) == 2

    play(story)


def test_events_of_others_are_ignored() -> None:
    async def story(world: World) -> None:
        world.watch.on_event(OptionsCompleted(99, 200))
        world.watch.on_event(RegisterCompleted(99, 200))

    assert play(story).changes == []


def test_metrics_know_every_state() -> None:
    assert set(TRUNK_STATES) == set(TrunkState)


def test_every_request_says_whose_it_is() -> None:
    async def story(world: World) -> None:
        world.watch.sync([PINGED, REGISTERED])
        await elapse(130)

    world = play(story)
    assert {trunk.name for trunk in world.trunks if trunk is not None} == {PINGED.name, REGISTERED.name}
    assert None not in world.trunks
