"""`tieline serve` with the yardsticks of `bench.reserve`: endpoints that take a JSON body and answer `{}`.

    python -m bench.reserve_server serve --config FILE --ready-file FILE

They stand beside Reserve DNI in the same server and are sent the same bytes; they read the body whole and do nothing
else: no key, no parsing, no store. One runs on bare ASGI as Reserve DNI does, the other as the server's ordinary
routes do, through FastAPI. They exist in this program only.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tieline import server
from tieline.cli import main
from tieline.http.app import HttpApp, create_app
from tieline.http.exchange import Receive, Scope, Send, correlation_id, read_body, send_json
from tieline.http.services import Services

EMPTY = "/bench/empty"
ORDINARY = "/bench/ordinary"
LARGEST = 65536


class EmptyEndpoint:
    """The ASGI handler of the yardstick."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, answer `{}`."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        await read_body(headers, receive, LARGEST)
        await send_json(send, 200, b"{}", correlation_id(headers))


async def answer_ordinarily(request: Request) -> Response:
    """The yardstick among the ordinary routes."""
    await request.body()
    return JSONResponse({})


def create_measured_app(services: Services) -> HttpApp:
    """The server's own application with the yardsticks in it."""
    app = create_app(services)
    app.hot["POST", EMPTY] = EmptyEndpoint()
    app.rest.add_api_route(ORDINARY, answer_ordinarily, methods=["POST"], response_model=None)
    return app


if __name__ == "__main__":
    server.create_app = create_measured_app  # type: ignore[attr-defined]
    main()
