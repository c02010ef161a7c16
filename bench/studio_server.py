"""`tieline serve` that also tells how late its event loop runs: the yardstick of `bench.studio`.

    python -m bench.studio_server serve --config FILE --ready-file FILE

`POST /bench/lag` answers what a timer of 5 ms has seen since it was last asked, in milliseconds:
`{"count": 200, "p50": 0.1, "p99": 3.2, "most": 12.5}`. The first request starts the timer. In this program only.
"""

from __future__ import annotations

import asyncio
import json
import time

from bench.media import percentile
from tieline import server
from tieline.cli import main
from tieline.http.app import HttpApp, create_app
from tieline.http.exchange import Receive, Scope, Send, correlation_id, read_body, send_json
from tieline.http.services import Services

LAG = "/bench/lag"
EVERY_S = 0.005
_BUCKETS_PER_S = 20_000
_BUCKETS = 2 * _BUCKETS_PER_S


class LagEndpoint:
    """The ASGI handler, and the timer that it asks."""

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self._most = 0.0
        self._due = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what was seen, and begin anew."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        await read_body(headers, receive, 1024)
        shares = {name: percentile(self._buckets, share) for name, share in (("p50", 0.5), ("p99", 0.99))}
        told = {"count": sum(self._buckets), **shares, "most": round(1000 * self._most, 2)}
        self._buckets, self._most = [0] * _BUCKETS, 0.0
        if not self._due:
            self._wait()
        await send_json(send, 200, json.dumps(told).encode(), correlation_id(headers))

    def _wait(self) -> None:
        self._due = time.monotonic() + EVERY_S
        asyncio.get_running_loop().call_later(EVERY_S, self._note)

    def _note(self) -> None:
        late = max(0.0, time.monotonic() - self._due)
        self._buckets[min(int(late * _BUCKETS_PER_S), _BUCKETS - 1)] += 1
        self._most = max(self._most, late)
        self._wait()


def create_measured_app(services: Services) -> HttpApp:
    """The server's own application with the yardstick in it."""
    app = create_app(services)
    app.hot["POST", LAG] = LagEndpoint()
    return app


if __name__ == "__main__":
    server.create_app = create_measured_app  # type: ignore[attr-defined]
    main()
