"""A telephone in the browser: microphone and loudspeaker by WebRTC, with levels and the keyboard as keypad."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

KEYPAD = ("123", "456", "789", "*0#")

_NAMES = {"*": "star", "#": "pound"}


class Phone(Element, component="phone.js"):
    """`on_offer` is given the browser's SDP after `dial`, and the answer goes to `accept`.

    `on_trouble` is told in words why there is no call, `on_key` of keys on the keyboard, `on_gone` that the connection
    is gone.
    """

    def __init__(
        self,
        on_offer: Callable[[str], Awaitable[None]],
        on_trouble: Callable[[str], Awaitable[None]],
        on_key: Callable[[str], None],
        on_gone: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__()

        async def offered(event: GenericEventArguments) -> None:
            await on_offer(str(event.args))

        async def troubled(event: GenericEventArguments) -> None:
            await on_trouble(str(event.args)[:300])

        self.on("offer", offered)
        self.on("trouble", troubled)
        self.on("gone", lambda _: on_gone())
        self.on("key", lambda event: on_key(str(event.args)[:1]))

    @property
    def shown(self) -> bool:
        """Whether the levels are shown. Events count also while they are not, as those of hidden elements do not."""
        return "hidden" not in self.classes

    @shown.setter
    def shown(self, shown: bool) -> None:
        self.classes(remove="hidden") if shown else self.classes("hidden")

    def dial(self) -> None:
        """Ask for the microphone and make an offer."""
        self.run_method("dial")

    def accept(self, answer: str) -> None:
        """The server's SDP."""
        self.run_method("accept", answer)

    def mute(self, muted: bool) -> None:
        """Send silence, or the microphone again."""
        self.run_method("mute", muted)

    def hang_up(self) -> None:
        """Give microphone and connection back."""
        self.run_method("hangUp")


def keypad(press: Callable[[str], Any]) -> ui.element:
    """The twelve keys of a telephone."""
    with ui.element("div").classes("tl-keypad").props('role=group aria-label="Keypad"') as box:
        for row in KEYPAD:
            for key in row:
                button = ui.button(key, on_click=lambda key=key: press(key)).props("outline")
                button.props(f'aria-label="Key {_NAMES.get(key, key)}"')
    return box
