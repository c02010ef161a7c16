"""Calls of an hour and of four hours hold, in virtual time, over networks that lose, double and reorder."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import SDP
from tieline.sip.config import PeerOptions
from tieline.sip.events import (
    ByeCompleted,
    ByeReceived,
    InviteReceived,
    LegFailed,
    LegFailure,
    Outgoing,
    ReinviteCompleted,
    ReinviteReceived,
    SipEvent,
)
from tieline.testing.loopback import Endpoint, Loopback, Weather

HOUR = 3600.0
STORM = Weather(loss=0.1, duplication=0.1, min_delay=0.001, max_delay=0.2)


class Censored(Loopback):
    """A network on which certain words are lost, so that peers seem to be able to do less."""

    def __init__(self, seed: int, weather: Weather | None, without: tuple[bytes, ...]) -> None:
        super().__init__(seed, weather)
        self._without = without

    def _post(self, source: tuple[str, int], outgoing: Outgoing) -> None:
        data = outgoing.data
        for word in self._without:
            data = data.replace(word, b"")
        super()._post(source, outgoing._replace(data=data))


class Pair:
    """Two stacks in a call; re-INVITEs are accepted with the SDP that stands."""

    def __init__(
        self,
        calling: PeerOptions,
        called: PeerOptions,
        *,
        weather: Weather | None = None,
        seed: int = 1,
        without: tuple[bytes, ...] = (),
    ) -> None:
        self.network = Censored(seed, weather, without)
        self.calling = self.network.add("192.0.2.1", options=calling)
        self.called = self.network.add("192.0.2.2", options=called)
        self.seen: dict[str, list[SipEvent]] = {"calling": [], "called": []}
        self.called_id = 0
        self.calling_id = self.calling.stack.invite(
            self.network.flow(self.calling, self.called),
            "sip:x@192.0.2.2",
            "<sip:a@192.0.2.1>",
            "<sip:x@192.0.2.2>",
            SDP,
            self.network.now,
        )
        self.step(10.0)

    def step(self, seconds: float) -> None:
        end = self.network.now + seconds
        while self.network.now < end:
            due = self.network.next_due()
            self.network.run_for(end - self.network.now if due is None else min(due, end) - self.network.now)
            self._serve("calling", self.calling)
            self._serve("called", self.called)

    def _serve(self, name: str, endpoint: Endpoint) -> None:
        for event in self.network.take(endpoint):
            self.seen[name].append(event)
            if isinstance(event, InviteReceived):
                self.called_id = event.leg_id
                endpoint.stack.ring(event.leg_id, self.network.now)
                endpoint.stack.answer(event.leg_id, SDP, self.network.now)
            elif isinstance(event, ReinviteReceived):
                endpoint.stack.accept_reinvite(event.leg_id, SDP, self.network.now)

    def count(self, endpoint: Endpoint, start: bytes) -> int:
        return sum(1 for data in set(endpoint.sent) if data.startswith(start))

    def failures(self) -> list[LegFailed]:
        return [each for seen in self.seen.values() for each in seen if isinstance(each, LegFailed)]


NONE = PeerOptions(session_expires_s=None)


@pytest.mark.parametrize("hours", [1, 4])
@pytest.mark.parametrize(
    ("calling", "called", "refresher"),
    [
        (PeerOptions(session_expires_s=1800), PeerOptions(), "calling"),
        (PeerOptions(session_expires_s=90), NONE, "calling"),
        (NONE, PeerOptions(session_expires_s=600), "calling"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_call_holds_by_update(
    hours: int, calling: PeerOptions, called: PeerOptions, refresher: str, seed: int
) -> None:
    pair = Pair(calling, called, weather=STORM, seed=seed)
    pair.step(hours * HOUR)
    assert pair.failures() == []
    assert pair.calling.stack.leg(pair.calling_id).state == "confirmed"
    assert pair.called.stack.leg(pair.called_id).state == "confirmed"
    interval = calling.session_expires_s or called.session_expires_s or 0
    sender = pair.calling if refresher == "calling" else pair.called
    assert pair.count(sender, b"UPDATE") >= hours * HOUR / interval
    assert not any(isinstance(each, (ReinviteCompleted, ReinviteReceived)) for each in pair.seen["calling"])
    pair.calling.stack.bye(pair.calling_id, pair.network.now)
    pair.step(120)
    assert any(isinstance(each, ByeCompleted) for each in pair.seen["calling"])
    assert any(isinstance(each, ByeReceived) for each in pair.seen["called"])
    assert pair.calling.stack.is_idle()
    assert pair.called.stack.is_idle()


@pytest.mark.parametrize("hours", [1, 4])
@pytest.mark.parametrize(
    ("calling", "called", "refresher"),
    [
        (PeerOptions(session_expires_s=600), NONE, "calling"),
        (NONE, PeerOptions(session_expires_s=600), "calling"),
        (NONE, PeerOptions(session_expires_s=600), "called"),
    ],
)
def test_a_long_call_holds_by_reinvite(
    hours: int, calling: PeerOptions, called: PeerOptions, refresher: str
) -> None:
    lost = (b", UPDATE",) if refresher == "calling" else (b", UPDATE", b"Supported: timer, 100rel\r\n")
    pair = Pair(calling, called, weather=STORM, seed=3, without=lost)
    pair.step(hours * HOUR)
    assert pair.failures() == []
    assert pair.calling.stack.leg(pair.calling_id).state == "confirmed"
    assert pair.called.stack.leg(pair.called_id).state == "confirmed"
    renewed = pair.seen["called" if refresher == "calling" else "calling"]
    assert sum(isinstance(each, ReinviteReceived) for each in renewed) >= hours * HOUR / 600
    # Refreshes whose answer is what it was are nobody's business.
    assert not any(isinstance(each, ReinviteCompleted) for each in pair.seen[refresher])


def test_a_peer_that_vanishes_is_noticed_by_both() -> None:
    pair = Pair(PeerOptions(session_expires_s=600), PeerOptions())
    pair.network.weather = Weather(loss=1.0)
    pair.step(HOUR)
    assert [each.failure for each in pair.seen["calling"] if isinstance(each, LegFailed)] == [
        LegFailure.PEER_GONE
    ]
    assert [each.failure for each in pair.seen["called"] if isinstance(each, LegFailed)] == [
        LegFailure.SESSION_EXPIRED
    ]
    assert pair.calling.stack.is_idle()
    assert pair.called.stack.is_idle()
