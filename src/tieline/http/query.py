"""Parameters of queries, as the routes share them."""

from __future__ import annotations

from datetime import datetime

from tieline.errors import InvalidInput


def read_limit(given: str | None, default: int, most: int) -> int:
    """The value of `?limit=`. Raises `InvalidInput` when it is no whole number from 1 to `most`."""
    if given is None or not given:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 6 or not 1 <= int(given) <= most:
        raise InvalidInput(f"`limit` must be a whole number from 1 to {most}")
    return int(given)


def read_time(text: str) -> datetime | None:
    """Any form of ISO 8601, in whose zone the `+` may have become a space; None when it is none."""
    try:
        return datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
