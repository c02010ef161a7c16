"""The grammar of the header values that a user agent must read (RFC 3261 section 25, RFC 3966).

Every function runs in time linear in its input: the patterns have no two ways to match the same text, and lists
are walked once. Values arrive unfolded. Parameter names are lower-cased; values keep their spelling, quoted ones
their quotes, because tags and branches are compared byte for byte.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import unquote

from tieline.sip.errors import MessageMalformed

_WS = "[ \\t]*"
_TOKEN_CHARS = "A-Za-z0-9\\-.!%*_+`'~"
_QUOTED = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"'
_HOST = "\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_.\\-]+"

_is_token = re.compile(f"[{_TOKEN_CHARS}]+").fullmatch
_match_param = re.compile(
    f"{_WS};{_WS}([{_TOKEN_CHARS}]+){_WS}(?:={_WS}([{_TOKEN_CHARS}\\[\\]:]+|{_QUOTED}))?{_WS}", re.DOTALL
).match
_match_via = re.compile(
    f"{_WS}SIP{_WS}/{_WS}2\\.0{_WS}/{_WS}([{_TOKEN_CHARS}]+)[ \\t]+({_HOST})(?:{_WS}:{_WS}([0-9]{{1,5}}))?",
    re.IGNORECASE,
).match
_match_name_addr = re.compile(f"(?:{_WS}({_QUOTED}){_WS}|([{_TOKEN_CHARS} \\t]*))<([^<>]*)>", re.DOTALL).match
_match_addr_spec = re.compile(f'{_WS}([A-Za-z][A-Za-z0-9+.\\-]*:[^\\s;,?<>"]+)').match
_match_cseq = re.compile(f"0*([0-9]{{1,10}})[ \\t]+([{_TOKEN_CHARS}]+)").fullmatch
_match_number = re.compile("0*([0-9]{1,10})").fullmatch
_match_sip_uri = re.compile(
    "([sS][iI][pP][sS]?):"
    "(?:([A-Za-z0-9\\-_.!~*'()&=+$,;?/%#]*)(?::([A-Za-z0-9\\-_.!~*'()&=+$,%]*))?@)?"
    f"({_HOST})(?::([0-9]{{1,5}}))?"
    "((?:;[A-Za-z0-9\\-_.!~*'()\\[\\]/:&+$%=]+)*)"
    "(?:\\?([A-Za-z0-9\\-_.!~*'()\\[\\]/?:+$%=&]+))?"
).fullmatch
_match_tel_uri = re.compile(
    "([tT][eE][lL]):(\\+?[0-9A-Fa-f*#\\-.()]+)((?:;[A-Za-z0-9\\-_.!~*'()\\[\\]/:&+$%=]+)*)"
).fullmatch
_match_other_uri = re.compile('([A-Za-z][A-Za-z0-9+.\\-]*):([^\\s<>"]+)').fullmatch
_find_bad_escape = re.compile("%(?![0-9A-Fa-f]{2})").search

Params = dict[str, str | None]


def is_token(text: str) -> bool:
    """Whether `text` is one token of RFC 3261 (a method, a header name, a parameter name)."""
    return _is_token(text) is not None


def parse_number(text: str, limit: int) -> int:
    """The decimal number `text`, at most `limit`; `MessageMalformed` otherwise. Leading zeros are allowed."""
    found = _match_number(text)
    if found is None:
        raise MessageMalformed("not a number")
    number = int(found.group(1))
    if number > limit:
        raise MessageMalformed("number too large")
    return number


def _parse_params(text: str, at: int) -> tuple[Params, int]:
    """Parameters `;name[=value]` of `text` from `at`, and the place after them."""
    params: Params = {}
    found = _match_param(text, at)
    while found is not None:
        name = found.group(1).lower()
        if name in params:
            raise MessageMalformed(f"parameter {name} given twice")
        params[name] = found.group(2)
        at = found.end()
        found = _match_param(text, at)
    return params, at


def _check_port(text: str | None) -> int | None:
    if not text:
        return None
    port = int(text)
    if not 0 < port <= 65535:
        raise MessageMalformed("port out of range")
    return port


def _check_host(text: str) -> str:
    """The host in lower case; an IPv6 reference has to be one (RFC 4291, which is stricter than RFC 3261's grammar)."""
    if text[:1] == "[":
        try:
            IPv6Address(text[1:-1])
        except ValueError:
            raise MessageMalformed("not an IPv6 address") from None
    return text.lower()


class Uri:
    """A `sip`, `sips` or `tel` URI, or the scheme of another one. `text` is the URI as received.

    `user` is decoded from its escapes (for `tel` it is the number); `host` is lower-cased and empty for `tel`.
    `headers` is the undecoded text after `?`.
    """

    __slots__ = ("headers", "host", "params", "port", "scheme", "text", "user")

    def __init__(
        self,
        text: str,
        scheme: str,
        user: str | None,
        host: str,
        port: int | None,
        params: Params,
        headers: str | None,
    ) -> None:
        self.text = text
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.params = params
        self.headers = headers

    def __str__(self) -> str:
        return self.text


def _parse_uri_params(text: str) -> Params:
    params: Params = {}
    for part in text.split(";")[1:]:
        name, found, value = part.partition("=")
        name = unquote(name).lower()
        if not name or name in params:
            raise MessageMalformed("URI parameter empty or given twice")
        params[name] = unquote(value) if found else None
    return params


def parse_uri(text: str) -> Uri:
    """Read a URI (RFC 3261 section 19.1, RFC 3966). Other schemes give a `Uri` with only its scheme.

    Raises `MessageMalformed`.
    """
    if "%" in text and _find_bad_escape(text) is not None:
        raise MessageMalformed("broken escape in URI")
    found = _match_sip_uri(text)
    if found is not None:
        scheme, user, _password, host, port, params, headers = found.groups()
        if user is not None:
            user = unquote(user) if "%" in user else user
        known = _parse_uri_params(params) if params else {}
        return Uri(text, scheme.lower(), user, _check_host(host), _check_port(port), known, headers)
    found = _match_tel_uri(text)
    if found is not None:
        return Uri(text, "tel", found.group(2), "", None, _parse_uri_params(found.group(3)), None)
    found = _match_other_uri(text)
    if found is None or found.group(1).lower() in {"sip", "sips", "tel"}:
        raise MessageMalformed("not a URI")
    return Uri(text, found.group(1).lower(), None, "", None, {}, None)


class Address:
    """A `From`, `To`, `Contact` or `Route` value: `display` (unquoted), `uri_text` and header parameters.

    `uri` is parsed when asked for and raises `MessageMalformed` when it is none.
    """

    __slots__ = ("_uri", "display", "params", "uri_text")

    def __init__(self, display: str, uri_text: str, params: Params) -> None:
        self.display = display
        self.uri_text = uri_text
        self.params = params
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The parsed URI."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    @property
    def tag(self) -> str | None:
        """The `tag` parameter, None when there is none."""
        return self.params.get("tag")


def _parse_address_at(text: str, at: int) -> tuple[Address, int]:
    found = _match_name_addr(text, at)
    if found is not None:
        quoted, plain, uri_text = found.groups()
        display = re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL) if quoted else plain.strip(" \t")
        uri_text = uri_text.strip(" \t") if uri_text[:1] in " \t" or uri_text[-1:] in " \t" else uri_text
    else:
        found = _match_addr_spec(text, at)
        if found is None:
            raise MessageMalformed("not an address")
        display, uri_text = "", found.group(1)
    params, end = _parse_params(text, found.end())
    return Address(display, uri_text, params), end


def parse_address(text: str) -> Address:
    """Read one `name-addr` or `addr-spec` with parameters, the whole of `text`. Raises `MessageMalformed`."""
    address, end = _parse_address_at(text, 0)
    if end != len(text) and text[end:].strip(" \t"):
        raise MessageMalformed("text after the address")
    return address


def split_addresses(text: str) -> list[tuple[Address, str]]:
    """Read a comma-separated list of addresses; each comes with its own text. Raises `MessageMalformed`."""
    found: list[tuple[Address, str]] = []
    at = 0
    while True:
        address, end = _parse_address_at(text, at)
        found.append((address, text[at:end].strip(" \t")))
        rest = end
        while rest < len(text) and text[rest] in " \t":
            rest += 1
        if rest == len(text):
            return found
        if text[rest] != ",":
            raise MessageMalformed("text after the address")
        at = rest + 1


class Via:
    """The topmost value of a `Via` header. `end` is where it stops in the header's text.

    `transport` is upper-cased; `sent_by` is `host[:port]` in lower case, as transactions are matched by it.
    """

    __slots__ = ("end", "host", "params", "port", "sent_by", "transport")

    def __init__(self, transport: str, host: str, port: int | None, params: Params, end: int) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.params = params
        self.end = end
        self.sent_by = host if port is None else f"{host}:{port}"

    @property
    def branch(self) -> str | None:
        """The `branch` parameter, the transaction's name."""
        return self.params.get("branch")


def parse_via(text: str) -> Via:
    """Read the first value of a `Via` header (RFC 3261 section 20.42). Raises `MessageMalformed`."""
    found = _match_via(text)
    if found is None:
        raise MessageMalformed("not a Via")
    transport, host, port = found.groups()
    params, end = _parse_params(text, found.end())
    if end < len(text) and text[end] != ",":
        raise MessageMalformed("text after the Via")
    return Via(transport.upper(), _check_host(host), _check_port(port), params, end)


def parse_cseq(text: str) -> tuple[int, str]:
    """Read `CSeq`: its number, below 2**31, and its method. Raises `MessageMalformed`."""
    found = _match_cseq(text)
    if found is None:
        raise MessageMalformed("not a CSeq")
    number = int(found.group(1))
    if number >= 2**31:
        raise MessageMalformed("CSeq too large")
    return number, found.group(2)
