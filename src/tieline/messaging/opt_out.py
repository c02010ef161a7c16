"""Who wants messages, by the words that they send: STOP, START, HELP and what else stands for them."""

from __future__ import annotations

import re
from enum import StrEnum


class Keyword(StrEnum):
    """What a message asks for."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


WORDS: dict[Keyword, frozenset[str]] = {
    Keyword.STOP: frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}),
    Keyword.START: frozenset({"START", "YES", "UNSTOP"}),
    Keyword.HELP: frozenset({"HELP", "INFO"}),
}
"""The words that stand for each, alone in a message, in any case."""

_AROUND = re.compile(r"^[\s\W_]+|[\s\W_]+$")
_LONGEST = 32


_JOINED: dict[Keyword, frozenset[str]] = {
    Keyword.STOP: frozenset({"STOPALL", "OPTOUT"}),
    Keyword.START: frozenset(),
    Keyword.HELP: frozenset(),
}
"""Words that people write as two."""


def read_keyword(text: str, told: str | None = None) -> Keyword | None:
    """What a message asks for; None when it is an ordinary one. `told` is what the provider took it for, and wins."""
    if told is not None and told.upper() in WORDS:
        return Keyword(told.upper())
    if len(text) > _LONGEST:
        return None
    word = _AROUND.sub("", text).upper()
    folded = re.sub(r"[\s-]+", "", word)
    return next(
        (keyword for keyword, words in WORDS.items() if word in words or folded in _JOINED[keyword]), None
    )
