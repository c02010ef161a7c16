"""Reservations after they were made: look at one, list them, give one up; and the figures of a pool."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tieline.http.auth import authenticate, key_from_headers, key_project, require_scope
from tieline.http.exchange import json_response
from tieline.http.query import read_limit
from tieline.http.services import Services
from tieline.model.project import ApiKey, Scope
from tieline.model.reservation import Reservation

MAX_LISTED = 1000


class ReservationRoutes:
    """The handlers under `/v1/conversations/dni-reservation` and `/v1/pools`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def one(self, request: Request) -> Response:
        """`GET .../{reservation_id}`."""
        _, project = self._caller(request)
        found = await self._services.reservations.get(project, request.path_params["reservation_id"])
        return json_response(reservation_view(found, attributes=True))

    async def release(self, request: Request) -> Response:
        """`DELETE .../{reservation_id}`: 409 when a call has already arrived on it."""
        _, project = self._caller(request)
        released = await self._services.reservations.release(project, request.path_params["reservation_id"])
        return json_response(reservation_view(released, attributes=True))

    async def several(self, request: Request) -> Response:
        """`GET ...?pool=&limit=`: the newest reservations of the key's project."""
        pool = request.query_params.get("pool") or None
        _, project = self._caller(request, pool)
        limit = read_limit(request.query_params.get("limit"), 100, MAX_LISTED)
        found = await self._services.reservations.list(project, pool=pool, limit=limit)
        return json_response({"reservations": [reservation_view(one, attributes=False) for one in found]})

    async def pool_stats(self, request: Request) -> Response:
        """`GET /v1/pools/{pool}/stats`."""
        name = request.path_params["pool"]
        _, project = self._caller(request, name)
        stats = await self._services.reservations.stats(project, name)
        return json_response(msgspec.to_builtins(stats))

    def _caller(self, request: Request, pool: str | None = None) -> tuple[ApiKey, str]:
        services = self._services
        headers = dict(request.scope["headers"])
        key = authenticate(services.directory, key_from_headers(headers), services.clock, services.uses)
        require_scope(key, Scope.DNI_RESERVE)
        return key, key_project(services.directory, key, pool)


def reservation_view(reservation: Reservation, *, attributes: bool) -> dict[str, Any]:
    """The reservation as JSON."""
    view: dict[str, Any] = {
        "reservation_id": reservation.id,
        "dni": reservation.number,
        "pool": reservation.pool,
        "state": reservation.state,
        "epoch": reservation.epoch,
        "reserved_at": reservation.reserved_at,
        "expires_at": reservation.expires_at,
        "expected_caller": reservation.expected_caller,
        "caller_policy": reservation.caller_policy,
        "conversation_id": reservation.conversation_id,
        "sip_call_id": reservation.sip_call_id,
        "late": reservation.late,
    }
    if attributes:
        view["attributes"] = msgspec.Raw(reservation.attributes_json.encode())
    return view
