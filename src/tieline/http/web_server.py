"""The HTTP server: uvicorn as a part of our process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn

from tieline.http.connection import HttpConnection


class WebServer(uvicorn.Server):
    """uvicorn inside our loop: the signals are ours."""

    def __init__(self, app: object) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                http=HttpConnection,
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
