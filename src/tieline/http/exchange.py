"""One HTTP exchange on bare ASGI: bounded bodies, JSON answers, correlation ids."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec
from starlette.responses import Response

from tieline.http.errors import HttpError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiHandler = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = tuple[tuple[bytes, bytes], ...]

CORRELATION_HEADER = b"x-correlation-id"
RETRY_AFTER = (b"retry-after", b"5")
CLOSE = (b"connection", b"close")
_SANE_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,128}")
_PROCESS_ID = os.urandom(12).hex().encode()
_counter = itertools.count(1)
_CONTENT_TYPE = (b"content-type", b"application/json")


class ClientLeft(Exception):
    """The client went away before its body was read."""


def correlation_id(headers: Mapping[bytes, bytes]) -> bytes:
    """The client's own id when it is harmless, else a new one."""
    given = headers.get(CORRELATION_HEADER)
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return b"%s-%x" % (_PROCESS_ID, next(_counter))


def check_json_type(headers: Mapping[bytes, bytes]) -> None:
    """Raises `HttpError` 415 unless the body is declared as plain JSON in UTF-8 (or not declared at all)."""
    if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
        raise HttpError(415, "unsupported_encoding", "compressed bodies are not accepted")
    declared = headers.get(b"content-type")
    if declared is None or declared == b"application/json":
        return
    kind, _, parameters = declared.lower().partition(b";")
    kind = kind.strip()
    good_kind = kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
    charset = re.search(rb"charset\s*=\s*\"?([\w-]+)", parameters)
    if not good_kind or (charset is not None and charset[1] not in {b"utf-8", b"utf8"}):
        raise HttpError(415, "unsupported_media_type", "the body must be application/json in UTF-8")


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `HttpError` 413 as soon as it is known to exceed `limit` bytes."""
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and (len(declared) > 12 or int(declared) > limit):
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientLeft
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def _too_large(limit: int) -> HttpError:
    return HttpError(413, "body_too_large", f"the body is larger than {limit} bytes", (CLOSE,))


def json_response(value: object) -> Response:
    """An answer of 200 in JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")


async def send_json(
    send: Send, status: int, body: bytes, correlation: bytes, headers: RawHeaders = ()
) -> None:
    """Answer with a JSON body that is already encoded."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                _CONTENT_TYPE,
                (b"content-length", b"%d" % len(body)),
                (CORRELATION_HEADER, correlation),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
