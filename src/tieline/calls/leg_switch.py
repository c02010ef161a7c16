"""Which way each leg is spoken to: by SIP, or by what else brought the call (a browser, a media stream)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tieline.calls.ports import Header, SipPort
from tieline.calls.provider import Provider, ProviderCall
from tieline.model.trunk import Trunk
from tieline.sip.events import Flow
from tieline.sip.leg import TraceEntry


class LegSwitch:
    """Implements `SipPort` over several of them, and `Provider`. A leg that nobody has taken is the SIP stack's.

    Legs that no SIP brought get negative numbers, so that they never meet those of the stack.
    """

    def __init__(self, sip: SipPort) -> None:
        self.provider: Provider | None = None
        self._sip = sip
        self._ports: dict[int, SipPort] = {}
        self._numbers = itertools.count(-2, -1)

    def attach(self, port: SipPort) -> int:
        """A new leg that `port` carries; its number."""
        leg_id = next(self._numbers)
        self._ports[leg_id] = port
        return leg_id

    def take_over(self, leg_id: int, port: SipPort) -> None:
        """Let `port` carry a leg from now on, for example one whose transfers go by the provider's own means."""
        self._ports[leg_id] = port

    def detach(self, leg_id: int) -> None:
        """The leg's call is over."""
        self._ports.pop(leg_id, None)

    def call_of(self, leg_id: int, headers: Mapping[str, str]) -> ProviderCall | None:
        """The call at a provider that is behind a leg."""
        return None if self.provider is None else self.provider.call_of(leg_id, headers)

    def _of(self, leg_id: int) -> SipPort:
        return self._ports.get(leg_id, self._sip)

    def ring(self, leg_id: int) -> None:
        """Send 180."""
        self._of(leg_id).ring(leg_id)

    def answer(self, leg_id: int, sdp: bytes) -> None:
        """Answer."""
        self._of(leg_id).answer(leg_id, sdp)

    def reject(
        self, leg_id: int, status: int, phrase: str | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """Refuse."""
        self._of(leg_id).reject(leg_id, status, phrase, headers)

    def bye(self, leg_id: int, headers: Sequence[Header] = (), reason: str | None = None) -> bool:
        """End the leg; False when it is over already."""
        return self._of(leg_id).bye(leg_id, headers, reason)

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """Answer a re-INVITE."""
        self._of(leg_id).accept_reinvite(leg_id, sdp)

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """Refuse a re-INVITE."""
        self._of(leg_id).reject_reinvite(leg_id, status)

    def accept_update(self, leg_id: int, sdp: bytes) -> None:
        """Answer an UPDATE."""
        self._of(leg_id).accept_update(leg_id, sdp)

    def reject_update(self, leg_id: int, status: int) -> None:
        """Refuse an UPDATE."""
        self._of(leg_id).reject_update(leg_id, status)

    def trace(self, leg_id: int) -> Sequence[TraceEntry]:
        """The leg's messages so far."""
        return self._of(leg_id).trace(leg_id)

    def take_trace(self, leg_id: int) -> list[TraceEntry]:
        """The leg's messages, of all who have carried it; it is let go of."""
        trace = self._of(leg_id).take_trace(leg_id)
        if leg_id > 0 and leg_id in self._ports:
            trace = [*self._sip.take_trace(leg_id), *trace]
        self.detach(leg_id)
        return trace

    def refer(
        self, leg_id: int, refer_to: str, headers: Sequence[Header] = (), referred_by: str | None = None
    ) -> bool:
        """Give the caller to somebody else."""
        return self._of(leg_id).refer(leg_id, refer_to, headers, referred_by)

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
        """Call somebody, by SIP."""
        return self._sip.invite(flow, uri, from_, to, sdp, headers, trunk)

    def cancel(self, leg_id: int) -> None:
        """Give up a call that was not answered yet."""
        self._of(leg_id).cancel(leg_id)

    def reinvite(self, leg_id: int, sdp: bytes) -> bool:
        """Offer new session parameters."""
        return self._of(leg_id).reinvite(leg_id, sdp)

    def dialog(self, leg_id: int) -> str | None:
        """What a later process needs to end the leg's call."""
        return self._of(leg_id).dialog(leg_id)

    def call_id_of(self, leg_id: int) -> str:
        """The Call-ID of a leg."""
        return self._of(leg_id).call_id_of(leg_id)
