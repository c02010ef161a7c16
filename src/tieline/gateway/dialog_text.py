"""The SIP messages that a leg would have exchanged, had SIP brought it: what its ladder shows.

They are written, not sent; the INVITE is also what routing, context and records read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tieline.sip.errors import HeaderRefused
from tieline.sip.header_rules import header_lines, is_protocol_header
from tieline.sip.message import Headers, Request
from tieline.sip.phrases import phrase_of

Header = tuple[str, str]

MAX_HEADERS = 64
"""Custom headers of one message."""

OUR_HOST = "tieline.invalid"
"""The host that stands for us (RFC 2606): nothing can be sent to it."""

_ANONYMOUS = "sip:anonymous@anonymous.invalid"


def check_headers(headers: Sequence[Header]) -> None:
    """Whether they can be custom headers. Raises `HeaderRefused`."""
    header_lines(headers, MAX_HEADERS)
    for name, _ in headers:
        if is_protocol_header(name):
            raise HeaderRefused(name, "is a header of the protocol itself")


@dataclass(frozen=True, slots=True)
class LegFacts:
    """What a leg is known by. `remote` is the address of who brought the call, as host and port.

    `caller` and `callee` are numbers or None; `domain` stands for the other side's host in addresses. Ids are given
    from outside. `headers` are custom ones, in their order.
    """

    sip_call_id: str
    from_tag: str
    to_tag: str
    caller: str | None
    callee: str | None
    remote: tuple[str, int]
    domain: str
    headers: tuple[Header, ...] = ()


class DialogText:
    """Writes the messages of one leg. Ours are those of the side that was called."""

    def __init__(self, facts: LegFacts) -> None:
        self._facts = facts
        self._theirs = f"<{_address(facts.caller, facts.domain)}>;tag={facts.from_tag}"
        self._called = _address(facts.callee, OUR_HOST)
        self._ours = f"<{self._called}>;tag={facts.to_tag}"
        self._cseq = {True: 0, False: 1}

    def invite(self, sdp: bytes) -> tuple[Request, bytes]:
        """The INVITE, as it is read and as it is written. Raises `HeaderRefused` for a header that cannot be."""
        facts = self._facts
        check_headers(facts.headers)
        items = [
            ("Via", f"SIP/2.0/UDP {facts.domain};branch=z9hG4bK{facts.from_tag}"),
            ("From", self._theirs),
            ("To", f"<{self._called}>"),
            ("Call-ID", facts.sip_call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<{_address(facts.caller, facts.domain)}>"),
            ("Max-Forwards", "70"),
            *facts.headers,
            ("Content-Type", "application/sdp"),
            ("Content-Length", str(len(sdp))),
        ]
        return Request("INVITE", self._called, Headers(items), sdp), _written(
            f"INVITE {self._called} SIP/2.0", items, sdp
        )

    def request(
        self, method: str, *, ours: bool, headers: Sequence[Header] = (), body: bytes = b"", kind: str = ""
    ) -> bytes:
        """A request within the dialog, of ours or of the other side; its CSeq is the next one of that side.

        A CANCEL bears that of the INVITE. `kind` is the body's media type.
        """
        if method not in {"CANCEL", "ACK"}:
            self._cseq[ours] += 1
        target = _address(self._facts.caller, self._facts.domain) if ours else self._called
        items = [*self._dialog(method, ours=ours), *headers, *_body_headers(body, kind)]
        return _written(f"{method} {target} SIP/2.0", items, body)

    def response(
        self,
        status: int,
        method: str,
        *,
        ours: bool,
        phrase: str = "",
        headers: Sequence[Header] = (),
        body: bytes = b"",
    ) -> bytes:
        """The answer to the last request of the other direction; `ours` says whose answer it is."""
        kind = "application/sdp" if body else ""
        items = [*self._dialog(method, ours=not ours), *headers, *_body_headers(body, kind)]
        return _written(f"SIP/2.0 {status} {phrase or phrase_of(status)}", items, body)

    def _dialog(self, method: str, *, ours: bool) -> list[Header]:
        """The headers that say which exchange it is, for a request of ours or theirs and its answers."""
        facts, cseq = self._facts, self._cseq[ours]
        host = OUR_HOST if ours else facts.domain
        return [
            ("Via", f"SIP/2.0/UDP {host};branch=z9hG4bK{facts.to_tag if ours else facts.from_tag}.{cseq}"),
            ("From", self._ours if ours else self._theirs),
            ("To", self._theirs if ours else self._ours),
            ("Call-ID", facts.sip_call_id),
            ("CSeq", f"{cseq} {method}"),
        ]


def _address(number: str | None, host: str) -> str:
    return _ANONYMOUS if number is None else f"sip:{quote(number, safe='+*-_.!~()&=$,')}@{host}"


def _body_headers(body: bytes, kind: str) -> list[Header]:
    return [*([("Content-Type", kind)] if body else []), ("Content-Length", str(len(body)))]


def _written(start: str, headers: Sequence[Header], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{start}\r\n{lines}\r\n".encode("utf-8", "replace") + body
