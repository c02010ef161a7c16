"""The HTTP server: uvicorn as a part of our process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import uvicorn

from tieline.http.app import HttpApp
from tieline.http.connection import HttpConnection


class WebServer(uvicorn.Server):
    """uvicorn inside our loop: the signals are ours. Of more than `most` connections the last are turned away."""

    def __init__(self, app: HttpApp, most: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(HttpConnection, most=most, full=app.full),  # type: ignore[arg-type]
                ws="websockets-sansio",
                ws_max_size=1 << 20,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                date_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield
