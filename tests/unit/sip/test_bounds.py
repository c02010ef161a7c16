"""A peer that never has enough: what it says of our calls is taken up within bounds."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import PEER, SDP, UDP, Wire
from tieline.model.uui import MAX_UUI, decode_uui
from tieline.sip.config import Admission, Credentials, PeerOptions
from tieline.sip.digest import read_challenges
from tieline.sip.digest_client import DigestSession
from tieline.sip.early import MOST_DIALOGS
from tieline.sip.errors import WrongState
from tieline.sip.events import ByeCompleted, Flow, LegAnswered, LegRefused, StrangerRefused, UpdateCompleted

STRANGER = ("203.0.113.9", 5060)


def test_a_422_that_wants_more_each_time_ends_in_a_refusal() -> None:
    wire = Wire(options=PeerOptions(session_expires_s=600))
    _, invite = wire.calling()
    for least_s in range(601, 609):
        wire.respond(invite, 422, extra=f"Min-SE: {least_s}\r\n")
        invite = wire.take_request("INVITE")
    wire.respond(invite, 422, extra="Min-SE: 1800\r\n")
    assert wire.event(LegRefused).status == 422


def test_answers_of_more_branches_than_we_end() -> None:
    wire = Wire()
    _, invite = wire.calling()
    for number in range(MOST_DIALOGS + 50):
        wire.respond(invite, 200, tag=f"branch-{number}", body=SDP)
    assert isinstance(wire.event(LegAnswered), LegAnswered)
    methods = wire.statuses()
    assert methods.count("BYE") == MOST_DIALOGS
    assert wire.stack.counters.dropped_unmatched == 49
    wire.respond(invite, 200, tag="branch-1", body=SDP)
    assert wire.statuses() == ["ACK"]


def test_realms_without_end_are_forgotten() -> None:
    session = DigestSession(Credentials("trunk", "s3cret"))
    for number in range(100):
        [challenge] = read_challenges([f'Digest realm="r{number}", nonce="n"'])
        session.learn("Authorization", challenge, "c")
    lines = session.lines("INVITE", "sip:a@b", b"")
    assert lines.count("\r\n") == 8
    assert 'realm="r99"' in lines


def test_runs_of_blanks_are_read_in_one_go() -> None:
    # What tries each division of the run would take hours.
    blanks = " \t" * 400_000
    assert read_challenges([f'Digest realm={blanks}"open']) == []
    assert read_challenges([f'Digest realm{blanks}"open']) == []
    assert read_challenges([f'Digest{blanks}realm="a"{blanks},{blanks}nonce="b"']) != []
    decode_uui(f"abc;encoding={' ' * (MAX_UUI - 20)}x y")


def test_a_stranger_ends_nobodys_call() -> None:
    def admit(flow: Flow) -> Admission:
        return Admission.KNOWN if flow.remote == PEER else Admission.REFUSE

    wire = Wire(admit=admit)
    leg_id, tag = wire.in_call()
    wire.flow = Flow(UDP.transport, STRANGER)
    for method in ("BYE", "INVITE", "UPDATE", "NOTIFY", "REFER", "INFO", "CANCEL"):
        wire.request(method, 50, to_tag=tag, body=SDP)
    assert {type(event) for event in wire.events()} <= {StrangerRefused}
    assert wire.stack.leg(leg_id).state == "confirmed"
    wire.flow = UDP
    wire.take()
    wire.request("BYE", 51, to_tag=tag)
    assert 200 in wire.statuses()


@pytest.mark.parametrize("refresh", [False, True])
def test_a_reinvite_that_is_only_ever_tried_ends_with_its_call(refresh: bool) -> None:
    wire = Wire(options=PeerOptions(session_expires_s=90) if refresh else None)
    leg_id = wire.in_our_call()
    if refresh:
        wire.wait(45.1)
    else:
        wire.stack.reinvite(leg_id, SDP, wire.now)
    wire.respond(wire.take_request("INVITE"), 100, tag=None)
    wire.stack.bye(leg_id, wire.now)
    wire.respond(wire.take_request("BYE"), 200)
    assert not wire.stack.is_idle()
    wire.wait(70.0)
    assert wire.stack.is_idle()
    assert {type(event) for event in wire.events()} == {ByeCompleted}


def test_a_422_to_an_update_that_cannot_be_sent_again_now_is_told() -> None:
    wire = Wire(options=PeerOptions(session_expires_s=90))
    leg_id, tag, _ = wire.called(extra="Require: 100rel\r\n")
    wire.stack.ring(leg_id, wire.now, sdp=SDP, status=183)
    rack = f"RAck: {wire.take_response(183).headers['RSeq']} 1 INVITE\r\n"
    wire.request("PRACK", 2, to_tag=tag, extra=rack)
    wire.take()
    wire.events()
    wire.stack.update(leg_id, SDP, wire.now)
    update = wire.take_request("UPDATE")
    wire.stack.ring(leg_id, wire.now)  # waits for its PRACK, and no offer may leave before
    wire.take()
    wire.respond(update, 422, extra="Min-SE: 1800\r\n")
    assert wire.event(UpdateCompleted).status == 422


def test_one_offer_at_a_time() -> None:
    wire = Wire()
    leg_id, _ = wire.in_call()
    wire.stack.update(leg_id, SDP, wire.now)
    with pytest.raises(WrongState):
        wire.stack.reinvite(leg_id, SDP, wire.now)
    wire.respond(wire.take_request("UPDATE"), 200, body=SDP)
    wire.stack.reinvite(leg_id, SDP, wire.now)
    assert wire.statuses() == ["INVITE"]
