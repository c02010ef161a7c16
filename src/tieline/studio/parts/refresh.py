"""Keeping what is shown up to date, as long as somebody looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui


def refresh_every(
    seconds: float, show: Callable[[], Awaitable[None]], *, immediate: bool = False
) -> ui.timer:
    """Call `show` every so often: not while the page is hidden, at once when it is seen again, never when it is gone.

    What `show` raises is for it to handle: `with telling():` would show a message each time.
    """
    client = ui.context.client

    async def tick() -> None:
        if client.has_socket_connection:
            await show()

    timer = ui.timer(seconds, tick, immediate=immediate)

    async def seen(event: object) -> None:
        if timer.is_deleted:
            return  # the page was drawn anew, with a timer of its own
        visible = bool(getattr(event, "args", True))
        timer.active = visible
        if visible:
            await tick()

    ui.on("tieline_visible", seen)
    return timer
