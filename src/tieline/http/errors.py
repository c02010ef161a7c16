"""HTTP errors: one table from our exceptions to status and code, and the two body shapes that clients know.

Reserve DNI answers `{"success": false, "error", "message", "code"}`; Get Handoff answers
`{"error_message", "code"}`. `code` is an addition of ours; everything else is the published contract.
"""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from tieline.errors import Conflict, InvalidInput, NotFound, TielineError, Unavailable

NO_ROUTE = "no available route found"
"""The message of 404 on which clients turn to their fall-back queue."""


class HttpError(Exception):
    """An answer other than 2xx. `headers` are added to the answer."""

    def __init__(
        self, status: int, code: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class ReserveErrorBody(msgspec.Struct, frozen=True):
    """The error body of the Reserve DNI API and of our own additions."""

    error: str
    message: str
    code: str
    success: bool = False


class HandoffErrorBody(msgspec.Struct, frozen=True):
    """The error body of the Get Handoff API."""

    error_message: str
    code: str


STATUS_OF: dict[type[TielineError], int] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
}
"""Status by exception class; the nearest ancestor counts. `STATUS_BY_CODE` is more particular."""

STATUS_BY_CODE: dict[str, int] = {
    "pool_exhausted": 404,
    "idempotency_mismatch": 422,
    "in_flight": 409,
    "attributes_too_large": 413,
}


def from_exception(error: TielineError) -> HttpError:
    """The answer for one of our own exceptions; what has no row in the tables is an internal error."""
    status = STATUS_BY_CODE.get(error.code)
    if status is None:
        status = next((STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF), 500)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        headers = ((b"retry-after", b"%d" % max(1, math.ceil(retry_after_s))),)
    if status == 500:
        return internal_error()
    return HttpError(status, error.code, error.message, headers)


def internal_error() -> HttpError:
    """The answer for a defect: it says nothing about the inside."""
    return HttpError(500, "internal_error", "internal error; the correlation id finds it in the log")


def error_response(error: HttpError, body: str | bytes, media_type: str = "application/json") -> Response:
    """The answer with its headers."""
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return Response(body, error.status, headers, media_type=media_type)


def reserve_body(error: HttpError) -> bytes:
    """The body in the shape of the Reserve DNI API."""
    return msgspec.json.encode(
        ReserveErrorBody(error=HTTPStatus(error.status).phrase, message=error.message, code=error.code)
    )


def handoff_body(error: HttpError) -> bytes:
    """The body in the shape of the Get Handoff API."""
    return msgspec.json.encode(HandoffErrorBody(error_message=error.message, code=error.code))
