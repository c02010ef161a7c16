"""Is the server alive, should it get work, and its metrics."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tieline.http.exchange import Receive, Scope, Send, correlation_id, send_json
from tieline.http.services import Services
from tieline.observe.metrics import CONTENT_TYPE

LIVE_PATH = "/health/live"
LIVE_BODY = b'{"status":"ok"}'


class Live:
    """`GET /health/live` on bare ASGI: says that the event loop turns; also the yardstick of the benches."""

    def __init__(self, services: Services) -> None:
        self._metrics = services.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once."""
        self._metrics.count_request("health", 200)
        await send_json(send, 200, LIVE_BODY, correlation_id(dict(scope["headers"])))


class HealthRoutes:
    """Readiness and metrics. Neither needs a key; both tell nothing about callers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ready(self, request: Request) -> Response:
        """`GET /health/ready`: 200, or 503 with the reasons."""
        health = self._services.health
        reasons = await health.reasons()
        # Not the detail of a trunk's health: addresses are nobody's business who has no key.
        trunks = {
            name: {"state": each.state, "registered": each.registered}
            for name, each in health.trunks().items()
        }
        answer = {"status": "not_ready" if reasons else "ready", "reasons": reasons, "trunks": trunks}
        return Response(
            msgspec.json.encode(answer), status_code=503 if reasons else 200, media_type="application/json"
        )

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics` in the Prometheus text format."""
        return Response(self._services.metrics.render(), headers={"content-type": CONTENT_TYPE})
