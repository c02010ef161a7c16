"""`POST /v1/conversations/dni-reservation`: hold a number for one caller and the attributes of the call.

The busiest route, so it runs on bare ASGI: one key look-up, one strict parse, one call into the pool, one answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tieline.errors import InvalidInput, TielineError
from tieline.http import errors
from tieline.http.auth import KEY_HEADER, KeyGate, key_project
from tieline.http.errors import HttpError
from tieline.http.exchange import (
    RETRY_AFTER,
    ClientLeft,
    Receive,
    Scope,
    Send,
    check_json_type,
    correlation_id,
    read_body,
    send_json,
)
from tieline.http.json_input import parse_json
from tieline.http.services import Services
from tieline.model.project import Scope as KeyScope
from tieline.model.reservation import Reservation
from tieline.observe.logging import get_logger

PATH = "/v1/conversations/dni-reservation"
BODY_OVERHEAD = 16384
"""Room in the body beside the attributes: the other fields, and blanks between tokens."""

MAX_IDEMPOTENCY_KEY = 255

_encode = msgspec.json.Encoder().encode

log = get_logger("http")


class ReservedDni(msgspec.Struct, frozen=True):
    """The answer: `dni` is the contract, the rest is ours. `expires_at` becomes ISO 8601 in UTC."""

    dni: str
    reservation_id: str
    expires_at: datetime
    ttl_s: float
    pool: str


class ReserveDni:
    """The ASGI handler of the route."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._gate = KeyGate(KeyScope.DNI_RESERVE, services.clock, services.uses)
        self._max_body = services.settings.http.attributes_max_bytes + BODY_OVERHEAD

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure becomes a documented answer."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        correlation = correlation_id(headers)
        metrics = self._services.metrics
        try:
            reservation = await self._reserve(headers, receive)
        except ClientLeft:
            return
        except Exception as error:
            answer = self._refusal(error, correlation)
            metrics.count_request("reserve", answer.status)
            await send_json(send, answer.status, errors.reserve_body(answer), correlation, answer.headers)
            return
        metrics.count_request("reserve", 200)
        metrics.inc("tieline_reservations_total", "replayed" if reservation.replayed else "made")
        body = _encode(reserved_dni(reservation))
        extra = ((b"idempotency-replayed", b"true"),) if reservation.replayed else ()
        await send_json(send, 200, body, correlation, extra)

    async def _reserve(self, headers: Mapping[bytes, bytes], receive: Receive) -> Reservation:
        services = self._services
        directory = services.directory
        key = self._gate.check(directory, headers.get(KEY_HEADER))
        if services.health.draining:
            raise HttpError(503, "draining", "the server is shutting down", (RETRY_AFTER,))
        check_json_type(headers)
        body = await read_body(headers, receive, self._max_body)
        fields = parse_json(body)
        if type(fields) is not dict:
            raise InvalidInput("the body must be a JSON object")
        if "attributes" not in fields:
            raise InvalidInput("`attributes` is missing")
        pool = fields.get("pool")
        if pool is not None and type(pool) is not str:
            raise InvalidInput("`pool` must be the name of a pool")
        project = key.project or key_project(directory, key, pool)
        started = services.clock.monotonic()
        reservation = await services.reservations.reserve(
            project,
            attributes=fields["attributes"],
            pool=pool,
            ttl_s=fields.get("ttl_s"),
            expected_caller=fields.get("expected_caller"),
            caller_policy=fields.get("caller_policy"),
            idempotency_key=_idempotency_key(headers.get(b"idempotency-key")),
        )
        services.metrics.observe("tieline_reserve_seconds", services.clock.monotonic() - started)
        return reservation

    def _refusal(self, error: Exception, correlation: bytes) -> HttpError:
        """The answer for `error`, counted and logged."""
        metrics = self._services.metrics
        if isinstance(error, HttpError):
            answer = error
        elif isinstance(error, TielineError):
            answer = errors.from_exception(error)
        else:
            answer = errors.internal_error()
        if answer.status == 404:
            answer = HttpError(404, answer.code, errors.NO_ROUTE, answer.headers)
        if answer.status >= 500 and answer.code == "internal_error":
            log.error("= reserve failed", correlation_id=correlation.decode(), exc_info=_triple(error))
            metrics.inc("tieline_reservations_total", "failed")
        else:
            metrics.inc("tieline_reservations_total", "exhausted" if answer.status == 404 else "refused")
            log.debug("= reserve refused", correlation_id=correlation.decode(), code=answer.code)
        return answer


def _triple(error: Exception) -> tuple[type[Exception], Exception, Any]:
    return type(error), error, error.__traceback__


def reserved_dni(reservation: Reservation) -> ReservedDni:
    """The reservation as its maker sees it."""
    lease = reservation.expires_at - reservation.reserved_at
    return ReservedDni(
        dni=reservation.number,
        reservation_id=reservation.id,
        expires_at=reservation.expires_at,
        ttl_s=round(lease.total_seconds(), 3),
        pool=reservation.pool,
    )


def _idempotency_key(given: bytes | None) -> str | None:
    if given is None:
        return None
    text = given.decode("latin-1").strip()
    if not 0 < len(text) <= MAX_IDEMPOTENCY_KEY or not text.isascii() or not text.isprintable():
        raise InvalidInput(f"`Idempotency-Key` must be 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")
    return text
