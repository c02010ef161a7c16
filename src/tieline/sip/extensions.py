"""What we say that we can do: methods and option tags (RFC 3261 sections 20.5 and 20.37)."""

from __future__ import annotations

from tieline.sip.config import PeerOptions

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY"
METHODS = frozenset(ALLOW.split(", "))
KNOWN_METHODS = METHODS | {
    "REGISTER",
    "UPDATE",
    "PRACK",
    "REFER",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
}
ALLOW_LINE = f"Allow: {ALLOW}\r\n"


def supported_line(_options: PeerOptions) -> str:
    """Our Supported header line for a peer."""
    return "Supported: \r\n"
