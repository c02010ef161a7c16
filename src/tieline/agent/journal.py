"""The log of one run: what `conv.log` and `print` said, bounded, with secrets struck out."""

from __future__ import annotations

import io
from math import isfinite
from typing import Any

from tieline.agent.messages import LogEntry
from tieline.agent.state import NotJson, to_json

MAX_ENTRIES = 1_000
"""Lines kept of one run; one more says that lines were left out."""
MAX_CHARACTERS = 256 * 1024
"""Characters kept of one run, over all lines."""
MAX_LINE = 8 * 1024
"""Characters kept of one line."""
STRUCK_OUT = "[withheld]"
MIN_SECRET = 3
"""Secrets and personal input shorter than this are not struck out: they would match ordinary text."""


class Journal:
    """Collects log entries; past the bounds it only counts. Texts in `withheld` are struck out of every line."""

    def __init__(self, withheld: list[str] | None = None) -> None:
        self.entries: list[LogEntry] = []
        self.dropped = 0
        self._characters = 0
        self._withheld = [text for text in withheld or () if len(text) >= MIN_SECRET]

    def add(
        self, level: str, content: object, *, is_pii: bool = False, fields: dict[str, Any] | None = None
    ) -> None:
        """Append a line unless the run has said too much already."""
        if len(self.entries) >= MAX_ENTRIES or self._characters >= MAX_CHARACTERS:
            self.dropped += 1
            return
        text = self.clean(content if isinstance(content, str) else str(content))
        plain = {key: self._field(key, value) for key, value in fields.items()} if fields else {}
        self._characters += len(text) + sum(len(str(value)) for value in plain.values())
        self.entries.append(LogEntry(level=level, content=text, is_pii=bool(is_pii), fields=plain))

    def clean(self, text: str) -> str:
        """`text` cut to a line's length, storable, and without the project's secrets."""
        if len(text) > MAX_LINE:
            text = text[:MAX_LINE] + "..."
        for secret in self._withheld:
            if secret in text:
                text = text.replace(secret, STRUCK_OUT)
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()
        return text

    def close(self) -> list[LogEntry]:
        """The entries, with a last one that says how many lines were left out."""
        if self.dropped:
            note = f"{self.dropped} further log lines were left out."
            self.entries.append(LogEntry(level="warning", content=note))
        return self.entries

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if value is None or isinstance(value, bool | int | float):
            return str(value) if isinstance(value, float) and not isfinite(value) else value
        try:
            plain = to_json(value, key)
        except NotJson:
            return self.clean(repr(value))
        return plain if not self._withheld and len(repr(plain)) < MAX_LINE else self.clean(repr(plain))


class JournalWriter(io.TextIOBase):
    """Stands in for `sys.stdout` and `sys.stderr` during a run: whole lines go to the journal."""

    def __init__(self, journal: Journal, level: str = "print") -> None:
        super().__init__()
        self._journal = journal
        self._level = level
        self._partial = ""

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str, /) -> int:
        """Take `text`; lines are logged as they are completed."""
        if "\n" in text:
            *lines, rest = (self._partial + text).split("\n")
            self._partial = rest[:MAX_LINE]
            for line in lines:
                if line:
                    self._journal.add(self._level, line)
        elif len(self._partial) < MAX_LINE:
            self._partial += text[:MAX_LINE]
        return len(text)

    def log(self, level: str, content: object, *, is_pii: bool, fields: dict[str, Any]) -> None:
        """Add a line of the given level: where `plog` finds the run it belongs to."""
        self._journal.add(level, content, is_pii=is_pii, fields=fields)

    def finish(self) -> None:
        """Log what was written without a newline."""
        if self._partial:
            self._journal.add(self._level, self._partial)
            self._partial = ""
