"""The HTTP client that the SDK is given: asynchronous, bounded in time, and able to go to another base URL."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx

from tieline.errors import Unavailable
from tieline.integrations.twilio import sdk

TIMEOUT_S = 10.0
"""How long one request may take."""


class NotReached(Unavailable):
    """No connection was made: whatever was asked for has not happened."""


class ApiHttpClient:
    """Carries the SDK's requests, with all that it asks of an `AsyncHttpClient`.

    `base_url` takes the place of `https://<product>.twilio.com`, for tests and proxies. Raises `NotReached` when there
    is no connection, else `Unavailable` when Twilio does not answer in time. Nothing is logged: requests hold telephone
    numbers.
    """

    def __init__(self, base_url: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.is_async = True
        self._base_url = base_url.rstrip("/") if base_url else None
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Any:
        """One request, answered by the SDK's `Response` or given up."""
        if self._client is None:
            # No proxy and no .netrc of the environment: requests hold tokens and telephone numbers.
            self._client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False)
        try:
            async with asyncio.timeout(timeout or self._timeout_s):
                answer = await self._client.request(
                    method.upper(), self._at_base(uri), params=params, data=data, headers=headers, auth=auth,
                    follow_redirects=allow_redirects,
                )  # fmt: skip
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL):
            raise NotReached("Twilio's API cannot be reached; try again", retry_after_s=10) from None
        except (httpx.HTTPError, TimeoutError) as error:
            what = "did not answer in time" if _is_timeout(error) else "cannot be reached"
            raise Unavailable(f"Twilio's API {what}; try again", retry_after_s=10) from None
        return sdk.Response(answer.status_code, answer.text, answer.headers)

    def _at_base(self, uri: str) -> str:
        if self._base_url is None:
            return uri
        parts = urlsplit(uri)
        return f"{self._base_url}{parts.path}{f'?{parts.query}' if parts.query else ''}"

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, TimeoutError | httpx.TimeoutException)
