"""What a closed page leaves behind in memory."""

from __future__ import annotations

import gc
import weakref

from nicegui import Client, ui

from tieline.studio.release import release


async def test_a_closed_page_leaves_nothing_to_the_garbage_collector() -> None:
    """What each element is made of is freed when its page is, without a sweep."""
    client = Client(ui.page("/closed"))
    with client:
        label = ui.label("gone").classes("a").style("color: red").props("data-x=1")
        kept = [weakref.ref(part) for part in (label.classes, label.style, label.props)]
        ui.input("gone, too", on_change=lambda: None)
    gc.collect()
    gc.disable()
    try:
        del label
        release(client)
        client.delete()
        assert [one() for one in kept] == [None, None, None]
    finally:
        gc.enable()
