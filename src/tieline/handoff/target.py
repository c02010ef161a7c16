"""Where a handoff goes, as it stands on the wire: the Refer-To of a REFER, the request URI of an INVITE.

A route is a SIP URI, a URI in angle brackets, a `tel:` URI, `user@host`, or a number or extension, which the trunk's
domain makes a URI of. What could end a URI or a header before its time is refused, never repaired.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from tieline.handoff.errors import UnplannableHandoff
from tieline.model.handoff import HandoffMethod, HandoffPlan
from tieline.model.profile import Dialect, UuiEncoding
from tieline.model.record import Record
from tieline.sip.errors import MessageMalformed
from tieline.sip.grammar import Uri, is_token, parse_uri

UUI_HEADER = "User-to-User"
"""The header of RFC 7433; a value is `<protocol discriminator and data>;encoding=hex` or the like."""

UUI_DISCRIMINATOR = "00"
"""The protocol discriminator (user-specific, ITU-T Q.931 section 4.5.30) put before hex that we make."""

MAX_ROUTE_LENGTH = 256
"""Longest route in characters."""

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"'\\^`{}|\u0080-\U0010ffff]")
_NUMBER = re.compile(r"\+?[0-9A-D*#.()\-]*[0-9*#][0-9A-D*#.()\-]*")
_EXTENSION = re.compile(r"[A-Za-z0-9_.\-]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SEPARATORS = re.compile(r"[.()\- ]")
_TARGET = re.compile(
    r"(?:sips?:)?(?:[^@;?<>\s]*@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)(:[0-9]{1,5})?(?:[;?].*)?"
)

# Characters of hname and hvalue that need no escape (RFC 3261 section 25.1: hnv-unreserved and unreserved).
_HEADER_SAFE = "[]/?:+$-_.!~*'()"
# Characters of the user part that need no escape; those of RFC 3261's user-unreserved that end a URI elsewhere do.
_USER_SAFE = "+*-_.!~()&=$,"


class ReferTarget(Record):
    """A REFER ready for the wire: the whole value of Refer-To, and the custom headers beside it."""

    refer_to: str
    headers: tuple[tuple[str, str], ...]


class InviteTarget(Record):
    """An INVITE ready for the wire: its request URI, its To address without a tag, and its custom headers."""

    uri: str
    to: str
    headers: tuple[tuple[str, str], ...]


def check_route(route: str) -> str:
    """The route without blanks around it and without angle brackets. Raises `UnplannableHandoff` (`bad_route`)."""
    text = route.strip(" \t")
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if _is_number(text):
        return text
    if not text or len(text) > MAX_ROUTE_LENGTH or _FORBIDDEN.search(text) is not None:
        raise _bad_route(
            route, "it is empty, too long, or holds blanks, quotes, brackets or control characters"
        )
    if ":" not in text and "@" not in text:
        if _EXTENSION.fullmatch(text) is None:
            raise _bad_route(route, "it is neither a URI nor a number nor an extension")
        return text
    if ":" not in text.partition("@")[0]:
        text = f"sip:{text}"
    if _parse(text, route).scheme not in {"sip", "sips", "tel"}:
        raise _bad_route(route, "only sip, sips and tel URIs can be called")
    return text


def refer_target(plan: HandoffPlan, dialect: Dialect, peer_host: str) -> ReferTarget:
    """The Refer-To and headers of a planned REFER.

    `peer_host` is the host of the dialog's remote target, with its port where that is not the usual one; the trunk's
    `refer_domain` goes before it. Custom headers go on the REFER; where the profile loses them there and keeps
    those inside Refer-To, they go inside. User-to-User data goes inside where the profile wants it so. Raises
    `UnplannableHandoff`.
    """
    uri = _uri(_route_of(plan), dialect.refer_domain or peer_host, keep_tel=True)
    rules = dialect.profile.refer
    beside: list[tuple[str, str]] = []
    inside: list[tuple[str, str]] = []
    for name, value in plan.headers:
        if rules.uui is not None and name.casefold() == UUI_HEADER.casefold():
            inside.append((name, encode_uui(value, rules.uui)))
        elif rules.uri_headers and not rules.custom_headers:
            inside.append((name, value))
        else:
            beside.append((name, value))
    return ReferTarget(refer_to=f"<{_with_headers(uri, inside)}>", headers=tuple(beside))


def invite_target(plan: HandoffPlan, target: str) -> InviteTarget:
    """The request URI and headers of a planned INVITE.

    `target` is that of the outbound trunk: host, host:port or SIP URI. A number, an extension and the number of a
    `tel:` URI become a SIP URI there. Raises `UnplannableHandoff`.
    """
    uri = _uri(_route_of(plan), domain_of(target), keep_tel=False)
    # Headers of a URI are for whoever makes a request of it (RFC 3261 section 19.1.5), not for the request line.
    uri = uri.partition("?")[0]
    return InviteTarget(uri=uri, to=f"<{uri}>", headers=plan.headers)


def is_callable(route: str) -> bool:
    """Whether a checked route is one that a provider can call: a number in E.164, or a SIP URI."""
    return route.lower().startswith(("sip:", "sips:")) or _E164.fullmatch(_number_of(route)) is not None


def _number_of(route: str) -> str:
    """The number of a checked route, or what stands in its place."""
    number = _SEPARATORS.sub("", route.partition(":")[2] if route.lower().startswith("tel:") else route)
    return number.partition(";")[0]


def provider_target(plan: HandoffPlan) -> InviteTarget:
    """Whom a provider that has the caller is to call: a number in E.164, or a SIP URI with the headers for it.

    A provider knows no extensions and no domain of ours. Raises `UnplannableHandoff`.
    """
    route = _route_of(plan)
    if not is_callable(route):
        raise _bad_route(route, "a provider calls numbers in E.164 (+15550100) and SIP URIs only")
    target = route if route.lower().startswith(("sip:", "sips:")) else _number_of(route)
    return InviteTarget(uri=target, to=target, headers=plan.headers)


def domain_of(target: str) -> str:
    """The host, with its port if any, of a trunk's target. Raises `UnplannableHandoff` (`bad_route`)."""
    found = _TARGET.fullmatch(target.strip())
    if found is None:
        if re.fullmatch(r"[0-9A-Fa-f:.]+", target) and target.count(":") > 1:
            return f"[{target}]"
        raise UnplannableHandoff("bad_route", f"{target!r} is not a host that a URI can be made of")
    return f"{found[1]}{found[2] or ''}"


def encode_uui(value: str, encoding: UuiEncoding) -> str:
    """User-to-User data with its encoding named; a value that names one already is left as it is.

    Hex begins with the protocol discriminator; text that is no token is quoted (RFC 7433 section 4.1).
    """
    if ";encoding=" in value.replace(" ", "").casefold():
        return value
    if encoding is UuiEncoding.HEX:
        return f"{UUI_DISCRIMINATOR}{value.encode().hex().upper()};encoding=hex"
    text = value if is_token(value) else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    return f"{text};encoding=ascii"


def escape_header(text: str) -> str:
    """A header's name or value as it may stand inside a URI (RFC 3261 section 25.1)."""
    return quote(text, safe=_HEADER_SAFE)


def _with_headers(uri: str, headers: list[tuple[str, str]]) -> str:
    if not headers:
        return uri
    pairs = "&".join(f"{escape_header(name)}={escape_header(value)}" for name, value in headers)
    return f"{uri}{'&' if '?' in uri else '?'}{pairs}"


def _route_of(plan: HandoffPlan) -> str:
    if plan.route is None:
        raise no_route(plan.method)
    return check_route(plan.route)


def _uri(route: str, domain: str, *, keep_tel: bool) -> str:
    """The URI of a checked route."""
    if _is_number(route) or (":" not in route and "@" not in route):
        return _at_domain(_SEPARATORS.sub("", route) if _is_number(route) else route, domain)
    if keep_tel or not route.lower().startswith("tel:"):
        return route
    return f"{_at_domain(_SEPARATORS.sub('', _parse(route, route).user or ''), domain)};user=phone"


def _at_domain(user: str, domain: str) -> str:
    return f"sip:{quote(user, safe=_USER_SAFE)}@{domain_of(domain)}"


def _is_number(text: str) -> bool:
    return len(text) <= MAX_ROUTE_LENGTH and _NUMBER.fullmatch(text.replace(" ", "")) is not None


def _parse(text: str, route: str) -> Uri:
    try:
        uri = parse_uri(text)
    except MessageMalformed as error:
        raise _bad_route(route, str(error)) from None
    return uri


def _bad_route(route: str, why: str) -> UnplannableHandoff:
    return UnplannableHandoff("bad_route", f"the route {route[:64]!r} cannot be used: {why}")


def no_route(method: HandoffMethod) -> UnplannableHandoff:
    """The error for a method that needs a route and has none."""
    return UnplannableHandoff("no_route", f"a handoff by {method.upper()} needs a route (phone_number)")
