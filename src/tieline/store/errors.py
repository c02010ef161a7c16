"""What a store refuses, beyond the errors that every part shares."""

from __future__ import annotations

from tieline.errors import Conflict, InvalidInput, Unavailable


class PoolExhausted(Unavailable):
    """Every number of the pool is held; `retry_after_s` is when the next one becomes free by itself."""

    code = "pool_exhausted"

    def __init__(self, pool: str, *, retry_after_s: float) -> None:
        super().__init__("no available route found", retry_after_s=retry_after_s, pool=pool)


class IdempotencyMismatch(InvalidInput):
    """The idempotency key was used before, with another request."""

    code = "idempotency_mismatch"

    def __init__(self, key: str) -> None:
        super().__init__("this Idempotency-Key was used with a different request", key=key)


class InFlight(Conflict):
    """A request with this idempotency key is being carried out right now."""

    code = "in_flight"

    def __init__(self, key: str) -> None:
        super().__init__("a request with this Idempotency-Key is being carried out", key=key)


class StoreFailed(Unavailable):
    """The database could not commit; nothing of the request was stored."""

    code = "store_failed"
