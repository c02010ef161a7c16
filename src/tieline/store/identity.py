"""Reservation ids: ordered by time, so that new rows go to the end of the table; random, so that none is guessed."""

from __future__ import annotations

import os
from datetime import datetime

from tieline.model.lease import LONG_AGO

_RANDOM_BYTES = 10


def new_reservation_ids(count: int, now: datetime) -> list[str]:
    """`count` fresh ids in ascending order of `now` (milliseconds), 80 random bits each."""
    millis = int((now - LONG_AGO).total_seconds() * 1000)
    noise = os.urandom(_RANDOM_BYTES * count).hex()
    width = 2 * _RANDOM_BYTES
    return [f"rsv-{millis:012x}{noise[at : at + width]}" for at in range(0, width * count, width)]
