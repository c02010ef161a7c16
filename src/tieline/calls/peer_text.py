"""Text that a peer sent, in a form that can be stored and shown."""

from __future__ import annotations


def readable(text: str) -> str:
    """A text of a peer's that can be stored: what is not UTF-8 is replaced."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
