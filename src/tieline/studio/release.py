"""What a closed page leaves behind in memory."""

from __future__ import annotations

from nicegui import Client


def release(client: Client) -> None:
    """Let the elements of a page that is gone be freed at once.

    The classes, style and props of each element hold a method of their own as the handler of their changes. Left to the
    garbage collector, these circles of some pages (hundreds of thousands of objects) stop the calls' event loop for
    several tenths of a second in one sweep.
    """
    for element in client.elements.values():
        for part in (element.classes, element.style, element.props):
            part._change_handlers.clear()
