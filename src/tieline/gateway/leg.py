"""A leg that no SIP brought: the verbs of a leg, what they mean to whoever brought the call, and its ladder.

A subclass knows the other side. It is told what the call does through the `on_...` hooks, and tells what happens there
by `hang_up`, `fail`, `press`, `answer_refer` and `notify`. Facts reach the call in a later turn of the event loop,
never inside the verb that brought them about, as those of the SIP stack do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from tieline.errors import InvalidInput, Unavailable
from tieline.gateway.dialog_text import MAX_HEADERS, DialogText, LegFacts
from tieline.model.machine import Machine, Table
from tieline.model.trunk import Trunk
from tieline.observe.logging import get_logger
from tieline.sdp.negotiation import LocalMedia, NegotiatedMedia, accept_answer, offer, reanswer
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    Flow,
    InviteCancelled,
    InviteReceived,
    LegFailed,
    LegFailure,
    NotifyReceived,
    ReferCompleted,
    ReinviteCompleted,
    SipEvent,
    Transport,
)
from tieline.sip.header_rules import header_lines
from tieline.sip.leg import TraceEntry
from tieline.sip.message import Headers
from tieline.sip.phrases import phrase_of

Header = tuple[str, str]

SIPFRAG = "message/sipfrag;version=2.0"
"""What a NOTIFY tells of a transfer in (RFC 3515 section 2.4.5)."""


class GatewayState(StrEnum):
    """Where a leg is."""

    OFFERED = "offered"
    ANSWERED = "answered"
    ENDED = "ended"


class GatewayStep(StrEnum):
    """What moves a leg. ANSWER, REJECT and BYE are the call's doing, the others that of the other side."""

    ANSWER = "answer"
    REJECT = "reject"
    BYE = "bye"
    CANCEL = "cancel"
    PEER_BYE = "peer_bye"
    FAIL = "fail"


GATEWAY: Table[GatewayState, GatewayStep] = {
    GatewayState.OFFERED: {
        GatewayStep.ANSWER: GatewayState.ANSWERED,
        GatewayStep.REJECT: GatewayState.ENDED,
        GatewayStep.CANCEL: GatewayState.ENDED,
        GatewayStep.FAIL: GatewayState.ENDED,
    },
    GatewayState.ANSWERED: {
        GatewayStep.BYE: GatewayState.ENDED,
        GatewayStep.PEER_BYE: GatewayState.ENDED,
        GatewayStep.FAIL: GatewayState.ENDED,
    },
    GatewayState.ENDED: {},
}
"""Every step that counts; what is not listed comes too late and does nothing."""


class AudioEnd(Protocol):
    """The other end of the leg's RTP, see `tieline.gateway.rtp_end`."""

    @property
    def local(self) -> LocalMedia:
        """What the leg's SDP says."""
        ...

    def connect(self, media: NegotiatedMedia) -> None:
        """Send and hear as negotiated, from now on."""
        ...

    def press(self, digits: str) -> None:
        """Press keys."""
        ...

    def close(self) -> None:
        """Give the port back."""
        ...


class GatewayLeg(Machine[GatewayState, GatewayStep]):
    """Implements `tieline.calls.ports.SipPort` for one call. `tell` is given its events (`CallRegistry.on_event`).

    `id` is set when the call is brought in. `over` is done once the call has let go of the leg: nothing follows.
    """

    def __init__(self, facts: LegFacts, audio: AudioEnd, tell: Callable[[SipEvent], None]) -> None:
        self.id = 0
        self.facts = facts
        self.audio = audio
        super().__init__(GATEWAY, GatewayState.OFFERED)
        self._tell_call = tell
        self._text = DialogText(facts)
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._flow = Flow(Transport.UDP, facts.remote)
        self._trace: list[TraceEntry] | None = []
        self._sdp = b""
        self._referring = False
        self._log = get_logger("gateway").bind(sip_call_id=facts.sip_call_id)

    # -- what a subclass is told ------------------------------------------------------------------------------

    def on_ringing(self) -> None:
        """The call is being set up."""

    def on_answered(self) -> None:
        """The call is up, and audio flows."""

    def on_rejected(self, status: int, phrase: str) -> None:
        """The call was refused."""

    def on_bye(self, headers: Sequence[Header], reason: str | None) -> None:
        """The call has ended the leg; what was said has been heard by `audio`."""

    def on_refer(self, refer_to: str, headers: Sequence[Header]) -> None:
        """The call wants the caller to be somebody else's. Owed: `answer_refer`, and after a 2xx `notify`."""
        self.answer_refer(603)

    def on_over(self) -> None:
        """The call is over and has let go of the leg."""

    # -- what the other side does -----------------------------------------------------------------------------

    def offered(self) -> InviteReceived:
        """What stands for the INVITE. Once. Raises `HeaderRefused` when a header cannot be one."""
        self._sdp = offer(self.audio.local)
        request, written = self._text.invite(self._sdp)
        self._note("in", written)
        self._note("out", self._text.response(100, "INVITE", ours=True))
        return InviteReceived(self.id, self._flow, request)

    def hang_up(self, headers: Sequence[Header] = ()) -> bool:
        """The other side ends the call, or gives up before the answer. False when the leg is over already."""
        if self._moves(GatewayStep.CANCEL):
            self._note("in", self._text.request("CANCEL", ours=False, headers=headers))
            self._note("out", self._text.response(200, "CANCEL", ours=True))
            self._note("out", self._text.response(487, "INVITE", ours=True))
            self._note("in", self._text.request("ACK", ours=False))
            self._tell(InviteCancelled(self.id, Headers(headers)))
            return True
        if not self._moves(GatewayStep.PEER_BYE):
            return False
        self._note("in", self._text.request("BYE", ours=False, headers=headers))
        self._note("out", self._text.response(200, "BYE", ours=True))
        self._tell(ByeReceived(self.id, Headers(headers)))
        return True

    def fail(self, failure: LegFailure = LegFailure.TRANSPORT_FAILED) -> bool:
        """The way to the other side is broken. False when the leg is over already."""
        if not self._moves(GatewayStep.FAIL):
            return False
        self._tell(LegFailed(self.id, failure))
        return True

    def press(self, digits: str) -> None:
        """The other side presses keys: they go to the call as telephone-events."""
        if self.state is GatewayState.ANSWERED:
            self.audio.press(digits)

    def answer_refer(self, status: int, phrase: str = "") -> None:
        """The final answer to the call's wish to give the caller away; after a 2xx `notify` is owed."""
        if self._referring:
            self._referring = False
            phrase = phrase or phrase_of(status)
            self._note("in", self._text.response(status, "REFER", ours=False, phrase=phrase))
            self._tell(ReferCompleted(self.id, status, phrase))

    def notify(self, status: int, phrase: str = "") -> None:
        """How the transfer goes: a final status ends it. May come after the leg is over."""
        phrase = phrase or phrase_of(status)
        ended = status >= 200
        subscription = "terminated;reason=noresource" if ended else "active;expires=60"
        body = f"SIP/2.0 {status} {phrase}\r\n".encode()
        headers = (("Event", "refer"), ("Subscription-State", subscription))
        self._note("in", self._text.request("NOTIFY", ours=False, headers=headers, body=body, kind=SIPFRAG))
        self._note("out", self._text.response(200, "NOTIFY", ours=True))
        word = subscription.partition(";")[0]
        self._tell(NotifyReceived(self.id, status, phrase, word, body))

    # -- the verbs of the call --------------------------------------------------------------------------------

    def ring(self, _leg_id: int) -> None:
        """180."""
        if self.state is GatewayState.OFFERED:
            self._note("out", self._text.response(180, "INVITE", ours=True))
            self.on_ringing()

    def answer(self, _leg_id: int, sdp: bytes) -> None:
        """200; the ACK follows."""
        if not self._moves(GatewayStep.ANSWER):
            return
        self._note("out", self._text.response(200, "INVITE", ours=True, body=sdp))
        self._note("in", self._text.request("ACK", ours=False))
        self.audio.connect(accept_answer(self._sdp, sdp))
        self.on_answered()
        self._tell(AckReceived(self.id, b""))

    def reject(
        self, _leg_id: int, status: int, phrase: str | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """A final refusal."""
        if not self._moves(GatewayStep.REJECT):
            return
        phrase = phrase or phrase_of(status)
        self._note("out", self._text.response(status, "INVITE", ours=True, phrase=phrase, headers=headers))
        self._note("in", self._text.request("ACK", ours=False))
        self.on_rejected(status, phrase)

    def bye(self, _leg_id: int, headers: Sequence[Header] = (), reason: str | None = None) -> bool:
        """End the leg; False when it is over already. Headers that could not be sent by SIP are left out here too."""
        if not self._moves(GatewayStep.BYE):
            return False
        try:
            header_lines(headers, MAX_HEADERS)
        except InvalidInput as error:
            self._log.error("headers of a BYE refused, shown without", detail=error.message)
            headers = ()
        shown = [*headers, *([("Reason", reason)] if reason else [])]
        self._note("out", self._text.request("BYE", ours=True, headers=shown))
        self._note("in", self._text.response(200, "BYE", ours=False))
        self.on_bye(headers, reason)
        self._tell(ByeCompleted(self.id, 200))
        return True

    def refer(
        self, _leg_id: int, refer_to: str, headers: Sequence[Header] = (), referred_by: str | None = None
    ) -> bool:
        """Give the caller to somebody else; False when the leg is over or that is under way.

        Raises `HeaderRefused`.
        """
        if self.state is not GatewayState.ANSWERED or self._referring:
            return False
        target = [("Refer-To", refer_to), *([("Referred-By", referred_by)] if referred_by else [])]
        header_lines([*target, *headers], MAX_HEADERS)
        self._note("out", self._text.request("REFER", ours=True, headers=[*target, *headers]))
        self._referring = True
        self.on_refer(refer_to, headers)
        return True

    def reinvite(self, _leg_id: int, sdp: bytes) -> bool:
        """New session parameters: the other end of the RTP takes what is offered."""
        if self.state is not GatewayState.ANSWERED:
            return False
        renewed = reanswer(sdp, self.audio.local, self._sdp)
        self._sdp = renewed.answer
        self._note("out", self._text.request("INVITE", ours=True, body=sdp, kind="application/sdp"))
        self._note("in", self._text.response(200, "INVITE", ours=False, body=renewed.answer))
        self._note("out", self._text.request("ACK", ours=True))
        self.audio.connect(renewed.media)
        self._tell(ReinviteCompleted(self.id, 200, renewed.answer))
        return True

    def trace(self, _leg_id: int) -> list[TraceEntry]:
        """The leg's messages so far."""
        return list(self._trace or ())

    def take_trace(self, _leg_id: int) -> list[TraceEntry]:
        """The leg's messages; nothing is kept afterwards, and nobody speaks on it any more."""
        trace, self._trace = self._trace or [], None
        self.state = GatewayState.ENDED
        self.audio.close()
        if not self.over.done():
            self.over.set_result(None)
            self.on_over()
        return trace

    def dialog(self, _leg_id: int) -> str | None:
        """Nothing: the other side notices by itself when this process is gone."""
        return None

    def call_id_of(self, _leg_id: int) -> str:
        """What the leg's messages have as their Call-ID."""
        return self.facts.sip_call_id

    # -- verbs that no such leg is asked for ------------------------------------------------------------------

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """The other side never renews the session."""

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """The other side never renews the session."""

    def accept_update(self, leg_id: int, sdp: bytes) -> None:
        """The other side never renews the session."""

    def reject_update(self, leg_id: int, status: int) -> None:
        """The other side never renews the session."""

    def cancel(self, leg_id: int) -> None:
        """The leg is one that came in."""

    def invite(
        self,
        flow: Flow,
        uri: str,
        from_: str,
        to: str,
        sdp: bytes,
        headers: Sequence[Header] = (),
        trunk: Trunk | None = None,
    ) -> int:
        """Calls out go by SIP. Raises `Unavailable`."""
        raise Unavailable("this leg calls nobody")

    # -- inside -----------------------------------------------------------------------------------------------

    def _note(self, direction: str, data: bytes) -> None:
        if self._trace is not None:
            self._trace.append(TraceEntry(self._loop.time(), direction, data, self._flow))

    def _tell(self, event: SipEvent) -> None:
        self._loop.call_soon(self._tell_call, event)
