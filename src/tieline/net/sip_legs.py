"""The verbs of a call's leg, carried out by the endpoint's stack at once.

A verb can come too late: the peer gave up, or its transport broke, and the event that says so is still on its way
to the call. That is no fault of the caller of the verb; it is logged and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tieline.errors import TielineError
from tieline.model.trunk import Trunk
from tieline.net.dialogs import write_dialog
from tieline.net.sip_endpoint import SipEndpoint
from tieline.observe.logging import get_logger
from tieline.sip.config import PeerOptions
from tieline.sip.errors import HeaderRefused, UnknownLeg, WrongState
from tieline.sip.events import Flow
from tieline.sip.leg import TraceEntry
from tieline.sip.stack import SipStack

Header = tuple[str, str]

TrunkOptions = Callable[[Flow, Trunk | None], PeerOptions]
"""How to speak to the peer at the other end of a flow, as the given trunk's."""


class SipLegs:
    """Implements `tieline.calls.ports.SipPort` on a running endpoint.

    `options_of` says how a trunk's peer is spoken to; without it each is spoken to as its address says.
    """

    def __init__(self, endpoint: SipEndpoint, options_of: TrunkOptions | None = None) -> None:
        self._endpoint = endpoint
        self._options_of = options_of
        self._log = get_logger("sip")

    def _act(self, verb: Callable[[SipStack, float], None]) -> bool:
        try:
            self._endpoint.act(verb)
        except (WrongState, UnknownLeg) as error:
            self._log.debug("= verb came too late", detail=error.message)
            return False
        return True

    def ring(self, leg_id: int) -> None:
        """Send 180."""
        self._act(lambda stack, now: stack.ring(leg_id, now))

    def answer(self, leg_id: int, sdp: bytes) -> None:
        """Send 200 with SDP."""
        self._act(lambda stack, now: stack.answer(leg_id, sdp, now))

    def reject(
        self, leg_id: int, status: int, phrase: str | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """Send a final refusal."""
        self._act(lambda stack, now: stack.reject(leg_id, status, now, phrase, headers))

    def bye(self, leg_id: int, headers: Sequence[Header] = (), reason: str | None = None) -> bool:
        """End the leg; False when it is over already.

        A header that the stack refuses must not keep a caller in the call: the BYE then goes without headers.
        """
        try:
            return self._act(lambda stack, now: stack.bye(leg_id, now, headers, reason))
        except HeaderRefused as error:
            self._log.error("headers of a BYE refused, sent without", name=error.name, why=error.why)
            return self._act(lambda stack, now: stack.bye(leg_id, now))

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """Answer a re-INVITE."""
        self._act(lambda stack, now: stack.accept_reinvite(leg_id, sdp, now))

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """Refuse a re-INVITE."""
        self._act(lambda stack, now: stack.reject_reinvite(leg_id, status, now))

    def refer(
        self, leg_id: int, refer_to: str, headers: Sequence[Header] = (), referred_by: str | None = None
    ) -> bool:
        """Ask the peer to call somebody else; False when the leg is over or a REFER is under way.

        Raises `HeaderRefused` and `WrongArgument`.
        """
        return self._act(lambda stack, now: stack.refer(leg_id, refer_to, now, headers, referred_by))

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
        """Call somebody; the new leg's number. Raises `HeaderRefused` and `WrongArgument`."""
        options = self._options(flow, trunk)
        return self._endpoint.act(
            lambda stack, now: stack.invite(flow, uri, from_, to, sdp, now, headers, options=options)
        )

    def cancel(self, leg_id: int) -> None:
        """Give up a call that was not answered yet."""
        self._act(lambda stack, now: stack.cancel(leg_id, now))

    def reinvite(self, leg_id: int, sdp: bytes) -> bool:
        """Offer new session parameters; False when the leg is over or another INVITE is under way."""
        return self._act(lambda stack, now: stack.reinvite(leg_id, sdp, now))

    def accept_update(self, leg_id: int, sdp: bytes) -> None:
        """Answer an UPDATE."""
        self._act(lambda stack, now: stack.accept_update(leg_id, sdp, now))

    def reject_update(self, leg_id: int, status: int) -> None:
        """Refuse an UPDATE."""
        self._act(lambda stack, now: stack.reject_update(leg_id, status, now))

    def options(self, flow: Flow, uri: str, trunk: Trunk | None = None) -> int:
        """Ping a peer. Raises `WrongArgument`."""
        options = self._options(flow, trunk)
        return self._endpoint.act(lambda stack, now: stack.options(flow, uri, now, options))

    def register(
        self, flow: Flow, registrar: str, aor: str, user: str, expires_s: int, trunk: Trunk | None = None
    ) -> int:
        """Register or refresh, with 0 take back. Raises `WrongArgument` and `RegisterPending`."""
        options = self._options(flow, trunk)
        return self._endpoint.act(
            lambda stack, now: stack.register(flow, registrar, aor, user, expires_s, now, options)
        )

    def _options(self, flow: Flow, trunk: Trunk | None) -> PeerOptions | None:
        if trunk is None or self._options_of is None:
            return None
        return self._options_of(flow, trunk)

    def dialog(self, leg_id: int) -> str | None:
        """What a later process needs to end the leg's call; None when there is nothing to end."""
        try:
            dialog = self._endpoint.stack.dialog(leg_id)
        except UnknownLeg:
            return None
        return None if dialog is None else write_dialog(dialog)

    def call_id_of(self, leg_id: int) -> str:
        """The leg's Call-ID; empty for one that the stack does not know."""
        try:
            return self._endpoint.stack.leg(leg_id).sip_call_id
        except UnknownLeg:
            return ""

    def trace(self, leg_id: int) -> list[TraceEntry]:
        """The leg's messages so far; none of one that the stack does not know."""
        try:
            return list(self._endpoint.stack.leg_trace(leg_id))
        except UnknownLeg:
            return []

    def take_trace(self, leg_id: int) -> list[TraceEntry]:
        """The leg's messages; the stack may then let go of it."""
        trace = self._endpoint.stack.leg_trace(leg_id)
        try:
            self._endpoint.stack.forget(leg_id)
        except TielineError as error:
            self._log.warning("= leg not over when its call was", detail=error.message)
        return trace
