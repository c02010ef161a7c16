"""Reservation ids: a key that grows with time, and random bits, so that none is guessed from another.

The key is the microsecond at which the reservation was made, or the next number that is free; it is the reservation's
place in the table, and the id leads there without an index.
"""

from __future__ import annotations

import os
import re

_RANDOM_BYTES = 10
_ID = re.compile(r"rsv-([0-9a-f]{14})[0-9a-f]{20}")


class ReservationKeys:
    """Hands keys out in ascending order, none twice. `last` is the greatest one in use."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def take(self, count: int, stamp: int) -> int:
        """The first of `count` successive keys, `stamp` (microseconds since 1970) if that is free."""
        first = max(stamp, self.last + 1)
        self.last = first + count - 1
        return first


def new_reservation_ids(first: int, count: int) -> list[str]:
    """Ids for the keys from `first` on, 80 random bits each."""
    noise = os.urandom(_RANDOM_BYTES * count).hex()
    width = 2 * _RANDOM_BYTES
    return [f"rsv-{first + at:014x}{noise[at * width : (at + 1) * width]}" for at in range(count)]


def reservation_key(reservation_id: str) -> int:
    """The key in an id; -1, which no reservation has, for what is no id."""
    found = _ID.fullmatch(reservation_id)
    return -1 if found is None else int(found[1], 16)
