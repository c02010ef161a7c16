"""What a scripted peer sent and heard, in order: to assert on, and to show as a ladder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tieline.observe.ladder import Ladder
from tieline.sip.errors import MessageMalformed
from tieline.sip.message import Request, Response, parse_message

_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)


def label_of(data: bytes) -> str:
    """A message in a word or two: `INVITE`, `200 INVITE`."""
    lines = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")
    if not lines[0].startswith("SIP/2.0 "):
        return lines[0].split(" ")[0]
    method = next((line.split(" ")[-1] for line in lines if line.lower().startswith("cseq:")), "?")
    return f"{lines[0][8:11]} {method}"


def call_id_of(data: bytes) -> str:
    """The Call-ID of a message, empty when it has none."""
    found = _CALL_ID.search(data)
    return found[1].decode("latin-1") if found else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. `sent` is seen from the peer; `lost` ones met a rule and never arrived."""

    at: float
    sent: bool
    data: bytes
    lost: bool = False
    message: Request | Response | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """`INVITE`, `200 INVITE`."""
        return label_of(self.data)

    def __str__(self) -> str:
        return f"{'>' if self.sent else '<'} {self.label}{' (lost)' if self.lost else ''}"


class Timeline:
    """The messages of a peer, oldest first. `>` is sent by the peer, `<` came to it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def note(self, at: float, data: bytes, *, sent: bool, lost: bool = False) -> Entry:
        """Take one message down."""
        message: Request | Response | None
        try:
            message = parse_message(data)
        except MessageMalformed:
            message = None
        entry = Entry(at, sent, data, lost, message)
        self.entries.append(entry)
        return entry

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def labels(self) -> list[str]:
        """`["> INVITE", "< 100 INVITE", ...]`."""
        return [str(entry) for entry in self.entries]

    def requests(self, method: str, *, sent: bool = False) -> list[Request]:
        """Requests of one method, repetitions left out."""
        found: dict[tuple[str, str], Request] = {}
        for entry in self.entries:
            message = entry.message
            if not isinstance(message, Request) or message.method != method or entry.lost:
                continue
            if entry.sent is sent:
                key = message.headers.get("Via") or "", message.headers.get("CSeq") or ""
                found.setdefault(key, message)
        return list(found.values())

    def statuses(self, method: str, *, sent: bool = False) -> list[int]:
        """The statuses of the responses to one method, in order, repetitions left out."""
        found: dict[tuple[str, str, int], int] = {}
        for entry in self.entries:
            message = entry.message
            if isinstance(message, Response) and entry.sent is sent and entry.label.endswith(f" {method}"):
                headers = message.headers
                key = headers.get("CSeq") or "", headers.get("To") or "", message.status
                found.setdefault(key, message.status)
        return list(found.values())

    def has(self, label: str) -> bool:
        """Whether `> INVITE` or `< 200 BYE`, say, is among the entries."""
        return label in self.labels()

    def ladder_entries(self, name: str) -> list[dict[str, Any]]:
        """In the shape that the ladder draws, seen from Tieline."""
        if not self.entries:
            return []
        first = self.entries[0].at
        return [
            {
                "at_ms": round((entry.at - first) * 1000, 1),
                "direction": "in" if entry.sent else "out",
                "peer": name,
                "text": entry.data.decode("utf-8", "replace"),
            }
            for entry in self.entries
        ]

    def ladder(self, name: str = "contact centre") -> str:
        """The whole as text, with the peer on the left."""
        return Ladder(self.ladder_entries(name)).plain()
