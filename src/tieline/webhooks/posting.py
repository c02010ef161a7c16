"""One POST of an event to an endpoint, and what came of it in words."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import httpx
import msgspec

from tieline.model.webhook import Delivery, DeliveryAttempt, WebhookEndpoint
from tieline.webhooks.signing import HEADER, sign, valid_secrets
from tieline.webhooks.targets import TargetGuard, TargetRefused, place

TOTAL_S = 15.0
"""How long an attempt may take, from looking the name up to the answer's status line."""

ANSWER_S = 2.0
"""How long the answer's body is listened to after that."""

ANSWER_BYTES = 2048
"""How much of the answer's body is kept."""

TRIED = 3
"""How many of a host's addresses are tried."""

_TIMEOUT = httpx.Timeout(connect=5.0, read=TOTAL_S, write=TOTAL_S, pool=TOTAL_S)
_LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=30.0)


class PostResult(StrEnum):
    """What came of an attempt; a metric's label."""

    DELIVERED = "delivered"
    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Posted:
    """An attempt, which kind of result it was, and the answer's `Retry-After`."""

    attempt: DeliveryAttempt
    result: PostResult
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a receiver said."""

    status: int
    retry_after: str | None
    body: bytes


def body_of(delivery: Delivery) -> bytes:
    """The bytes that are posted: the event as JSON, the same at every attempt."""
    return msgspec.json.encode(delivery.event)


class Poster:
    """Posts to one endpoint as long as its URL stays the same, over connections that are its own.

    Requests name the checked address; certificate and `Host` are those of the URL's host. Connections are kept by
    address, so sharing them between endpoints could send one's events over another's TLS connection.
    """

    def __init__(
        self, guard: TargetGuard, tls: ssl.SSLContext, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._guard = guard
        self._wall = wall
        # No proxy and no .netrc of the environment: what connects is what was checked.
        self._client = httpx.AsyncClient(
            verify=tls, timeout=_TIMEOUT, limits=_LIMITS, trust_env=False, follow_redirects=False
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def post(self, endpoint: WebhookEndpoint, delivery: Delivery, now: datetime) -> Posted:
        """Post once. Whatever goes wrong is told in the attempt."""
        began = time.monotonic()
        answer: _Answer | None = None
        try:
            async with asyncio.timeout(TOTAL_S):
                answer = await self._exchange(endpoint, delivery, now)
            result, error = _judge(answer.status)
        except TargetRefused as refused:
            result, error = PostResult.REFUSED, refused.message
        except (TimeoutError, httpx.TimeoutException):
            result, error = PostResult.TIMED_OUT, f"no answer within {TOTAL_S:g} s"
        except httpx.RemoteProtocolError:
            result, error = PostResult.UNREACHABLE, "the connection was closed before a whole answer"
        except (OSError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as failed:
            result, error = PostResult.UNREACHABLE, f"no connection: {failed}"
        attempt = DeliveryAttempt(
            at=now,
            status=answer.status if answer is not None else None,
            error=error,
            duration_ms=round((time.monotonic() - began) * 1000, 1),
            answer=_excerpt(answer.body) if answer is not None else "",
        )
        return Posted(attempt, result, answer.retry_after if answer is not None else None)

    async def _exchange(self, endpoint: WebhookEndpoint, delivery: Delivery, now: datetime) -> _Answer:
        host, port = place(endpoint.url)
        url = httpx.URL(endpoint.url)
        found = await self._guard.addresses(host, port, allow_private=endpoint.allow_private)
        body = body_of(delivery)
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "Tieline-Webhooks/1",
            "Accept-Encoding": "identity",
            "Tieline-Event-Id": delivery.event.id,
            "Tieline-Event-Type": delivery.event.type.value,
            "Tieline-Delivery-Id": delivery.id,
            "Tieline-Attempt": str(len(delivery.attempts) + 1),
            HEADER: sign(body, valid_secrets(endpoint, now), int(self._wall())),
        }
        failure: httpx.TransportError | None = None
        for address in found[:TRIED]:
            request = self._client.build_request(
                "POST", url.copy_with(host=address), content=body, headers=headers,
                extensions={"sni_hostname": host},
            )  # fmt: skip
            try:
                response = await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
                failure = failed
                continue
            try:
                return _Answer(
                    response.status_code, response.headers.get("Retry-After"), await _listen(response)
                )
            finally:
                await response.aclose()
        raise failure or httpx.ConnectError("nothing to connect to")


async def _listen(response: httpx.Response) -> bytes:
    """The beginning of the answer's body; a receiver that keeps on talking, or stops, has answered all the same."""
    heard = bytearray()
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(ANSWER_S):
            async for part in response.aiter_raw():
                heard += part
                if len(heard) >= ANSWER_BYTES:
                    break
    return bytes(heard[:ANSWER_BYTES])


def _judge(status: int) -> tuple[PostResult, str | None]:
    """What a status means."""
    if 200 <= status < 300:
        return PostResult.DELIVERED, None
    if 300 <= status < 400:
        return PostResult.ANSWERED, f"answered {status}: redirects are not followed"
    return PostResult.ANSWERED, f"answered {status}"


def _excerpt(body: bytes) -> str:
    """An answer's body as a line or more of text, without control characters."""
    text = body.decode("utf-8", "replace")
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)
