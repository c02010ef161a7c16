"""What keeps a handoff from being tried at all."""

from __future__ import annotations


class UnplannableHandoff(Exception):
    """The request cannot be carried out; `reason` is a word for metrics, the text is for people.

    Reasons: `unknown_destination`, `no_destination`, `no_route`, `bad_route`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
