"""A call that outlived its process: the next one can still end it."""

from __future__ import annotations

import pytest

from tieline.sip.config import SipConfig
from tieline.sip.errors import UnknownLeg, WrongArgument
from tieline.sip.events import ByeCompleted, ByeReceived, InviteReceived, Transport
from tieline.sip.resume import CSEQ_GAP, DialogRecord
from tieline.sip.stack import SipStack
from tieline.testing.loopback import Endpoint, Loopback, SeededIds

SDP = b"v=0"


class Story:
    """A peer calls a server; the server's process is lost."""

    def __init__(self, transport: Transport = Transport.UDP) -> None:
        self.network = Loopback()
        self.peer = self.network.add("192.0.2.2")
        self.server = self.network.add("192.0.2.1")
        flow = self.network.flow(self.peer, self.server, transport)
        target = "sip:x@192.0.2.1"
        self.peer_leg = self.peer.stack.invite(
            flow, target, "<sip:a@b>", f"<{target}>", SDP, self.network.now
        )
        self.network.run_for(0.1)
        event = next(e for e in self.network.take(self.server) if isinstance(e, InviteReceived))
        self.leg = event.leg_id

    def answer(self) -> DialogRecord:
        record = self.server.stack.dialog(self.leg)
        assert record is not None
        self.server.stack.answer(self.leg, SDP, self.network.now)
        self.network.run_for(0.1)
        self.network.take(self.server)
        return record

    def restart(self) -> Endpoint:
        """Another stack at the same address, which knows nothing."""
        address = self.server.address
        config = SipConfig(advertised={Transport.UDP: address, Transport.TCP: address})
        self.server.stack = SipStack(config, SeededIds("another"))
        return self.server


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_resumed_dialog_can_be_ended(transport: Transport) -> None:
    story = Story(transport)
    record = story.answer()
    server = story.restart()
    leg = server.stack.resume(record)
    server.stack.bye(leg, story.network.now, reason='Q.850;cause=41;text="restarted"')
    story.network.run_for(1.0)
    assert ByeCompleted(leg, 200) in story.network.take(server)
    (heard,) = [event for event in story.network.take(story.peer) if isinstance(event, ByeReceived)]
    assert heard.headers["reason"] == 'Q.850;cause=41;text="restarted"'
    assert b"CSeq: %d BYE" % (CSEQ_GAP + 1) in server.sent[-1]
    story.network.run_for(100.0)
    assert server.stack.is_idle()


def test_a_bye_of_the_peers_reaches_a_resumed_dialog() -> None:
    story = Story()
    record = story.answer()
    leg = story.restart().stack.resume(record)
    story.peer.stack.bye(story.peer_leg, story.network.now)
    story.network.run_for(1.0)
    assert [type(event) for event in story.network.take(story.server)] == [ByeReceived]
    assert leg not in story.server.stack.leg_ids()


def test_a_dialog_is_resumed_once() -> None:
    story = Story()
    record = story.answer()
    with pytest.raises(WrongArgument):
        story.server.stack.resume(record)


def test_there_is_no_dialog_before_the_other_side_has_a_tag() -> None:
    network = Loopback()
    us = network.add("192.0.2.1")
    flow = network.flow(us, network.add("192.0.2.2"))
    leg = us.stack.invite(flow, "sip:x@192.0.2.2", "<sip:a@b>", "<sip:x@192.0.2.2>", SDP, 0.0)
    assert us.stack.dialog(leg) is None
    with pytest.raises(UnknownLeg):
        us.stack.dialog(99)
