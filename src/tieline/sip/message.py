"""SIP messages: an ordered header list, requests and responses, and the step from bytes to them.

The container is thin on purpose: splitting a message costs one pass over its lines, and a header value is read by
its grammar only when somebody asks for it. Bytes that are not UTF-8 survive unharmed (surrogate escapes), so that
what is echoed in a response is what came.

Decisions where RFC 3261 leaves room:
- a line ends with CRLF; a lone CR or LF in the header part is malformed, because two readers who disagree about
  line ends can be made to see two different messages;
- a datagram longer than its Content-Length is trimmed, a shorter one is malformed (section 18.3);
- without Content-Length a datagram's body is the rest of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tieline.sip.bodies import Session, read_session
from tieline.sip.errors import MessageMalformed
from tieline.sip.grammar import (
    Address,
    Uri,
    Via,
    is_token,
    parse_address,
    parse_cseq,
    parse_number,
    parse_uri,
    parse_via,
    split_addresses,
)

_COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "o": "event", "r": "refer-to", "s": "subject", "t": "to",
    "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
_COMMON = (
    "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Content-Type", "Content-Length", "User-Agent",
    "Server", "Allow", "Supported", "Require", "Route", "Record-Route", "Accept", "Accept-Encoding", "Subject",
    "Date", "Expires", "Allow-Events", "Session-Expires", "Min-SE", "P-Asserted-Identity", "Privacy", "Reason",
    "User-to-User", "Diversion", "Authorization", "Proxy-Authorization", "Proxy-Require", "Content-Encoding",
)  # fmt: skip
# Spelling as received to the key that headers are looked up by; everything else takes the slow way once a message.
_KEYS: dict[str, str] = {
    **{name: name.lower() for name in _COMMON},
    **{name.lower(): name.lower() for name in _COMMON},
    **_COMPACT,
    **{short.upper(): long for short, long in _COMPACT.items()},
}
_fold = re.compile("\r\n[ \t]+")
_find_version = re.compile("SIP/[0-9]+\\.[0-9]+", re.IGNORECASE).fullmatch


def header_key(name: str) -> str:
    """The key of a header name: lower case, compact forms written out (`v` is `via`)."""
    return _KEYS.get(name) or _COMPACT.get(name.lower()) or name.lower()


class Headers:
    """The header lines of a message in their order, with their spelling. Look-ups ignore case and compact forms."""

    __slots__ = ("_index", "_items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = list(items)
        self._index: dict[str, list[str]] = {}
        for name, value in self._items:
            self._index.setdefault(header_key(name), []).append(value)

    @classmethod
    def _of(cls, items: list[tuple[str, str]], index: dict[str, list[str]]) -> Headers:
        made = cls.__new__(cls)
        made._items = items
        made._index = index
        return made

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        found = self._index.get(header_key(name))
        return found[0] if found else default

    def getall(self, name: str) -> list[str]:
        """Every value of `name`, one a line as received; lists within a line are not taken apart."""
        return list(self._index.get(header_key(name), ()))

    def joined(self, name: str) -> str | None:
        """The values of `name` joined with `, `; None when the header is absent."""
        found = self._index.get(header_key(name))
        return ", ".join(found) if found else None

    def items(self) -> list[tuple[str, str]]:
        """All lines as (name as received, value)."""
        return list(self._items)

    def __getitem__(self, name: str) -> str:
        return self._index[header_key(name)][0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and header_key(name) in self._index

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._items])

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


class _Message:
    """What requests and responses share. Typed access parses on first use and raises `MessageMalformed`."""

    __slots__ = ("_cseq", "_from", "_session", "_to", "_via", "body", "headers")

    def __init__(self, headers: Headers, body: bytes) -> None:
        self.headers = headers
        self.body = body
        self._via: Via | None = None
        self._from: Address | None = None
        self._to: Address | None = None
        self._cseq: tuple[int, str] | None = None
        self._session: Session | None = None

    def _single(self, key: str) -> str:
        found = self.headers._index.get(key)
        if found is None:
            raise MessageMalformed(f"no {key}")
        if len(found) > 1:
            raise MessageMalformed(f"more than one {key}")
        return found[0]

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            found = self.headers._index.get("via")
            if found is None:
                raise MessageMalformed("no via")
            self._via = parse_via(found[0])
        return self._via

    @property
    def from_(self) -> Address:
        """The From header."""
        if self._from is None:
            self._from = parse_address(self._single("from"))
        return self._from

    @property
    def to(self) -> Address:
        """The To header."""
        if self._to is None:
            self._to = parse_address(self._single("to"))
        return self._to

    @property
    def cseq(self) -> tuple[int, str]:
        """CSeq as (number, method)."""
        if self._cseq is None:
            self._cseq = parse_cseq(self._single("cseq"))
        return self._cseq

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        value = self._single("call-id")
        if not value or " " in value:
            raise MessageMalformed("not a Call-ID")
        return value

    @property
    def contact(self) -> Address | None:
        """The first Contact, None when there is none or it is `*`."""
        value = self.headers.get("contact")
        return None if value is None or value == "*" else split_addresses(value)[0][0]

    @property
    def session(self) -> Session:
        """The session description in the body, or why the body must be refused."""
        if self._session is None:
            self._session = read_session(self.headers.get("content-type"), self.body)
        return self._session

    @property
    def sdp(self) -> bytes:
        """The session description: the body, or a part of it; empty without one."""
        return self.session.sdp

    @property
    def content_type(self) -> str | None:
        """The media type in lower case without parameters, None when there is no Content-Type."""
        value = self.headers.get("content-type")
        return None if value is None else value.partition(";")[0].strip(" \t").lower()


class Request(_Message):
    """A request. `uri_text` is the Request-URI as received; `body` is bytes, empty when there is none."""

    __slots__ = ("_uri", "method", "uri_text")

    def __init__(self, method: str, uri_text: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri_text = uri_text
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI, parsed."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, at most 255; None when absent."""
        return parse_number(self._single("max-forwards"), 255) if "max-forwards" in self.headers else None

    def __repr__(self) -> str:
        return f"<{self.method} {self.uri_text}>"


class Response(_Message):
    """A response. `status` is 100 to 699; `phrase` as received, possibly empty."""

    __slots__ = ("phrase", "status")

    def __init__(self, status: int, phrase: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.phrase = phrase

    def __repr__(self) -> str:
        return f"<{self.status} {self.phrase}>"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that hold before anything is parsed: bytes of a message, header lines, characters of one line."""

    message_bytes: int = 65_535
    header_lines: int = 256
    line_chars: int = 8_192


DEFAULT_LIMITS = Limits()


def _read_headers(lines: list[str]) -> tuple[Headers, str]:
    """Headers of `lines` (the start line first), and what is wrong with them, empty when nothing is."""
    items: list[tuple[str, str]] = []
    index: dict[str, list[str]] = {}
    wrong = ""
    keys = _KEYS
    for at in range(1, len(lines)):
        name, colon, value = lines[at].partition(":")
        key = keys.get(name)
        if key is None:
            name = name.rstrip(" \t")
            if not colon or not is_token(name):
                wrong = "broken header line"
                continue
            key = header_key(name)
        value = value.strip(" \t")
        items.append((name, value))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    return Headers._of(items, index), wrong


def _read_start(line: str, headers: Headers) -> tuple[Request | Response, MessageMalformed | None]:
    """The message that a start line opens, and what is wrong with the line."""
    if line[:8].upper() == "SIP/2.0 ":
        status, _, phrase = line[8:].partition(" ")
        if len(status) != 3 or not status.isascii() or not status.isdigit() or not "100" <= status <= "699":
            raise MessageMalformed("bad status code")
        return Response(int(status), phrase, headers), None
    parts = line.split(" ")
    if len(parts) == 3 and parts[2] == "SIP/2.0" and is_token(parts[0]) and parts[1]:
        return Request(parts[0], parts[1], headers), None
    words = line.split()
    version = _find_version(words[-1]) if words else None
    if version is None or len(words) < 3 or not is_token(words[0]):
        raise MessageMalformed("bad start line")
    request = Request(words[0], " ".join(words[1:-1]), headers)
    if words[-1].upper() != "SIP/2.0":
        return request, MessageMalformed("unknown SIP version", 505)
    if len(parts) == 3:
        return request, None
    return request, MessageMalformed("bad request line")


def _keep_within(lines: list[str], limits: Limits) -> tuple[list[str], str]:
    """The lines within the limits, and what is wrong with the others: enough to answer by, as a rule.

    Raises `MessageMalformed` where a start line or a Via would be left out, for no answer finds its way without them.
    """
    most, longest = limits.header_lines + 1, limits.line_chars
    over = [line for line in lines[:most] if len(line) > longest] + lines[most:]
    if not over:
        return lines, ""
    wrong = "too many header lines" if len(lines) > most else "header line too long"
    if len(lines[0]) > longest or any(
        header_key(line[:9].partition(":")[0].strip()) == "via" for line in over
    ):
        raise MessageMalformed(wrong)
    return [line for line in lines[:most] if len(line) <= longest], wrong


def _cut_body(headers: Headers, rest: bytes) -> bytes:
    found = headers.getall("content-length")
    if not found:
        return rest
    if len(found) > 1:
        raise MessageMalformed("more than one Content-Length")
    length = parse_number(found[0], 2**31 - 1)
    if length > len(rest):
        raise MessageMalformed("body shorter than its Content-Length")
    return rest if length == len(rest) else rest[:length]


def parse_message(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Read one message from a datagram or a framed stream; `data` starts with the start line.

    Raises `MessageMalformed`; its `request` is set when enough could be read to answer.
    """
    if len(data) > limits.message_bytes:
        raise MessageMalformed("message too long", 513)
    end = data.find(b"\r\n\r\n")
    text = (data.removesuffix(b"\r\n") if end < 0 else data[:end]).decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _fold.sub(" ", text)
    lines = kept = text.split("\r\n")
    over = ""
    if len(lines) > limits.header_lines + 1 or len(text) > limits.line_chars:
        kept, over = _keep_within(lines, limits)
    headers, wrong = _read_headers(kept)
    message, fault = _read_start(kept[0], headers)
    if over:
        wrong = over
    elif end < 0:
        wrong = wrong or "no empty line after the headers"
    elif text.count("\n") + text.count("\r") != 2 * (len(lines) - 1):
        wrong = wrong or "lone CR or LF"
    else:
        try:
            message.body = _cut_body(headers, data[end + 4 :])
        except MessageMalformed as broken:
            wrong = wrong or broken.why
    if fault is None and wrong:
        fault = MessageMalformed(wrong)
    if fault is not None:
        fault.request = message if isinstance(message, Request) else None
        raise fault
    return message


def check_request(request: Request) -> None:
    """Read what every request must have (RFC 3261 section 8.1.1), once each. Raises `MessageMalformed`.

    Max-Forwards may be missing: older agents leave it out and section 16.3 lets it pass.
    """
    _, method = request.cseq
    if method != request.method:
        raise MessageMalformed("CSeq names another method")
    _ = request.via, request.call_id
    if not request.from_.uri_text or not request.to.uri_text:
        raise MessageMalformed("empty address")
    if "max-forwards" in request.headers._index:
        parse_number(request._single("max-forwards"), 255)
