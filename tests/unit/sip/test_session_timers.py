"""Session timers (RFC 4028) in both roles, against a peer made of text."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import SDP, TCP, Wire, config
from tieline.sip.config import PeerOptions, SipConfig
from tieline.sip.events import (
    AckReceived,
    Flow,
    InviteReceived,
    LegAnswered,
    LegFailed,
    LegFailure,
    LegRefused,
    ReinviteCompleted,
    ReinviteReceived,
    SipEvent,
    Transport,
)
from tieline.sip.message import Request, Response

OTHER = SDP.replace(b"4000", b"4002")
NEVER = PeerOptions(session_expires_s=None)
THEIRS = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n"
OURS = "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n"
UPDATES = "Allow: INVITE, ACK, BYE, update\r\n"


def answered(extra: str, options: PeerOptions | None = None) -> Response:
    """Our 200 to an INVITE with these lines."""
    wire = Wire(options=options)
    leg_id, _, _ = wire.called(extra=extra)
    wire.stack.answer(leg_id, SDP, wire.now)
    return wire.take_response(200)


def refreshing(
    answer: str = OURS + UPDATES,
    options: PeerOptions | None = None,
    flow: Flow | None = None,
    settings: SipConfig | None = None,
) -> tuple[Wire, int]:
    """A call of ours that we are to refresh."""
    wire = Wire(settings, flow or Wire().flow, options=options or PeerOptions(session_expires_s=600))
    leg_id, invite = wire.calling()
    wire.respond(invite, 200, body=SDP, extra=answer)
    wire.events()
    wire.take()
    return wire, leg_id


def wait_for(wire: Wire, method: str) -> Request:
    """The next request of this method that the stack sends."""
    for _ in range(8_000):
        wire.wait(0.25)
        for message in wire.take():
            if isinstance(message, Request) and message.method == method:
                return message
    raise AssertionError(method)


class TestCalled:
    @pytest.mark.parametrize(
        ("extra", "options", "expires", "require"),
        [
            (THEIRS, None, "600;refresher=uac", "timer"),
            ("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", None, "600;refresher=uas", "timer"),
            ("Supported: timer\r\nx: 600\r\n", None, "600;refresher=uac", "timer"),
            ("Require: timer\r\nSession-Expires: 600;x;refresher=me\r\n", NEVER, "600;refresher=uac", "timer"),
            ("Supported: timer\r\n", None, "1800;refresher=uac", "timer"),
            ("Supported: timer\r\nMin-SE: 3600\r\n", None, "3600;refresher=uac", "timer"),
            ("", None, "1800;refresher=uas", None),
            ("Session-Expires: 30\r\n", None, "90;refresher=uas", None),
            ("Supported: timer\r\n", NEVER, None, None),
            ("", NEVER, None, None),
        ],
    )  # fmt: skip
    def test_what_we_answer(
        self, extra: str, options: PeerOptions | None, expires: str | None, require: str | None
    ) -> None:
        answer = answered(extra, options)
        assert answer.headers.get("Session-Expires") == expires
        assert answer.headers.get("Require") == require
        assert answer.headers["Supported"] == "timer, 100rel"

    def test_too_small(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, extra="Supported: timer\r\nSession-Expires: 60\r\n")
        assert wire.take_response(422).headers["Min-SE"] == "90"

    @pytest.mark.parametrize("line", ["Session-Expires: x", "Session-Expires: 99999999999", "Min-SE: -1"])
    def test_broken(self, line: str) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, extra=f"{line}\r\n")
        assert wire.statuses() == [400]

    def test_required_and_lacking(self) -> None:
        wire = Wire(options=PeerOptions(timer_required=True))
        wire.request("INVITE", 1, body=SDP)
        assert wire.take_response(421).headers["Require"] == "timer"
        wire.request("INVITE", 1, body=SDP, call_id="b", extra="Supported: timer\r\n")
        assert wire.statuses() == [100]

    def test_nobody_refreshes(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call(extra=THEIRS)
        wire.wait(567)
        assert wire.take() == []
        bye = wait_for(wire, "BYE")
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.SESSION_EXPIRED)
        assert bye.headers["Reason"] == 'SIP;cause=408;text="session not refreshed"'
        wire.respond(bye, 200)
        assert wire.events() == []
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_a_refresh_by_update_or_reinvite_starts_anew(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call(extra=THEIRS)
        wire.wait(400)
        wire.request("UPDATE", 2, to_tag=tag, extra=THEIRS)
        assert wire.take_response(200).headers["Session-Expires"] == "600;refresher=uac"
        wire.wait(400)
        wire.request("INVITE", 3, to_tag=tag, body=SDP, extra=THEIRS)
        wire.event(ReinviteReceived)
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        answer = wire.take_response(200)
        assert (answer.headers["Session-Expires"], answer.headers["Require"]) == (
            "600;refresher=uac",
            "timer",
        )
        wire.request("ACK", 3, to_tag=tag)
        wire.event(AckReceived)
        wire.wait(400)
        assert wire.events() == []

    def test_a_refresh_that_says_nothing_keeps_the_interval(self) -> None:
        wire = Wire()
        _, tag = wire.in_call(extra=THEIRS)
        wire.request("UPDATE", 2, to_tag=tag)
        assert wire.take_response(200).headers["Session-Expires"] == "600;refresher=uas"

    def test_a_refresh_that_says_nothing_ends_a_timer_that_only_they_wanted(self) -> None:
        wire = Wire(options=NEVER)
        _, tag = wire.in_call(extra=THEIRS)
        wire.request("UPDATE", 2, to_tag=tag)
        assert "Session-Expires" not in wire.take_response(200).headers
        wire.wait(7200)
        assert wire.events() == []

    def test_a_silent_peer_is_refreshed_by_us(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call(extra="Allow: INVITE\r\n")
        wire.wait(899)
        assert wire.take() == []
        refresh = wait_for(wire, "INVITE")
        assert refresh.body == SDP
        assert refresh.headers["Session-Expires"] == "1800;refresher=uac"
        wire.respond(refresh, 200, body=SDP)
        assert wire.take_request("ACK").cseq == (refresh.cseq[0], "ACK")
        # What it answers is not what it had offered: the owner is told once.
        assert wire.events() == []
        wire.respond(refresh, 200, body=SDP)
        assert wire.statuses() == ["ACK"]
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_no_refresh_before_the_ack(self) -> None:
        wire = Wire(options=PeerOptions(session_expires_s=8, min_se_s=8))
        leg_id, tag, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.wait(9)
        assert {each.status for each in wire.take() if isinstance(each, Response)} == {200}
        assert wire.events() == []
        wire.request("ACK", 1, to_tag=tag)
        wire.event(AckReceived)
        wire.wait(2)
        wire.event(LegFailed)


class TestCalling:
    def test_what_we_ask_for(self) -> None:
        wire = Wire(options=PeerOptions(session_expires_s=60, timer_required=True, reliable_required=True))
        _, invite = wire.calling()
        headers = invite.headers
        assert (headers["Supported"], headers["Require"]) == ("timer, 100rel", "timer, 100rel")
        assert (headers["Session-Expires"], headers["Min-SE"]) == ("90", "90")

    def test_never_asked_but_honoured(self) -> None:
        wire = Wire(options=NEVER)
        leg_id, invite = wire.calling()
        assert "Session-Expires" not in invite.headers
        assert "timer" in invite.headers["Supported"]
        wire.respond(invite, 200, body=SDP, extra="Session-Expires: 600;refresher=uas\r\n")
        wire.event(LegAnswered)
        wire.wait(569)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.SESSION_EXPIRED)

    def test_never_asked_and_not_offered(self) -> None:
        wire, _ = refreshing("", NEVER)
        wire.wait(7200)
        assert wire.take() == []
        assert wire.stack.next_deadline() is None

    @pytest.mark.parametrize(("said", "interval"), [("1", 4), ("x", 600)])
    def test_strange_answers(self, said: str, interval: int) -> None:
        wire, _ = refreshing(f"Session-Expires: {said}\r\n{UPDATES}")
        wire.wait(interval / 2 - 0.1)
        assert wire.take() == []
        wire.wait(0.2)
        assert wire.statuses() == ["UPDATE"]

    def test_422_is_met(self) -> None:
        wire = Wire(options=PeerOptions(session_expires_s=600))
        leg_id, invite = wire.calling()
        wire.respond(invite, 180)
        wire.respond(invite, 422, extra="Min-SE: 1200\r\n")
        ack, again = wire.take()
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        assert (again.cseq, again.call_id, again.to.tag) == ((2, "INVITE"), invite.call_id, None)
        assert (again.headers["Session-Expires"], again.headers["Min-SE"]) == ("1200", "1200")
        wire.events()
        wire.respond(again, 180)
        wire.respond(again, 200, body=SDP, extra="Session-Expires: 1200;refresher=uac\r\n")
        assert isinstance(wire.events()[-1], LegAnswered)
        assert wire.take_request("ACK").cseq == (2, "ACK")
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").cseq == (3, "BYE")

    @pytest.mark.parametrize("line", ["", "Min-SE: x\r\n", "Min-SE: 600\r\n"])
    def test_422_that_asks_for_nothing_more_is_a_refusal(self, line: str) -> None:
        wire = Wire(options=PeerOptions(session_expires_s=600))
        leg_id, invite = wire.calling()
        wire.respond(invite, 422, extra=line)
        refused = wire.event(LegRefused)
        assert (refused.leg_id, refused.status) == (leg_id, 422)

    def test_422_after_we_gave_up_is_a_refusal(self) -> None:
        wire = Wire(options=PeerOptions(session_expires_s=600))
        leg_id, invite = wire.calling()
        wire.respond(invite, 180)
        wire.stack.cancel(leg_id, wire.now)
        wire.events()
        wire.respond(invite, 422, extra="Min-SE: 1200\r\n")
        assert wire.event(LegRefused).status == 422


class TestRefresh:
    def test_by_update(self) -> None:
        wire, leg_id = refreshing()
        for _ in range(3):
            wire.wait(299)
            assert wire.take() == []
            update = wait_for(wire, "UPDATE")
            assert update.body == b""
            assert update.headers["Session-Expires"] == "600;refresher=uac"
            wire.respond(update, 200, extra=OURS)
        assert wire.events() == []
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_the_peer_may_take_over(self) -> None:
        wire, leg_id = refreshing()
        wire.respond(wait_for(wire, "UPDATE"), 200, extra="Session-Expires: 600;refresher=uas\r\n")
        wire.wait(567)
        assert wire.take() == []
        wire.wait(2)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.SESSION_EXPIRED)

    def test_our_own_update_says_who_refreshes(self) -> None:
        wire, leg_id = refreshing("Session-Expires: 600;refresher=uas\r\n")
        wire.stack.update(leg_id, OTHER, wire.now)
        assert wire.take_request("UPDATE").headers["Session-Expires"] == "600;refresher=uas"

    def test_by_reinvite_where_update_is_not_allowed(self) -> None:
        wire, leg_id = refreshing(OURS)
        refresh = wait_for(wire, "INVITE")
        assert refresh.body == SDP
        assert refresh.headers["Supported"] == "timer"
        wire.respond(refresh, 100)
        wire.respond(refresh, 200, body=SDP, extra=OURS)
        assert wire.statuses() == ["ACK"]
        assert wire.events() == []
        wire.respond(wait_for(wire, "INVITE"), 200, body=OTHER, extra=OURS)
        assert wire.event(ReinviteCompleted) == ReinviteCompleted(leg_id, 200, OTHER)

    def test_what_was_offered_last_is_offered_again(self) -> None:
        wire, leg_id = refreshing(OURS)
        wire.stack.reinvite(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("INVITE"), 200, body=SDP, extra=OURS)
        wire.take()
        assert wait_for(wire, "INVITE").body == OTHER

    @pytest.mark.parametrize("status", [405, 501, 500])
    def test_update_refused_then_reinvite(self, status: int) -> None:
        wire, _ = refreshing()
        wire.respond(wait_for(wire, "UPDATE"), status)
        refresh = wait_for(wire, "INVITE")
        wire.respond(refresh, 200, body=SDP, extra=OURS)
        wire.take()
        assert wait_for(wire, "INVITE").body == SDP

    def test_glare(self) -> None:
        wire, _ = refreshing()
        wire.respond(wait_for(wire, "UPDATE"), 491)
        wire.wait(2.0)
        assert wire.take() == []
        wire.wait(2.1)
        assert set(wire.statuses()) == {"UPDATE"}

    def test_a_larger_interval_is_wanted(self) -> None:
        wire, _ = refreshing()
        wire.respond(wait_for(wire, "UPDATE"), 422, extra="Min-SE: 900\r\n")
        again = wait_for(wire, "UPDATE")
        assert again.headers["Session-Expires"] == "900;refresher=uac"

    def test_a_larger_interval_is_wanted_of_a_reinvite(self) -> None:
        wire, _ = refreshing(OURS)
        wire.respond(wait_for(wire, "INVITE"), 422, extra="Min-SE: 900\r\n")
        ack, again = wire.take()
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        assert again.headers["Session-Expires"] == "900;refresher=uac"
        assert again.to.tag == "theirs"
        wire.respond(again, 200, body=SDP, extra=OURS)
        assert wire.events() == []

    @pytest.mark.parametrize("allow", [UPDATES, ""])
    @pytest.mark.parametrize("status", [408, 481])
    def test_the_peer_no_longer_knows_the_call(self, allow: str, status: int) -> None:
        wire, leg_id = refreshing(OURS + allow)
        wire.respond(wait_for(wire, "UPDATE" if allow else "INVITE"), status)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.PEER_GONE)
        bye = wire.take_request("BYE")
        assert bye.headers["Reason"] == 'SIP;cause=408;text="session refresh not answered"'

    def test_silence(self) -> None:
        wire, leg_id = refreshing()
        wire.wait(340)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.PEER_GONE)
        wire.wait(100)
        assert wire.stack.is_idle()

    def test_refused_until_it_expires(self) -> None:
        wire, leg_id = refreshing(OURS)
        events: list[SipEvent] = []
        refused = 0
        while not events:
            wire.wait(1)
            for message in wire.take():
                if isinstance(message, Request) and message.method == "INVITE":
                    wire.respond(message, 500)
                    refused += 1
            events = wire.events()
        assert events == [LegFailed(leg_id, LegFailure.SESSION_EXPIRED)]
        assert 25 <= refused <= 31
        assert 600 <= wire.now <= 602

    def test_a_refusal_shows_that_a_peer_without_timers_is_there(self) -> None:
        wire, leg_id = refreshing("")
        for _ in range(3):
            wire.respond(wait_for(wire, "INVITE"), 488)
            wire.take()
        assert wire.events() == []
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_it_waits_for_what_is_under_way(self) -> None:
        wire, leg_id = refreshing()
        wire.wait(299)
        wire.stack.reinvite(leg_id, OTHER, wire.now)
        invite = wire.take_request("INVITE")
        wire.respond(invite, 100)
        wire.wait(10)
        assert wire.take() == []
        wire.respond(invite, 488)
        wire.event(ReinviteCompleted)
        wire.take()
        wire.wait(2)
        assert set(wire.statuses()) == {"UPDATE"}

    def test_it_waits_for_a_late_ack_of_ours(self) -> None:
        wire = Wire(options=PeerOptions(session_expires_s=600))
        leg_id, invite = wire.calling(None)
        wire.respond(invite, 200, body=SDP, extra=OURS)
        wire.wait(310)
        assert wire.take() == []
        wire.stack.ack(leg_id, OTHER, wire.now)
        wire.take()
        assert wait_for(wire, "INVITE").body == OTHER

    @pytest.mark.parametrize("allow", [UPDATES, ""])
    def test_the_call_ends_meanwhile(self, allow: str) -> None:
        wire, leg_id = refreshing(OURS + allow)
        refresh = wait_for(wire, "UPDATE" if allow else "INVITE")
        wire.stack.bye(leg_id, wire.now)
        wire.take()
        wire.respond(refresh, 200, body=SDP)
        assert wire.events() == []

    def test_a_lost_connection_is_opened_anew(self) -> None:
        wire, _ = refreshing(flow=TCP)
        wait_for(wire, "UPDATE")
        wire.stack.connection_lost(TCP, wire.now)
        wire.wait(3)
        assert wire.statuses() == ["UPDATE"]
        assert wire.flows == [Flow(Transport.TCP, TCP.remote)]

    def test_a_peer_that_cannot_be_reached(self) -> None:
        wire, leg_id = refreshing()
        wait_for(wire, "UPDATE")
        wire.stack.connection_lost(wire.flow, wire.now)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.TRANSPORT_FAILED)

    def test_an_unanswered_reinvite_of_theirs_is_settled_first(self) -> None:
        wire = Wire(config())
        leg_id, tag = wire.in_call(extra=THEIRS)
        wire.wait(560)
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.event(ReinviteReceived)
        wire.take()
        wire.wait(10)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.SESSION_EXPIRED)
        assert wire.statuses()[:2] == [487, "BYE"]


def test_a_timer_ends_with_its_call() -> None:
    wire = Wire()
    wire.request("INVITE", 1, body=SDP, extra=THEIRS)
    leg_id = wire.event(InviteReceived).leg_id
    wire.stack.answer(leg_id, SDP, wire.now)
    wire.request("ACK", 1, to_tag=wire.stack.leg(leg_id).local_tag)
    wire.request("BYE", 2, to_tag=wire.stack.leg(leg_id).local_tag)
    wire.wait(64)
    assert wire.stack.is_idle()
    assert wire.stack.next_deadline() is None
