"""Whose offer is open in a dialog (RFC 3264, 3311 section 5, 6337): state only."""

from __future__ import annotations

from tieline.sip.leg import Leg


def our_offer_is_open(leg: Leg) -> bool:
    """Whether the peer owes us an answer."""
    if leg.updating:
        return True
    invite = leg.invite
    if invite is not None and invite.parts is not None:
        return (leg.reinviting or leg.offered) and not leg.answered
    # A late offer: it went out in a reliable 1xx, or in a 2xx that has no ACK yet.
    sent = bool(leg.ack_waits) or (leg.reliable is not None and leg.reliable.had_sdp)
    return leg.offered and sent and not leg.answered


def their_offer_is_open(leg: Leg) -> bool:
    """Whether we owe the peer an answer."""
    if leg.update is not None:
        return True
    invite = leg.invite
    return invite is not None and invite.parts is None and not leg.offered and not leg.answered
