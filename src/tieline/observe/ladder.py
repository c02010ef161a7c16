"""A SIP ladder: who sent what to whom, as arrows between columns, for terminals, tests and plain text.

An entry is `{"at_ms": int, "direction": "in" | "out", "peer": "host:port", "leg": "caller" | "callee" | ..., "text":
first line + headers + body}`. The first peer stands left of Tieline, further ones (the legs of a bridge) right of it,
with the leg's name, for both legs may lead to one host. Headers that are not part of
every SIP message (X-..., Reason, User-to-User, ...) are shown under their arrow, because that is what people look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from tieline.model.record import Record

US = "Tieline"
COLUMN = 34
MARGIN = 12

SHOWN_HEADERS = frozenset(
    {
        "reason",
        "user-to-user",
        "refer-to",
        "referred-by",
        "retry-after",
        "warning",
        "diversion",
        "p-asserted-identity",
        "subscription-state",
    }
)
"""Standard headers that are shown beside the custom ones."""

SECRET_HEADERS = frozenset({"x-polyai-auth-token", "authorization", "proxy-authorization"})
"""Headers whose value is never shown."""

_NUMBER = re.compile(r"(?<![\w.])(\+?\d{5,})(\d{2})(?![\w.])")

Span = tuple[str, str]
"""Text and its rich style."""


class LadderMessage(Record):
    """One SIP message of a ladder, read only as far as a ladder needs."""

    at_ms: float
    incoming: bool
    peer: str
    first_line: str
    label: str
    headers: tuple[tuple[str, str], ...]
    body: str


def parse_entry(entry: Mapping[str, Any]) -> LadderMessage:
    """Read an entry. Whatever the text holds, this does not fail: a message that is no SIP is shown as it is."""
    text = _visible(str(entry.get("text", "")).replace("\r\n", "\n"))
    head, _, body = text.partition("\n\n")
    lines = head.split("\n")
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in {" ", "\t"} and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
        elif ":" in line:
            name, _, value = line.partition(":")
            headers.append((name.strip(), value.strip()))
    leg = _visible(str(entry.get("leg", "caller")))
    peer = _visible(str(entry.get("peer", "?")))
    return LadderMessage(
        at_ms=float(entry.get("at_ms", 0)),
        incoming=entry.get("direction") == "in",
        peer=peer if leg == "caller" else f"{peer} ({leg})",
        first_line=lines[0],
        label=_label(lines[0], headers),
        headers=tuple(headers),
        body=body,
    )


def _visible(text: str) -> str:
    """Control characters as escapes, so that a peer cannot write to our terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _label(first_line: str, headers: Sequence[tuple[str, str]]) -> str:
    """`INVITE`, `200 OK (INVITE)`: the method, or the answer with the method it answers."""
    if not first_line.startswith("SIP/2.0 "):
        return first_line.split(" ", 1)[0] or "(empty)"
    method = next(
        (value.split()[-1] for name, value in headers if name.lower() == "cseq" and value.split()), ""
    )
    answer = first_line[8:].strip()
    return f"{answer} ({method})" if method else answer


class Ladder:
    """A ladder ready to be shown.

    `redact` masks numbers and the values of custom headers; secrets (`SECRET_HEADERS` and `secret_headers`) are
    masked always.
    """

    def __init__(
        self,
        entries: Iterable[Mapping[str, Any]],
        *,
        redact: bool = False,
        secret_headers: Iterable[str] = (),
    ) -> None:
        self.messages = tuple(parse_entry(entry) for entry in entries)
        self._redact = redact
        self._secret = SECRET_HEADERS | {name.lower() for name in secret_headers}
        peers = list(dict.fromkeys(message.peer for message in self.messages))
        self.columns = [*peers[:1], US, *peers[1:]]

    def plain(self) -> str:
        """The ladder as plain text, lines without trailing blanks."""
        return "\n".join("".join(text for text, _ in spans).rstrip() for spans in self._lines())

    def rich(self) -> Text:
        """The ladder with colours."""
        text = Text()
        for number, spans in enumerate(self._lines()):
            if number:
                text.append("\n")
            for part, style in spans:
                text.append(part, style=style)
        return text

    def _lines(self) -> Iterable[list[Span]]:
        if not self.messages:
            yield [("no SIP messages were kept", "dim")]
            return
        yield [(" " * MARGIN, ""), *((f"{name:^{COLUMN}}", "bold") for name in self.columns)]
        yield [(" " * MARGIN + self._bars(), "dim")]
        origin = self.messages[0].at_ms
        seen: set[tuple[bool, str, str, tuple[tuple[str, str], ...]]] = set()
        for message in self.messages:
            key = (message.incoming, message.peer, message.first_line, message.headers)
            yield self._arrow(message, origin, again=key in seen)
            if key not in seen:
                for name, value in self._notes(message):
                    yield self._note(message, name, value)
            seen.add(key)

    def _bars(self) -> str:
        return "".join(f"{'│':^{COLUMN}}" for _ in self.columns)

    def _arrow(self, message: LadderMessage, origin: float, *, again: bool) -> list[Span]:
        ours, theirs = self.columns.index(US), self.columns.index(message.peer)
        left, right = sorted((ours, theirs))
        rightward = message.incoming == (theirs < ours)
        width = (right - left) * COLUMN - 1
        label = self._masked(message.label + (" (again)" if again else ""))[: width - 6]
        body = f" {label} ".center(width - 1, "─")
        bars = list(self._bars())
        start = left * COLUMN + (COLUMN - 1) // 2 + 1
        before, after = "".join(bars[:start]), "".join(bars[start + width :])
        arrow = f"{body}▶" if rightward else f"◀{body}"
        at = f"{(message.at_ms - origin) / 1000:+9.3f} s "
        return [(f"{at:<{MARGIN}}", "dim"), (before, "dim"), (arrow, _style(message)), (after, "dim")]

    def _note(self, message: LadderMessage, name: str, value: str) -> list[Span]:
        left = min(self.columns.index(US), self.columns.index(message.peer))
        start = left * COLUMN + (COLUMN - 1) // 2 + 1
        style = "magenta" if name.lower().startswith("x-") else "cyan"
        text = [(f"  {name}: ", f"bold {style}"), (value, style)] if name else [(f"  {value}", "dim")]
        return [(" " * MARGIN + self._bars()[:start], "dim"), *text]

    def _notes(self, message: LadderMessage) -> Iterable[tuple[str, str]]:
        for name, value in message.headers:
            lower = name.lower()
            if lower in self._secret:
                yield name, "(hidden)"
            elif lower.startswith("x-"):
                yield name, "(redacted)" if self._redact else value
            elif lower in SHOWN_HEADERS:
                yield name, self._masked(value)
        told = media_of(message.body) or _fragment(message)
        if told:
            yield "", self._masked(told)

    def _masked(self, text: str) -> str:
        return _NUMBER.sub(lambda m: "•" * len(m[1]) + m[2], text) if self._redact else text


def _style(message: LadderMessage) -> str:
    if not message.first_line.startswith("SIP/2.0 "):
        return "bold green"
    status = message.first_line[8:9]
    return {"1": "dim", "2": "green", "3": "yellow"}.get(status, "bold red")


def media_of(body: str) -> str:
    """One line that says what the SDP offers: address, port, formats and direction."""
    found = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", body, re.MULTILINE)
    if not found:
        return ""
    address = re.search(r"^c=IN IP[46] (\S+)", body, re.MULTILINE)
    direction = re.search(r"^a=(sendonly|recvonly|inactive)\s*$", body, re.MULTILINE)
    names = dict(re.findall(r"^a=rtpmap:(\d+) ([\w-]+)", body, re.MULTILINE)) | {"0": "PCMU", "8": "PCMA"}
    formats = ", ".join(names.get(number, number) for number in found[2].split())
    held = f", {direction[1]}" if direction else ""
    return f"SDP {address[1] if address else '?'}:{found[1]} {formats}{held}"


def _fragment(message: LadderMessage) -> str:
    """What a NOTIFY tells of a transfer: the first line of its SIP fragment (RFC 3420)."""
    kinds = [value.lower() for name, value in message.headers if name.lower() in {"content-type", "c"}]
    if not kinds or not kinds[0].startswith("message/sipfrag"):
        return ""
    return message.body.strip().partition("\n")[0][:COLUMN]


def render_ladder(entries: Iterable[Mapping[str, Any]], *, redact: bool = False) -> str:
    """The ladder of `entries` as plain text."""
    return Ladder(entries, redact=redact).plain()
