"""An event loop in a thread of its own, so that plain tests can drive asynchronous peers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class LoopThread:
    """Runs coroutines and functions in its loop, and waits for them. `close` ends it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="contact centres", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Result], within_s: float = 120.0) -> _Result:
        """The result of a coroutine. Raises what it raises, or `TimeoutError`."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within_s)

    def call(self, work: Callable[[], _Result]) -> _Result:
        """The result of a function that has to run in the loop."""

        async def carried() -> _Result:
            return work()

        return self.run(carried())

    def close(self) -> None:
        """Stop the loop and wait for the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
