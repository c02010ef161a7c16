"""HTTP exchanges that remember what was said, so that they can be shown."""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. `body` and `answer` are JSON values; `key` is shown by its first characters."""

    method: str
    path: str
    key: str
    body: Any
    status: int
    phrase: str
    answer: Any


async def exchange(base: str, method: str, path: str, key: str, body: Any = None) -> Exchange:
    """Send one request with an API key and read the JSON answer."""
    return await asyncio.to_thread(exchange_now, base, method, path, key, body)


def exchange_now(base: str, method: str, path: str, key: str, body: Any = None) -> Exchange:
    """The same without a loop: the thread waits."""
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=70)
    try:
        headers = {"x-api-key": key, "Accept": "application/json"}
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body)
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        text = response.read()
        answer = json.loads(text) if text else None
        return Exchange(method, path, key, body, response.status, response.reason, answer)
    finally:
        connection.close()
