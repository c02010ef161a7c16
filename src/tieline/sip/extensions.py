"""What we say that we can do, and what a peer may ask of us: methods and option tags (RFC 3261 8.2.2.3)."""

from __future__ import annotations

from tieline.sip.config import PeerOptions
from tieline.sip.errors import Refused
from tieline.sip.message import Request, Response

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, UPDATE, PRACK"
METHODS = frozenset(ALLOW.split(", "))
KNOWN_METHODS = METHODS | {
    "REGISTER",
    "REFER",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
}
ALLOW_LINE = f"Allow: {ALLOW}\r\n"

TIMER = "timer"
RELIABLE = "100rel"


def option_tags(message: Request | Response, header: str) -> frozenset[str]:
    """The option tags of `Supported` or `Require`, in lower case."""
    value = message.headers.joined(header)
    if not value:
        return frozenset()
    return frozenset([tag.strip().lower() for tag in value.split(",") if tag.strip()])


def claimed(message: Request) -> frozenset[str]:
    """What the sender of a request can do: what it supports, and what it requires of us."""
    return option_tags(message, "supported") | option_tags(message, "require")


def supported_line(options: PeerOptions, *, reliable: bool = True) -> str:
    """Our Supported header line for a peer; `reliable` False where no reliable response may come."""
    return (
        f"Supported: {TIMER}, {RELIABLE}\r\n" if reliable and options.reliable else f"Supported: {TIMER}\r\n"
    )


def require_line(options: PeerOptions) -> str:
    """What an INVITE of ours insists on; empty when on nothing."""
    tags = [TIMER] if options.timer_required else []
    if options.reliable_required:
        tags.append(RELIABLE)
    return f"Require: {', '.join(tags)}\r\n" if tags else ""


def check_extensions(request: Request, options: PeerOptions) -> None:
    """Refuse a request that requires what we lack (420), or an INVITE that lacks what we require (421)."""
    required = option_tags(request, "require")
    lacking = required - {TIMER, RELIABLE} if options.reliable else required - {TIMER}
    if lacking:
        given = (request.headers.joined("require") or "").split(",")
        named = ", ".join([tag.strip() for tag in given if tag.strip().lower() in lacking])
        raise Refused(420, "requires an extension that we lack", f"Unsupported: {named}\r\n")
    wanted = require_line(options)
    if request.method == "INVITE" and wanted and request.to.tag is None:
        theirs = claimed(request)
        if (options.timer_required and TIMER not in theirs) or (
            options.reliable_required and RELIABLE not in theirs
        ):
            raise Refused(421, "lacks an extension that we require", wanted)


def allowed_methods(message: Request | Response) -> frozenset[str] | None:
    """The methods of the peer's Allow; None without one, which says nothing."""
    value = message.headers.joined("allow")
    return None if value is None else frozenset([each.strip().upper() for each in value.split(",")])
