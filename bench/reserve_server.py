"""`tieline serve` with one more endpoint, the yardstick of `bench.reserve`: takes a JSON body, answers `{}`.

    python -m bench.reserve_server serve --config FILE --ready-file FILE

The endpoint stands beside Reserve DNI in the same server and is reached the same way, by a POST of the same bytes;
it reads the body whole and does nothing else: no key, no parsing, no store. It exists in this program only.
"""

from __future__ import annotations

from tieline import server
from tieline.cli import main
from tieline.http.app import HttpApp, create_app
from tieline.http.exchange import Receive, Scope, Send, correlation_id, read_body, send_json
from tieline.http.services import Services

EMPTY = "/bench/empty"
LARGEST = 65536


class EmptyEndpoint:
    """The ASGI handler of the yardstick."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, answer `{}`."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        await read_body(headers, receive, LARGEST)
        await send_json(send, 200, b"{}", correlation_id(headers))


def create_measured_app(services: Services) -> HttpApp:
    """The server's own application with the yardstick in it."""
    app = create_app(services)
    app.hot["POST", EMPTY] = EmptyEndpoint()
    return app


if __name__ == "__main__":
    server.create_app = create_measured_app  # type: ignore[attr-defined]
    main()
