"""The texts that a scripted peer sends: requests, responses, SDP and sipfrag, put together from templates.

Nothing is checked on the way out: a rude peer must be able to say what our own stack would refuse to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from tieline.sip.message import Request
from tieline.sip.phrases import phrase_of
from tieline.testing.contact_center.steps import Header

AGENT = "contact-centre"


def bracketed(host: str) -> str:
    """A host as it stands in a URI."""
    return f"[{host}]" if ":" in host else host


def write_message(start: str, headers: Sequence[Header], body: bytes = b"") -> bytes:
    """A whole message; Content-Length is added."""
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body


def write_response(
    request: Request,
    status: int,
    to_tag: str,
    headers: Sequence[Header] = (),
    body: bytes = b"",
    phrase: str | None = None,
) -> bytes:
    """A response: what has to be copied from the request is, and `to_tag` is added where there is no tag yet."""
    to = request.headers.get("To") or ""
    if status > 100 and ";tag=" not in to:
        to = f"{to};tag={to_tag}"
    copied = [("Via", value) for value in request.headers.getall("Via")]
    copied += [("Record-Route", value) for value in request.headers.getall("Record-Route")]
    copied += [("From", request.headers.get("From") or ""), ("To", to)]
    copied += [(name, request.headers.get(name) or "") for name in ("Call-ID", "CSeq")]
    start = f"SIP/2.0 {status} {phrase_of(status) if phrase is None else phrase}"
    return write_message(start, [*copied, *headers], body)


def write_sdp(
    host: str, port: int, version: int, direction: str = "sendrecv", *, events: bool = True, codec: int = 0
) -> bytes:
    """One audio stream of G.711, with telephone-events as payload type 101."""
    family = "IP6" if ":" in host else "IP4"
    formats = f"{codec} {8 - codec} 101" if events else f"{codec} {8 - codec}"
    lines = [
        "v=0",
        f"o=centre 1 {version} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        *(["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"] if events else []),
        f"a={direction}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def write_sipfrag(status: int) -> bytes:
    """The body of a NOTIFY (RFC 3515 section 2.4.5)."""
    return f"SIP/2.0 {status} {phrase_of(status)}\r\n".encode()


MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "sendrecv": "sendrecv"}


def answered_direction(offer: bytes) -> str:
    """The direction that answers an offer's."""
    for line in offer.decode("latin-1").split("\n"):
        if line.startswith("a=") and line[2:].strip() in MIRRORED:
            return MIRRORED[line[2:].strip()]
    return "sendrecv"
