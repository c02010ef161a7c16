"""When a delivery is tried, and when it has failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tieline.model.webhook import DeliveryState

DELAYS_S = (60.0, 300.0, 900.0, 3600.0, 14400.0)
"""How long after each failed attempt the next one is made; the first is made at once."""

ATTEMPTS = len(DELAYS_S) + 1
"""Attempts after which a delivery has failed."""

LONGEST_WAIT_S = DELAYS_S[-1]
"""Most that a receiver can put an attempt off by `Retry-After`."""

GONE = 410
"""The answer of a receiver that wants no more of it: the delivery has failed at once."""

PUT_OFF = frozenset({429, 503})
"""Answers whose `Retry-After` is heeded."""


def settle(
    status: int | None, retry_after: str | None, made: int, now: datetime
) -> tuple[DeliveryState, datetime | None]:
    """What becomes of a delivery after attempt number `made` (from 1) was answered so; `status` None: it was not."""
    if status is not None and 200 <= status < 300:
        return DeliveryState.DELIVERED, None
    if status == GONE or made >= ATTEMPTS:
        return DeliveryState.FAILED, None
    wait_s = DELAYS_S[made - 1]
    if status in PUT_OFF:
        wait_s = max(wait_s, min(read_retry_after(retry_after, now), LONGEST_WAIT_S))
    return DeliveryState.WAITING, now + timedelta(seconds=wait_s)


def read_retry_after(value: str | None, now: datetime) -> float:
    """Seconds from now that a `Retry-After` asks for (a number or an HTTP date); 0 for what is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)
