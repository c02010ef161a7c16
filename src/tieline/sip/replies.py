"""Responses: where they go (RFC 3261 section 18.2.2, RFC 3581), what they repeat, and how they are put together."""

from __future__ import annotations

import re
from hashlib import blake2b

from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, Transport
from tieline.sip.extensions import ALLOW_LINE
from tieline.sip.grammar import Via
from tieline.sip.message import Request
from tieline.sip.phrases import phrase_of

_rport = re.compile(";[ \t]*rport[ \t]*(?:=[ \t]*[0-9]*)?(?=[;, \t]|$)", re.IGNORECASE)
_find_tag = re.compile(";[ \t]*tag[ \t]*=", re.IGNORECASE).search
_received = re.compile(";[ \t]*received[ \t]*=[ \t]*[^;, \t]*", re.IGNORECASE)


def reply_flow(via: Via, flow: Flow) -> Flow:
    """Where a response to a request with this Via, received on `flow`, goes.

    Streams answer on their connection. UDP answers to the source address: to its port when the sender asks for that
    with `rport`, otherwise to the port in the Via. `maddr` is not followed: it would let a sender aim our responses.
    """
    if flow.transport is not Transport.UDP or "rport" in via.params:
        return flow
    port = via.port or 5060
    return flow if port == flow.remote[1] else Flow(flow.transport, (flow.remote[0], port))


def via_lines(request: Request, via: Via, flow: Flow) -> str:
    """The request's Via lines, the top value marked with where it really came from."""
    values = request.headers.getall("via")
    host = flow.remote[0]
    params = via.params
    if "rport" in params or via.host.strip("[]") != host or "received" in params:
        mine, rest = values[0][: via.end], values[0][via.end :]
        mine = _received.sub("", mine)
        if "rport" in params:
            mine = _rport.sub(f";rport={flow.remote[1]}", mine, count=1)
        values[0] = f"{mine.rstrip()};received={host}{rest}"
    if len(values) == 1:
        return f"Via: {values[0]}\r\n"
    return "".join([f"Via: {value}\r\n" for value in values])


def reply_head(request: Request, flow: Flow) -> str:
    """The header lines that every response repeats, all but To."""
    headers = request.headers
    return (
        f"{via_lines(request, request.via, flow)}From: {headers['from']}\r\nCall-ID: {headers['call-id']}\r\n"
        f"CSeq: {headers['cseq']}\r\n"
    )


def build_reply(
    status: int, head: str, to: str, extra: str = "", body: bytes = b"", phrase: str | None = None
) -> bytes:
    """A response; `head` from `reply_head`, `extra` are whole header lines."""
    start = f"SIP/2.0 {status} {phrase or phrase_of(status)}\r\n{head}"
    return (
        f"{start}To: {to}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode("utf-8", "surrogateescape")
        + body
    )


def tagged_to(request: Request, tag: str) -> str:
    """The request's To value, with `tag` where it has none yet."""
    to = request.headers["to"]
    return to if request.to.tag is not None else f"{to};tag={tag}"


def stateless_tag(secret: bytes, request: Request) -> str:
    """A To tag that is the same for every retransmission of `request` (RFC 3261 section 8.2.7)."""
    text = "\n".join([request.headers.get(name) or "" for name in ("via", "call-id", "cseq")])
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8, key=secret).hexdigest()


def broken_reply(request: Request, status: int, why: str, tag: str, flow: Flow) -> tuple[bytes, Flow]:
    """A refusal of a request that may lack anything but a Via, and the flow that it goes back on.

    What is missing stays missing; a Via that cannot be read is repeated as it came and answered at the source.
    """
    headers = request.headers
    try:
        via = request.via
        head, back = via_lines(request, via, flow), reply_flow(via, flow)
    except MessageMalformed:
        head, back = "".join([f"Via: {value}\r\n" for value in headers.getall("via")]), flow
    for name in ("From", "Call-ID", "CSeq"):
        head += "".join([f"{name}: {value}\r\n" for value in headers.getall(name)[:1]])
    to = headers.get("to")
    if to is not None:
        head += f"To: {to}\r\n" if _find_tag(to) else f"To: {to};tag={tag}\r\n"
    start = f"SIP/2.0 {status} {phrase_of(status)}\r\n{head}"
    warning = f'Warning: 399 tieline "{why}"\r\nContent-Length: 0\r\n\r\n'
    return (start + warning).encode("utf-8", "surrogateescape"), back


def refusal_lines(request: Request, status: int, accept: str, retry_after_s: int) -> str:
    """The header that a refusal of this status owes (RFC 3261 section 21.4)."""
    if status in {405, 501}:
        return ALLOW_LINE
    if status in {415, 406}:
        coding = "Accept-Encoding: identity\r\n" if request.headers.get("content-encoding") else ""
        return f"Accept: {accept}\r\n{coding}"
    if status == 489:
        return "Allow-Events: refer\r\n"
    if status == 503:
        return f"Retry-After: {retry_after_s}\r\n"
    return ""
