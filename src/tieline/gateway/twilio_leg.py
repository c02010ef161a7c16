"""The caller's leg of a Twilio call while a media stream carries it, and while none does: during a transfer.

A call that came by `<Dial><Sip>` gets such a leg too, once Twilio has taken it back for a transfer: fails that, the
caller returns by a media stream, to the same call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from tieline.gateway.dialog_text import Header, LegFacts
from tieline.gateway.leg import GatewayLeg, GatewayState
from tieline.gateway.rtp_end import RtpEnd
from tieline.gateway.twilio_wire import StreamWire
from tieline.sdp.negotiation import accept_answer, offer
from tieline.sip.events import ReinviteReceived, SipEvent


class LegOwner(Protocol):
    """What a leg tells of what its call does."""

    def on_leg_rejected(self, status: int) -> None:
        """The call was refused."""
        ...

    def on_leg_ended(self) -> None:
        """The agent, or whoever it gave the caller to, has ended the call."""
        ...

    def on_leg_over(self) -> None:
        """The call has let go of its leg."""
        ...


class TwilioLeg(GatewayLeg):
    """`wire` is None while no stream carries it: then the caller hears Twilio, and says nothing to us."""

    def __init__(
        self,
        facts: LegFacts,
        host: str,
        tell: Callable[[SipEvent], None],
        owner: LegOwner,
        wire: StreamWire | None = None,
    ) -> None:
        self.wire = wire
        self._host = host
        self._owner = owner
        self._end = RtpEnd(host, self._on_audio, self._on_digit)
        self._renewed = b""
        super().__init__(facts, self._end, tell)

    def stand_in(self, leg_id: int) -> None:
        """Carry a leg from now on that SIP has brought and whose dialog is over; its call is up."""
        self.id = leg_id
        self.state = GatewayState.ANSWERED
        self._renewed = offer(self._end.local)

    def resume(self, wire: StreamWire) -> None:
        """A stream carries the leg again. A call that SIP has brought is offered this way for its audio."""
        self.wire = wire
        if self._renewed:
            self._note(
                "in", self._text.request("INVITE", ours=False, body=self._renewed, kind="application/sdp")
            )
            self._tell(ReinviteReceived(self.id, self._renewed))

    def park(self) -> None:
        """No stream carries the leg any more."""
        self.wire = None
        self._end.forget()

    def feed(self, pcmu: bytes) -> None:
        """The caller speaks."""
        self._end.feed(pcmu)

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """The call takes its audio from this leg."""
        self._note("out", self._text.response(200, "INVITE", ours=True, body=sdp))
        media = accept_answer(self._renewed, sdp)
        # What stands in the answer is for peers elsewhere; the media process is at home, on this host.
        self._end.connect(replace(media, remote=(self._host, media.remote[1])))
        self._renewed = b""

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """The call wants encryption, which there is none of on this way: it cannot go on."""
        self._note("out", self._text.response(status, "INVITE", ours=True))
        self._log.error("the caller cannot come back by a media stream", status=status)
        self.fail()

    def on_rejected(self, status: int, phrase: str) -> None:
        """Twilio is asked to let the call go on elsewhere."""
        self._owner.on_leg_rejected(status)

    def on_bye(self, headers: Sequence[Header], reason: str | None) -> None:
        """The call is to end, once the caller has heard what was said."""
        self._owner.on_leg_ended()

    def on_refer(self, refer_to: str, headers: Sequence[Header]) -> None:
        """Asked for by the owner alone, which answers."""

    def on_over(self) -> None:
        """Nothing follows."""
        self._owner.on_leg_over()

    def _on_audio(self, pcmu: bytes) -> None:
        if self.wire is not None:
            self.wire.audio(pcmu)

    def _on_digit(self, digit: str) -> None:
        """A key that another leg presses: Twilio's streams carry none towards the caller."""
