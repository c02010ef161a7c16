"""Whatever the owners do and the network loses, doubles or reorders: in the end nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tieline.errors import Conflict, NotFound
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.events import (
    ByeReceived,
    Flow,
    InviteReceived,
    LegAnswered,
    LegFailed,
    LegRefused,
    ReinviteReceived,
    SipEvent,
    Transport,
)
from tieline.sip.tables import LegState
from tieline.testing.loopback import Endpoint, Loopback, Weather

OFFER = b"v=0 offer"
ANSWER = b"v=0 answer"
ACTIONS = (
    "ring",
    "answer",
    "reject",
    "bye",
    "cancel",
    "reinvite",
    "accept",
    "refuse",
    "info",
    "refer",
    "ack",
    "early media",
    "update",
    "update empty",
    "accept update",
    "refuse update",
    "options",
    "pass",
)
WEATHERS = st.builds(
    Weather,
    loss=st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    duplication=st.sampled_from([0.0, 0.3]),
    min_delay=st.just(0.001),
    max_delay=st.sampled_from([0.001, 0.2, 2.0]),
)


CREDENTIALS = st.sampled_from([None, Credentials("trunk", "s3cret"), Credentials("trunk", "guess")])
OPTIONS = st.builds(
    PeerOptions,
    credentials=CREDENTIALS,
    required=CREDENTIALS,
    session_expires_s=st.sampled_from([None, 8, 90, 1800]),
    min_se_s=st.sampled_from([4, 30, 90]),
    reliable=st.just(True),
    reliable_required=st.booleans(),
    timer_required=st.booleans(),
)


class Owners:
    """Remembers the legs of both sides and uses verbs on them, allowed or not."""

    def __init__(
        self,
        network: Loopback,
        transport: Transport,
        options: tuple[PeerOptions | None, PeerOptions | None] = (None, None),
    ) -> None:
        self.network = network
        self.transport = transport
        self.sides = (
            network.add("192.0.2.1", options=options[0]),
            network.add("192.0.2.2", options=options[1]),
        )
        self.legs: tuple[list[int], list[int]] = ([], [])
        self.seen: tuple[list[SipEvent], list[SipEvent]] = ([], [])

    def call(self, side: int, offer: bytes | None) -> None:
        source, target = self.sides[side], self.sides[1 - side]
        flow = self.network.flow(source, target, self.transport)
        uri = f"sip:x@{target.address[0]}"
        self.legs[side].append(
            source.stack.invite(flow, uri, "<sip:a@b>", f"<{uri}>", offer, self.network.now)
        )

    def collect(self) -> None:
        for side, endpoint in enumerate(self.sides):
            for event in self.network.take(endpoint):
                self.seen[side].append(event)
                if isinstance(event, InviteReceived):
                    self.legs[side].append(event.leg_id)

    def act(self, side: int, which: int, action: str) -> None:
        self.collect()
        if not self.legs[side]:
            return
        leg_id = self.legs[side][which % len(self.legs[side])]
        try:
            self.use(self.sides[side], leg_id, action)
        except (Conflict, NotFound):
            return

    def use(self, endpoint: Endpoint, leg_id: int, action: str) -> None:
        stack, now = endpoint.stack, self.network.now
        elsewhere = Flow(self.transport, ("192.0.2.9", 5060))
        verbs: dict[str, Callable[[], object]] = {
            "ring": lambda: stack.ring(leg_id, now),
            "early media": lambda: stack.ring(leg_id, now, sdp=ANSWER, status=183),
            "answer": lambda: stack.answer(leg_id, ANSWER, now),
            "reject": lambda: stack.reject(leg_id, 486, now),
            "bye": lambda: stack.bye(leg_id, now, [("X-contained", "true")]),
            "cancel": lambda: stack.cancel(leg_id, now),
            "reinvite": lambda: stack.reinvite(leg_id, OFFER, now),
            "accept": lambda: stack.accept_reinvite(leg_id, ANSWER, now),
            "refuse": lambda: stack.reject_reinvite(leg_id, 488, now),
            "info": lambda: stack.info(leg_id, "application/dtmf-relay", b"Signal=1", now),
            "refer": lambda: stack.refer(leg_id, "<sip:x@192.0.2.9>", now),
            "update": lambda: stack.update(leg_id, OFFER, now),
            "update empty": lambda: stack.update(leg_id, None, now),
            "accept update": lambda: stack.accept_update(leg_id, ANSWER, now),
            "refuse update": lambda: stack.reject_update(leg_id, 488, now),
            "ack": lambda: stack.ack(leg_id, ANSWER, now),
            "options": lambda: stack.options(elsewhere, "sip:x@192.0.2.9", now),
            "pass": lambda: None,
        }
        verbs[action]()

    def finish(self) -> None:
        """End every leg that still lives, whatever its state; the network is as bad as before."""
        for _ in range(4):
            self.collect()
            for side in (0, 1):
                for leg_id in self.sides[side].stack.leg_ids():
                    for action in ("refuse", "reject", "cancel", "bye"):
                        self.act(side, self.legs[side].index(leg_id), action)
            self.network.run_for(70)


@settings(max_examples=120)
@given(
    st.integers(0, 2**32),
    WEATHERS,
    st.sampled_from([Transport.UDP, Transport.TCP]),
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 3),
            st.sampled_from(("call", "late call", "storm", "calm", *ACTIONS)),
            st.floats(0, 9),
        ),
        max_size=25,
    ),
    st.tuples(OPTIONS, OPTIONS),
)
def test_everything_ends(
    seed: int,
    weather: Weather,
    transport: Transport,
    story: list[tuple[int, int, str, float]],
    options: tuple[PeerOptions, PeerOptions],
) -> None:
    network = Loopback(seed, weather)
    owners = Owners(network, transport, options)
    owners.call(0, OFFER)
    for side, which, action, pause in story:
        if action in {"call", "late call"}:
            owners.call(side, OFFER if action == "call" else None)
        elif action in {"storm", "calm"}:
            network.weather = Weather(loss=1.0) if action == "storm" else weather
        else:
            owners.act(side, which, action)
        network.run_for(pause)
    owners.finish()
    for endpoint in owners.sides:
        assert endpoint.stack.leg_ids() == []
        assert endpoint.stack.is_idle()
        assert endpoint.stack.next_deadline() is None
    for seen in owners.seen:
        ends = Counter(each.leg_id for each in seen if isinstance(each, (LegFailed, LegRefused, ByeReceived)))
        assert all(times == 1 for times in ends.values()), ends


@settings(max_examples=60)
@given(
    st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.001, 0.3, 1.5]), st.booleans()
)
def test_a_call_over_a_bad_network_is_the_same_call(
    seed: int, loss: float, delay: float, we_hang_up: bool
) -> None:
    network = Loopback(seed, Weather(loss=loss, duplication=0.2, max_delay=delay))
    owners = Owners(network, Transport.UDP)
    owners.call(0, OFFER)
    deadline = 200
    while deadline and not any(isinstance(event, LegAnswered) for event in owners.seen[0]):
        network.run_for(0.5)
        owners.collect()
        for leg_id in owners.legs[1]:
            owners.act(1, owners.legs[1].index(leg_id), "answer")
        deadline -= 1
    counted = Counter(type(event).__name__ for event in owners.seen[1])
    # A caller that heard nothing for 32 seconds has given up; otherwise one offer was made, and one only.
    assert counted["InviteReceived"] <= 1
    side = 0 if we_hang_up else 1
    for leg_id in owners.sides[side].stack.leg_ids():
        owners.act(side, owners.legs[side].index(leg_id), "bye")
    network.run_for(130)
    owners.collect()
    counted = Counter(type(event).__name__ for event in owners.seen[1])
    assert counted["AckReceived"] <= 1
    assert counted["ByeReceived"] <= 1
    owners.finish()
    assert all(endpoint.stack.is_idle() for endpoint in owners.sides)


def test_a_reinvite_over_a_perfect_network() -> None:
    network = Loopback()
    owners = Owners(network, Transport.TCP)
    owners.call(0, OFFER)
    network.run_for(0.1)
    owners.act(1, 0, "answer")
    network.run_for(0.1)
    owners.act(0, 0, "reinvite")
    network.run_for(0.1)
    owners.collect()
    assert any(isinstance(event, ReinviteReceived) for event in owners.seen[1])
    owners.act(1, 0, "accept")
    network.run_for(0.1)
    assert {owners.sides[side].stack.leg(1).state for side in (0, 1)} == {LegState.CONFIRMED.value}


def test_the_same_seed_gives_the_same_messages() -> None:
    runs = []
    for _ in range(2):
        network = Loopback(7, Weather(loss=0.3, duplication=0.3, max_delay=1.0))
        owners = Owners(network, Transport.UDP)
        owners.call(0, OFFER)
        network.run_for(5)
        owners.act(1, 0, "answer")
        network.run_for(60)
        runs.append([endpoint.sent for endpoint in owners.sides])
    assert runs[0] == runs[1]


@settings(max_examples=300)
@given(st.data())
def test_no_message_raises_out_of_the_stack(data: st.DataObject) -> None:
    """Real messages of a call, damaged and replayed in any order, at both kinds of peer."""
    network = Loopback()
    demanding = PeerOptions(reliable_required=True, timer_required=True)
    owners = Owners(network, Transport.UDP, (demanding, demanding))
    owners.call(0, OFFER)
    network.run_for(0.1)
    for action in ("early media", "answer", "info", "update", "reinvite", "bye")[
        : data.draw(st.integers(0, 6))
    ]:
        owners.act(1, 0, action)
        network.run_for(0.1)
    sent = [message for endpoint in owners.sides for message in endpoint.sent]
    for _ in range(data.draw(st.integers(1, 4))):
        damaged = bytearray(data.draw(st.sampled_from(sent)))
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        endpoint = owners.sides[data.draw(st.integers(0, 1))]
        endpoint.stack.receive(bytes(damaged), Flow(Transport.UDP, ("192.0.2.3", 5060)), network.now)
        network.run_for(0.1)
    owners.finish()
    assert all(endpoint.stack.is_idle() for endpoint in owners.sides)
