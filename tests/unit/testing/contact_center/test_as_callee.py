"""What the scripted peer does when our stack calls it or transfers it."""

from __future__ import annotations

import pytest

from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.events import (
    ByeCompleted,
    ByeReceived,
    Flow,
    LegAnswered,
    LegProgress,
    LegRefused,
    NotifyReceived,
    ReferCompleted,
    ReinviteCompleted,
    ReinviteReceived,
    SipEvent,
    Transport,
)
from tieline.testing.contact_center import Centre, Manners, PeerState, Rule, behaving
from tieline.testing.loopback import Loopback

US = ("198.51.100.1", 5060)
PEER = ("192.0.2.20", 5060)
OFFER = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Pair:
    """Our stack and a scripted peer on one network; our stack has called."""

    def __init__(
        self, *names: str, manners: Manners | None = None, options: PeerOptions | None = None
    ) -> None:
        self.network = Loopback()
        self.ours = self.network.add(*US, options=options)
        self.centre = Centre(behaving(manners or Manners(), names), address=PEER, server=US)
        self.network.join(self.centre)

    def call(self, for_s: float = 10.0) -> int:
        """Call the peer, and let time pass."""
        leg = self.ours.stack.invite(
            self.centre.flow.__class__(self.centre.transport, PEER),
            "sip:human@192.0.2.20",
            "<sip:us@198.51.100.1>",
            "<sip:human@192.0.2.20>",
            OFFER,
            self.network.now,
        )
        self.network.run_for(for_s)
        return leg

    def events(self, kind: type[SipEvent]) -> list[SipEvent]:
        """What our stack has told of one kind."""
        return [event for event in self.ours.events if isinstance(event, kind)]

    def labels(self) -> list[str]:
        """The peer's timeline."""
        return self.centre.timeline.labels()


def refused(pair: Pair) -> list[int]:
    return [event.status for event in pair.events(LegRefused) if isinstance(event, LegRefused)]


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("invite-busy", [486]),
        ("invite-declined", [603]),
        ("invite-not-found", [404]),
        ("invite-unavailable", [503]),
        ("invite-not-acceptable", [488]),
        ("invite-moved", [302]),
        ("invite-no-response", [408]),
        ("invite-polite", []),
        ("invite-at-once", []),
        ("invite-early-media", []),
        ("invite-forked-ringing", []),
        ("invite-forked-answers", []),
        ("cancel-race", []),
    ],
)
def test_answers_to_an_invite(name: str, statuses: list[int]) -> None:
    pair = Pair(name)
    pair.call(40.0)
    assert refused(pair) == statuses
    answered = bool(pair.events(LegAnswered))
    assert answered is (not statuses and name != "cancel-race")
    if answered:
        assert pair.centre.call.state is PeerState.UP
        assert pair.centre.call.remote_rtp == ("198.51.100.1", 4000)
    elif name != "cancel-race":
        assert pair.centre.call.status in {*statuses, None}


def test_what_rings_on_can_be_cancelled() -> None:
    pair = Pair("invite-no-answer")
    leg = pair.call(60.0)
    assert refused(pair) == []
    pair.ours.stack.cancel(leg, pair.network.now)
    pair.network.run_for(1.0)
    assert refused(pair) == [487]
    assert pair.centre.call.ended_by == "cancelled"
    assert pair.labels().count("> 487 INVITE") == 1


def test_an_answer_that_crosses_the_cancel() -> None:
    pair = Pair("cancel-race")
    leg = pair.call(1.0)
    pair.ours.stack.cancel(leg, pair.network.now)
    pair.network.run_for(5.0)
    assert "> 200 INVITE" in pair.labels()
    assert pair.labels()[-2:] == ["< BYE", "> 200 BYE"]
    assert pair.centre.call.ended_by == "them"


def test_early_media_comes_with_its_answer() -> None:
    pair = Pair("invite-early-media")
    pair.call(1.0)
    (progress,) = [event for event in pair.events(LegProgress) if isinstance(event, LegProgress)]
    assert progress.response.status == 183
    assert b"m=audio" in progress.response.body


def test_a_second_answer_of_a_fork_is_ended() -> None:
    pair = Pair("invite-forked-answers")
    leg = pair.call(5.0)
    tags = {request.to.tag for request in pair.centre.timeline.requests("ACK")}
    assert len(tags) == 2
    (bye,) = pair.centre.byes
    assert (bye.to.tag or "").endswith("b")
    assert not pair.centre.idle
    pair.ours.stack.bye(leg, pair.network.now)
    pair.network.run_for(1.0)
    assert pair.centre.idle


def test_a_lost_answer_is_repeated_and_one_never_acknowledged_given_up() -> None:
    pair = Pair(manners=Manners(rules=(Rule("drop", "out", "200 INVITE"),)))
    pair.call(3.0)
    assert pair.labels().count("> 200 INVITE (lost)") == 1
    assert pair.events(LegAnswered)
    deaf = Pair(manners=Manners(rules=(Rule("drop", "in", "ACK", count=99),)))
    deaf.call(60.0)
    assert deaf.centre.call.ended_by == "silence"
    assert deaf.events(ByeReceived)


def test_messages_can_be_doubled_and_delayed() -> None:
    rules = (Rule("double", "in", "INVITE"), Rule("delay", "out", "200 INVITE", count=9, delay_s=2.0))
    pair = Pair(manners=Manners(rules=rules))
    pair.call(2.5)
    assert pair.labels().count("< INVITE") == 2
    assert not pair.events(LegAnswered)
    pair.network.run_for(2.0)
    assert len(pair.events(LegAnswered)) == 1


# ---------------------------------------------------------------------------------------------------- BYE


@pytest.mark.parametrize(
    ("name", "status", "after"),
    [
        ("bye-late", 200, 4.0),
        ("bye-unanswered", 408, 40.0),
        ("bye-481", 481, 1.0),
        ("bye-crossing", 200, 1.0),
    ],
)
def test_answers_to_a_bye(name: str, status: int, after: float) -> None:
    pair = Pair(name)
    leg = pair.call()
    pair.ours.stack.bye(leg, pair.network.now, [("X-Why", "done"), ("X-Who", "agent")])
    pair.network.run_for(after)
    (done,) = pair.events(ByeCompleted)
    assert isinstance(done, ByeCompleted)
    assert done.status == status
    assert pair.centre.bye_headers == {"X-Why": "done", "X-Who": "agent"}
    assert pair.centre.call.state is PeerState.OVER


def test_headers_past_the_limit_do_not_arrive() -> None:
    pair = Pair(manners=Manners(header_limit=3))
    leg = pair.call()
    pair.ours.stack.bye(leg, pair.network.now, [(f"X-{n}", str(n)) for n in range(5)], "Q.850;cause=16")
    pair.network.run_for(1.0)
    assert pair.centre.bye_headers == {"X-0": "0", "X-1": "1", "X-2": "2", "Reason": "Q.850;cause=16"}


# ---------------------------------------------------------------------------------------------------- REFER


def refer(*names: str, options: PeerOptions | None = None, for_s: float = 20.0) -> Pair:
    pair = Pair(*names, options=options)
    leg = pair.call()
    pair.ours.stack.refer(leg, "<sip:queue@192.0.2.99>", pair.network.now, [("X-Reason", "asked")])
    pair.network.run_for(for_s)
    (request,) = {id(each): each for each in pair.centre.refers[:1]}.values()
    assert request.headers["Refer-To"] == "<sip:queue@192.0.2.99>"
    assert pair.centre.seen_headers(request)["X-Reason"] == "asked"
    return pair


@pytest.mark.parametrize(
    ("name", "notified"),
    [
        ("refer-polite", [100, 180, 200]),
        ("refer-no-notify", []),
        ("refer-silence", []),
        ("refer-notify-no-body", [None, None]),
        ("refer-notify-no-event", [100, 200]),
        ("refer-notify-before-202", [100, 200]),
        ("refer-notify-after-bye", [100, 200]),
        ("refer-bye-after-202", []),
        ("refer-late-bye", [100, 200]),
        ("refer-target-busy", [100, 486]),
        ("refer-target-unavailable", [100, 503]),
    ],
)
def test_accepted_transfers(name: str, notified: list[int | None]) -> None:
    pair = refer(name)
    (done,) = pair.events(ReferCompleted)
    assert isinstance(done, ReferCompleted)
    assert done.status == 202
    told = [event.status for event in pair.events(NotifyReceived) if isinstance(event, NotifyReceived)]
    assert told == notified
    hangs_up = name in {"refer-notify-after-bye", "refer-bye-after-202", "refer-late-bye"}
    assert bool(pair.events(ByeReceived)) is hangs_up


@pytest.mark.parametrize("status", [403, 405, 481, 501, 503, 603])
def test_refused_transfers(status: int) -> None:
    pair = refer(f"refer-{status}")
    (done,) = pair.events(ReferCompleted)
    assert isinstance(done, ReferCompleted)
    assert done.status == status


def test_a_transfer_that_nobody_answers() -> None:
    pair = refer("refer-no-response", for_s=40.0)
    (done,) = pair.events(ReferCompleted)
    assert isinstance(done, ReferCompleted)
    assert done.status == 408


@pytest.mark.parametrize("name", ["refer-digest", "refer-digest-sha256", "refer-digest-stale"])
@pytest.mark.parametrize("password", ["secret", "wrong", None])
def test_challenged_transfers(name: str, password: str | None) -> None:
    options = None if password is None else PeerOptions(credentials=Credentials("tieline", password))
    pair = refer(name, options=options)
    statuses = pair.centre.timeline.statuses("REFER", sent=True)
    (done,) = pair.events(ReferCompleted)
    assert isinstance(done, ReferCompleted)
    assert done.status == statuses[-1]
    if password == "secret":
        assert done.status == 202
        assert len(statuses) == (3 if name.endswith("stale") else 2)
    else:
        assert done.status in {401, 407}


@pytest.mark.parametrize("name", ["invite-digest", "invite-digest-proxy"])
def test_challenged_invites(name: str) -> None:
    pair = Pair(name, options=PeerOptions(credentials=Credentials("tieline", "secret")))
    pair.call()
    assert pair.events(LegAnswered)
    pair = Pair(name)
    pair.call()
    assert refused(pair) in ([401], [407])


def test_reliable_ringing_is_acknowledged() -> None:
    pair = Pair("invite-reliable")
    pair.call()
    assert pair.centre.timeline.statuses("PRACK", sent=True) == [200]
    assert pair.events(LegAnswered)
    plain = Pair("invite-reliable", options=PeerOptions(reliable=False))
    plain.call()
    assert refused(plain) == [421]


def test_a_session_too_short_for_the_callee() -> None:
    pair = Pair("timer-422", options=PeerOptions(session_expires_s=1800))
    pair.call()
    assert pair.centre.timeline.statuses("INVITE", sent=True)[0] == 422
    assert pair.events(LegAnswered)


# ---------------------------------------------------------------------------------------------------- re-INVITE


@pytest.mark.parametrize(
    ("name", "status"),
    [("reinvite-491", 491), ("reinvite-glare", 491), ("reinvite-refused", 488), ("reinvite-481", 481)],
)
def test_answers_to_a_reinvite(name: str, status: int) -> None:
    pair = Pair(name)
    leg = pair.call()
    pair.ours.stack.reinvite(leg, OFFER, pair.network.now)
    pair.network.run_for(0.5)
    (done,) = pair.events(ReinviteCompleted)
    assert isinstance(done, ReinviteCompleted)
    assert done.status == status
    if name == "reinvite-glare":
        assert 491 in pair.centre.timeline.statuses("INVITE")
        pair.network.run_for(5.0)
        assert pair.events(ReinviteReceived), "the peer asks once more after its pause"
    elif name == "reinvite-491":
        pair.ours.stack.reinvite(leg, OFFER, pair.network.now)
        pair.network.run_for(0.5)
        assert [e.status for e in pair.events(ReinviteCompleted) if isinstance(e, ReinviteCompleted)] == [
            491,
            200,
        ]


def test_a_plain_reinvite_and_an_info() -> None:
    pair = Pair()
    leg = pair.call()
    pair.ours.stack.reinvite(leg, OFFER.replace(b"4000", b"4002"), pair.network.now)
    pair.ours.stack.info(leg, "application/dtmf-relay", b"Signal=1\r\n", pair.network.now)
    pair.network.run_for(40.0)
    assert pair.centre.call.remote_rtp == ("198.51.100.1", 4002)
    assert pair.centre.timeline.statuses("INFO", sent=True) == [200]
    assert pair.centre.call.state is PeerState.UP


# ---------------------------------------------------------------------------------------------------- the rest


def test_questions_outside_of_calls() -> None:
    pair = Pair()
    flow = Flow(Transport.UDP, PEER)
    pair.ours.stack.options(flow, "sip:192.0.2.20", pair.network.now)
    pair.network.run_for(1.0)
    assert pair.centre.timeline.statuses("OPTIONS", sent=True) == [200]
    with pytest.raises(LookupError, match="no call yet"):
        _ = pair.centre.call


def test_garbage_is_noted_and_nothing_else() -> None:
    pair = Pair()
    for data in (
        b"",
        b"\r\n\r\n",
        b"\xff\xfe",
        b"INVITE",
        b"BYE sip:x SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
    ):
        pair.centre.receive(data, pair.centre.flow, 0.0)
    assert pair.centre.outgoing() == []
    assert pair.centre.timeline.labels() == ["< \ufffd\ufffd", "< INVITE", "< BYE", "< 200 ?"]


def test_a_request_of_no_call_is_answered_481() -> None:
    pair = Pair()
    leg = pair.call()
    bye = pair.centre.timeline.requests("INVITE")[0]
    text = (
        f"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKnew\r\nFrom: <sip:a@b>;tag=1\r\n"
        f"To: <sip:c@d>;tag=2\r\nCall-ID: unknown{bye.call_id}\r\nCSeq: 1 BYE\r\n\r\n"
    )
    pair.centre.receive(text.encode(), Flow(Transport.UDP, US), pair.network.now)
    (answer,) = pair.centre.outgoing()
    assert answer.data.startswith(b"SIP/2.0 481 ")
    assert leg
