"""Hold, resume, a new address: what a peer renews is agreed to, and across a bridge offered to the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tieline.calls.leg_media import LegMedia
from tieline.calls.ports import SipPort
from tieline.handoff.policy import Side
from tieline.observe.logging import FilteringBoundLogger
from tieline.sdp.description import SdpError
from tieline.sdp.negotiation import Direction, direction_of
from tieline.sip.events import ReinviteCompleted, ReinviteReceived, UpdateReceived

GLARE = 491
RETRY_S = 2.0
"""How long another offer waits when the leg cannot take one now and nobody said how long."""


def answer_renewal(
    sip: SipPort,
    leg_id: int,
    event: ReinviteReceived | UpdateReceived,
    negotiate: Callable[[bytes], bytes],
    log: FilteringBoundLogger,
) -> bool:
    """Agree to what the peer offers anew, or keep what there was (RFC 3261 section 14.2, RFC 3311); whether it did."""
    update = isinstance(event, UpdateReceived)
    try:
        sdp = negotiate(event.offer)
    except SdpError as error:
        log.info("> 488 to a renewed offer", leg=leg_id, detail=str(error))
        (sip.reject_update if update else sip.reject_reinvite)(leg_id, 488)
        return False
    (sip.accept_update if update else sip.accept_reinvite)(leg_id, sdp)
    return True


@dataclass(slots=True)
class _End:
    """One side of the bridge: `offered` is our direction as it knows it, `pending` that of an offer under way."""

    leg_id: int
    media: LegMedia
    offered: Direction = Direction.SENDRECV
    pending: Direction | None = None
    timer: asyncio.TimerHandle | None = None


class Renewals:
    """The offers of one bridge, one at a time on each leg (RFC 3261 section 14, RFC 3264)."""

    def __init__(
        self, sip: SipPort, legs: Mapping[Side, tuple[int, LegMedia]], log: FilteringBoundLogger
    ) -> None:
        self._sip = sip
        self._ends = {side: _End(leg_id, media) for side, (leg_id, media) in legs.items()}
        self._log = log
        self._loop = asyncio.get_running_loop()

    def on_renewed(self, side: Side) -> None:
        """`side` has renewed its session: let the other one know, where it makes a difference there."""
        agreed = self._ends[side].media.agreed
        if agreed is not None:
            self._ends[side].offered = direction_of(sends=agreed.send, receives=agreed.receive)
        self._offer(Side.CALLEE if side is Side.CALLER else Side.CALLER)

    def on_completed(self, event: ReinviteCompleted) -> None:
        """An offer of ours has its answer."""
        side = next((side for side, end in self._ends.items() if end.leg_id == event.leg_id), None)
        if side is None:
            return
        end = self._ends[side]
        direction, end.pending = end.pending, None
        if 200 <= event.status < 300:
            try:
                end.media.accept(event.body)
                end.offered = direction or end.offered
            except SdpError as error:
                self._log.info(
                    "< unusable answer to a re-INVITE, the session stays as it was", detail=str(error)
                )
            self._offer(side)
            return
        end.media.withdraw()
        if event.status == GLARE:
            self._later(side, event.retry_after_s)
        else:
            self._log.info("< re-INVITE refused, the session stays as it was", status=event.status)

    def stop(self) -> None:
        """Offer nothing any more."""
        for end in self._ends.values():
            if end.timer is not None:
                end.timer.cancel()
                end.timer = None

    def _other(self, side: Side) -> _End:
        return self._ends[Side.CALLEE if side is Side.CALLER else Side.CALLER]

    def _offer(self, side: Side) -> None:
        """Offer to `side` what the other one allows, unless it has that already."""
        end = self._ends[side]
        wanted = self._other(side).media.onward
        if end.pending is not None or end.timer is not None or wanted is end.offered:
            return
        end.pending = wanted
        try:
            sent = self._sip.reinvite(end.leg_id, end.media.make_offer(wanted))
        except SdpError:
            end.pending = None
            return
        if not sent:
            end.pending = None
            end.media.withdraw()
            self._later(side, None)

    def _later(self, side: Side, seconds: float | None) -> None:
        end = self._ends[side]
        end.timer = self._loop.call_later(RETRY_S if seconds is None else seconds, self._again, side)

    def _again(self, side: Side) -> None:
        self._ends[side].timer = None
        self._offer(side)
