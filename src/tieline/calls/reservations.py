"""Reservations as the server offers them: to clients by project, to calls by pool number."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Protocol

import msgspec

from tieline.clock import Clock
from tieline.errors import InvalidInput, NotFound
from tieline.model.attributes import MAX_BYTES, MAX_DEPTH, attributes_text
from tieline.model.number import canonical
from tieline.model.pool import CallerPolicy, Pool, PoolStats
from tieline.model.reservation import BindRequest, BindResult, Reservation, ReserveRequest
from tieline.store.base import ReservationStore

MAX_KEY = 255
"""The longest idempotency key."""

_LONGEST_TTL_S = 1e9
"""Beyond any pool's bound, and small enough to calculate with."""


class NoRoute(NotFound):
    """The project has no pool to reserve from."""

    code = "no_route"

    def __init__(self, **fields: object) -> None:
        super().__init__("no available route found", **fields)


class PoolDirectory(Protocol):
    """What reservations ask of the configured resources."""

    def pools_of(self, project_id: str) -> Sequence[Pool]:
        """The project's pools in configured order."""
        ...

    def pool(self, name: str) -> Pool | None:
        """The pool called `name`."""
        ...


class Reservations:
    """Chooses the pool, checks and canonicalises what came in, and lets the store decide.

    `directory` may be replaced at any time by one of newer resources.
    """

    def __init__(
        self,
        store: ReservationStore,
        directory: PoolDirectory,
        clock: Clock,
        *,
        max_attribute_bytes: int = MAX_BYTES,
        max_attribute_depth: int = MAX_DEPTH,
        default_region: str | None = None,
    ) -> None:
        self.directory = directory
        self._store = store
        self._clock = clock
        self._max_bytes = max_attribute_bytes
        self._max_depth = max_attribute_depth
        self._region = default_region

    # ------------------------------------------------------------------------------------------- for clients

    async def reserve(
        self,
        project: str,
        *,
        attributes: object,
        pool: str | None = None,
        ttl_s: object = None,
        expected_caller: object = None,
        caller_policy: object = None,
        idempotency_key: str | None = None,
    ) -> Reservation:
        """Reserve a number of the project (its id) for a caller whose call will carry `attributes` (parsed JSON).

        `ttl_s` is brought within the pool's bounds. The other values are checked as they came from the client.
        Raises `InvalidInput`, `NoRoute`, `PoolExhausted`, `IdempotencyMismatch` or `InFlight`.
        """
        request = ReserveRequest(
            project=project,
            attributes_json=attributes_text(attributes, max_bytes=self._max_bytes, max_depth=self._max_depth),
            pool=pool,
            ttl_s=None if ttl_s is None else _read_ttl(ttl_s),
            expected_caller=None if expected_caller is None else self._read_caller(expected_caller),
            caller_policy=None if caller_policy is None else _read_policy(caller_policy),
        )
        if idempotency_key is not None:
            if not 0 < len(idempotency_key) <= MAX_KEY:
                raise InvalidInput(f"Idempotency-Key must have 1 to {MAX_KEY} characters")
            request = msgspec.structs.replace(
                request, idempotency_key=idempotency_key, body_hash=_hash_request(request, attributes)
            )
        return await self._store.reserve(request, self._choose_pool(project, pool).name, self._clock.utc())

    async def release(self, project: str, reservation_id: str) -> Reservation:
        """Give a reservation up. Raises `NotFound`, or `Conflict` when its call has arrived."""
        return await self._store.release(reservation_id, project, self._clock.utc())

    async def get(self, project: str, reservation_id: str) -> Reservation:
        """One reservation of the project. Raises `NotFound`."""
        found = await self._store.reservation(reservation_id, self._clock.utc())
        if found is None or found.project != project:
            raise NotFound("no such reservation", reservation_id=reservation_id)
        return found

    async def list(self, project: str, *, pool: str | None = None, limit: int = 100) -> Sequence[Reservation]:
        """The project's newest reservations."""
        return await self._store.reservations(project, self._clock.utc(), pool=pool, limit=limit)

    async def stats(self, project: str, pool: str) -> PoolStats:
        """The state of one of the project's pools. Raises `NotFound`."""
        known = self.directory.pool(pool)
        if known is None or known.project != project:
            raise NotFound(f"no pool named {pool!r}", pool=pool)
        return await self._store.pool_stats(pool, self._clock.utc())

    # --------------------------------------------------------------------------------------------- for calls

    async def bind(self, request: BindRequest) -> BindResult:
        """An INVITE has come for a pool number: what it gets; a repeat gets the same."""
        return await self._store.bind(request, self._clock.utc())

    async def claim(self, bound: BindResult, *, verified_trunk: bool) -> bool:
        """The call was answered. It is verified by the pool's own trunk or by the expected caller's number."""
        reservation = bound.reservation
        if reservation is None:
            return False
        verified = verified_trunk or bound.caller_matched
        return await self._store.claim(
            reservation.id, reservation.epoch, self._clock.utc(), verified=verified
        )

    async def unbind(self, bound: BindResult) -> None:
        """Set-up failed before the answer: the reservation waits for the next attempt."""
        if bound.reservation is not None:
            await self._store.unbind(bound.reservation.id, bound.reservation.epoch, self._clock.utc())

    # ----------------------------------------------------------------------------------------------- inwards

    def _choose_pool(self, project: str, name: str | None) -> Pool:
        """The named pool of the project, or its first."""
        if name is None:
            for first in self.directory.pools_of(project):
                return first
        else:
            named = self.directory.pool(name)
            if named is not None and named.project == project:
                return named
        raise NoRoute(project=project, pool=name)

    def _read_caller(self, value: object) -> str:
        number = canonical(value, self._region) if isinstance(value, str) else None
        if number is None:
            raise InvalidInput("expected_caller must be a phone number", field="expected_caller")
        return number


def _read_ttl(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InvalidInput("ttl_s must be a positive number of seconds", field="ttl_s")
    return float(min(value, _LONGEST_TTL_S))


def _read_policy(value: object) -> CallerPolicy:
    try:
        return CallerPolicy(str(value))
    except ValueError:
        known = ", ".join(CallerPolicy)
        raise InvalidInput(f"caller_policy must be one of {known}", field="caller_policy") from None


def _hash_request(request: ReserveRequest, attributes: object) -> str:
    """What tells a replay from another request under the same key: everything asked for, keys in any order."""
    asked = (attributes, request.pool, request.ttl_s, request.expected_caller, request.caller_policy)
    return hashlib.blake2b(msgspec.json.encode(asked, order="deterministic"), digest_size=16).hexdigest()
