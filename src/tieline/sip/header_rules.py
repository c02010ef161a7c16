"""Which headers the owner of a stack may add to a message, and the line that each becomes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tieline.sip.errors import HeaderRefused
from tieline.sip.grammar import is_token
from tieline.sip.message import header_key

RESERVED = frozenset(
    {
        "via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route",
        "content-length", "content-type", "content-encoding", "allow", "supported", "require",
        "user-agent", "server", "authorization", "proxy-authorization", "session-expires", "min-se", "rseq", "rack",
    }
)  # fmt: skip
"""Names, in lower case, that the stack writes itself: a second value would contradict the dialog."""

PROTOCOL = RESERVED | frozenset(
    {
        "content-disposition", "event", "expires", "proxy-authenticate", "proxy-require",
        "refer-sub", "refer-to", "referred-by", "replaces",
        "subscription-state", "www-authenticate",
    }
)  # fmt: skip
"""Names, in lower case, that mean something to the protocol itself: a custom header may bear none of them."""

_find_control = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]").search
_VALUE_CHARS = 4_096


def check_value(name: str, value: str) -> None:
    """Refuse a value that would break its line or the message. Raises `HeaderRefused` in the name of `name`."""
    if _find_control(value) is not None:
        raise HeaderRefused(name, "has a control character in its value")
    if len(value) > _VALUE_CHARS:
        raise HeaderRefused(name, f"is longer than {_VALUE_CHARS} characters")


def is_protocol_header(name: str) -> bool:
    """Whether `name`, in any case or in its compact form, is a header of the protocol, not a custom one."""
    return header_key(name) in PROTOCOL


def header_lines(headers: Iterable[tuple[str, str]], limit: int) -> str:
    """The lines of the owner's headers, each with its CRLF, spelling and order kept.

    Raises `HeaderRefused` for a name that is no token or is reserved, a value with CR, LF, NUL or another control
    character, a value over 4096 characters, or more than `limit` headers.
    """
    lines: list[str] = []
    for name, value in headers:
        if not is_token(name):
            raise HeaderRefused(name, "is not a token")
        if header_key(name) in RESERVED:
            raise HeaderRefused(name, "is written by the stack itself")
        check_value(name, value)
        lines.append(f"{name}: {value}\r\n")
    if len(lines) > limit:
        raise HeaderRefused(name, f"is one of more than {limit} headers")
    return "".join(lines)
