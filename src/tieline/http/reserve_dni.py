"""`POST /v1/conversations/dni-reservation`: hold a number for one caller and the attributes of the call.

The busiest route, so it runs on bare ASGI: one key look-up, one strict parse, one call into the pool, one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from tieline.errors import InvalidInput, TielineError
from tieline.http import errors
from tieline.http.auth import KEY_HEADER, authenticate, key_project, require_scope
from tieline.http.errors import HttpError
from tieline.http.exchange import (
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
from tieline.model.pool import CallerPolicy
from tieline.model.project import Scope as KeyScope
from tieline.model.reservation import Reservation, ReserveRequest
from tieline.observe.logging import get_logger

PATH = "/v1/conversations/dni-reservation"
BODY_OVERHEAD = 16384
"""Room in the body beside the attributes: the other fields, and blanks between tokens."""

MAX_TEXT = 256
MAX_IDEMPOTENCY_KEY = 255

log = get_logger("http")


class ReservedDni(msgspec.Struct, frozen=True):
    """The answer: `dni` is the contract, the rest is ours. `expires_at` is ISO 8601 in UTC."""

    dni: str
    reservation_id: str
    expires_at: str
    ttl_s: float
    pool: str


class TooLarge(InvalidInput):
    """The attributes are larger than the setting allows."""

    code = "attributes_too_large"


class ReserveDni:
    """The ASGI handler of the route."""

    def __init__(self, services: Services) -> None:
        self._services = services
        http = services.settings.http
        self._max_bytes = http.attributes_max_bytes
        self._max_depth = http.attributes_max_depth
        self._max_body = http.attributes_max_bytes + BODY_OVERHEAD

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
        body = msgspec.json.encode(reserved_dni(reservation))
        extra = ((b"idempotency-replayed", b"true"),) if reservation.replayed else ()
        await send_json(send, 200, body, correlation, extra)

    async def _reserve(self, headers: Mapping[bytes, bytes], receive: Receive) -> Reservation:
        services = self._services
        key = authenticate(services.directory, headers.get(KEY_HEADER), services.clock.utc())
        require_scope(key, KeyScope.DNI_RESERVE)
        if services.health.draining:
            raise HttpError(503, "draining", "the server is shutting down", ((b"retry-after", b"5"),))
        check_json_type(headers)
        body = await read_body(headers, receive, self._max_body)
        fields = parse_json(body, self._max_depth + 1)
        idempotency_key = _idempotency_key(headers)
        request = self._request(
            fields, idempotency_key, lambda pool: key_project(services.directory, key, pool)
        )
        started = services.clock.monotonic()
        reservation = await services.reservations.reserve(request)
        services.metrics.observe("tieline_reserve_seconds", services.clock.monotonic() - started)
        return reservation

    def _request(self, fields: Any, idempotency_key: str | None, project_of: Any) -> ReserveRequest:
        if type(fields) is not dict:
            raise InvalidInput("the body must be a JSON object")
        attributes = fields.get("attributes")
        if type(attributes) is not dict:
            raise InvalidInput(
                "`attributes` must be a JSON object" if "attributes" in fields else "`attributes` is missing"
            )
        text = msgspec.json.encode(attributes)
        if len(text) > self._max_bytes:
            raise TooLarge(f"`attributes` are larger than {self._max_bytes} bytes")
        body_hash = None
        if idempotency_key is not None:
            body_hash = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
        if len(fields) == 1:  # the published contract, without our additions
            return ReserveRequest(
                project=project_of(None),
                attributes_json=text.decode(),
                idempotency_key=idempotency_key,
                body_hash=body_hash,
            )
        pool = _text(fields, "pool")
        return ReserveRequest(
            project=project_of(pool),
            attributes_json=text.decode(),
            pool=pool,
            ttl_s=_seconds(fields, "ttl_s"),
            expected_caller=_text(fields, "expected_caller"),
            caller_policy=_policy(fields),
            idempotency_key=idempotency_key,
            body_hash=body_hash,
        )

    def _refusal(self, error: Exception, correlation: bytes) -> HttpError:
        """The answer for `error`, counted and logged."""
        metrics = self._services.metrics
        if isinstance(error, HttpError):
            answer = error
        elif isinstance(error, TooLarge):
            answer = HttpError(413, error.code, error.message)
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
        expires_at=reservation.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        ttl_s=round(lease.total_seconds(), 3),
        pool=reservation.pool,
    )


def _idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    text = given.decode("latin-1").strip()
    if not 0 < len(text) <= MAX_IDEMPOTENCY_KEY or not text.isascii() or not text.isprintable():
        raise InvalidInput(f"`Idempotency-Key` must be 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")
    return text


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise InvalidInput(f"`{name}` must be a text of 1 to {MAX_TEXT} printable characters")
    return value


def _seconds(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise InvalidInput(f"`{name}` must be a number of seconds above 0")
    return float(value)


def _policy(fields: Mapping[str, Any]) -> CallerPolicy | None:
    value = _text(fields, "caller_policy")
    if value is None:
        return None
    try:
        return CallerPolicy(value)
    except ValueError:
        raise InvalidInput(f"`caller_policy` must be one of {', '.join(CallerPolicy)}") from None
