"""The session description in a body: the body itself, or a part of a multipart one (RFC 5621, RFC 2046 section 5.1).

Carriers put ISUP or a location beside the SDP. Those parts are passed over, unless they say that they have to be
understood (`handling=required`). Decisions where the RFCs leave room:

- a part without `handling` may be passed over, though RFC 3261 section 20.11 would have it required: carriers leave it
  out of what nobody has to read;
- of several session descriptions the first one counts, in `multipart/alternative` the last one; one of disposition
  `early-session` (RFC 3959) is none;
- lines may end with a lone LF, and the last delimiter may be missing;
- at most 16 parts are read, and parts of parts at most three deep.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SDP = "application/sdp"
ACCEPTED = f"{SDP}, multipart/mixed, multipart/alternative"
"""What Accept says of the bodies that are read."""

_MOST_PARTS = 16
_DEEPEST = 3
_HEAD_BYTES = 4_096
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})

_find_boundary = re.compile(
    r';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"\\]{1,70})"|([^";\s]{1,70}))', re.IGNORECASE
).search
_required = re.compile(r';[ \t]*handling[ \t]*=[ \t]*"?required"?[ \t]*(?:;|$)', re.IGNORECASE).search
_empty_line = re.compile(rb"\r?\n\r?\n").search
_fold = re.compile(r"\r?\n[ \t]+")


class Session(NamedTuple):
    """What was found: `sdp`, empty without any; `refused` says why the body as a whole must be refused."""

    sdp: bytes
    refused: str = ""


class _Part(NamedTuple):
    kind: str
    disposition: str
    encoding: str
    body: bytes


def read_session(content_type: str | None, body: bytes) -> Session:
    """The session description in a body of this Content-Type; a body without type is taken for one."""
    kind = _token(content_type or SDP)
    if not body or kind == SDP:
        return Session(body)
    if kind.startswith("multipart/"):
        found = _read_parts(content_type or "", body, 1)
        return found if found.sdp or found.refused else Session(b"", "body has no SDP part")
    return Session(b"", "body is not SDP")


def _read_parts(content_type: str, body: bytes, depth: int) -> Session:
    boundary = _find_boundary(content_type)
    if boundary is None:
        return Session(b"", "multipart body without boundary")
    alternative = _token(content_type) == "multipart/alternative"
    sdp = b""
    for part in _split(body, boundary.group(1) or boundary.group(2)):
        found = _read_part(part, depth)
        if found.refused and not alternative:
            return found
        if found.sdp and (alternative or not sdp):
            sdp = found.sdp
    return Session(sdp)


def _read_part(part: _Part, depth: int) -> Session:
    """A part that is passed over gives an empty session."""
    kind = _token(part.kind)
    early = _token(part.disposition) == "early-session"
    if part.encoding in _PLAIN and not early:
        if kind == SDP:
            return Session(part.body if part.body.endswith(b"\n") else part.body + b"\r\n")
        if kind.startswith("multipart/") and depth < _DEEPEST:
            return _read_parts(part.kind, part.body, depth + 1)
    if _required(part.disposition):
        return Session(b"", "a part that has to be understood is not")
    return Session(b"")


def _split(body: bytes, boundary: str) -> list[_Part]:
    """The parts between delimiter lines; what stands before the first and after the last is nobody's."""
    name = re.escape(boundary.encode("utf-8", "surrogateescape"))
    delimiter = re.compile(rb"(?:^|\r?\n)--" + name + rb"(--)?[ \t]*(?=\r?\n|$)")
    parts: list[_Part] = []
    start = -1
    for found in delimiter.finditer(body):
        if start >= 0:
            parts.append(_part(body[start : found.start()]))
        start = found.end()
        if found.group(1) or len(parts) == _MOST_PARTS:
            return parts
    if start >= 0:
        parts.append(_part(body[start:]))
    return parts


def _part(data: bytes) -> _Part:
    """One part; `data` begins with the end of its delimiter line. A part without headers is plain text."""
    split = _empty_line(data, 0, _HEAD_BYTES)
    head, body = (data[: split.start()], data[split.end() :]) if split is not None else (data, b"")
    fields: dict[str, str] = {}
    for line in _fold.sub(" ", head.decode("utf-8", "surrogateescape")).splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    return _Part(
        fields.get("content-type", "text/plain"),
        fields.get("content-disposition", ""),
        _token(fields.get("content-transfer-encoding", "")),
        body,
    )


def _token(value: str) -> str:
    """The word before the parameters, in lower case."""
    return value.partition(";")[0].strip(" \t").lower()
