"""Shares of a whole, as a bar with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

TONES = frozenset({"good", "warn", "bad", "info", "accent", "quiet"})


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a whole; `tone` is one of `TONES`."""

    name: str
    value: float
    tone: str


class StackedBar:
    """A bar divided among `Share`s, with a legend that has the numbers. `show` brings it up to date in place."""

    def __init__(self, shares: Sequence[Share], *, legend: bool = True, label: str = "") -> None:
        self._label = label
        self._bar = ui.element("div").classes("tl-bar").props("role=img")
        self._legend = ui.element("div").classes("tl-legend") if legend else None
        self._parts: list[ui.element] = []
        self._words: list[ui.label] = []
        self._build(shares)
        self.show(shares)

    def _build(self, shares: Sequence[Share]) -> None:
        with self._bar:
            self._parts = [ui.element("span").classes(f"tl-tone-{share.tone}") for share in shares]
        if self._legend is None:
            return
        with self._legend:
            for share in shares:
                with ui.element("span").classes("tl-legend-item"):
                    ui.element("span").classes(f"tl-dot tl-tone-{share.tone}")
                    self._words.append(ui.label())

    def show(self, shares: Sequence[Share]) -> None:
        """Show other values of the same shares, in the same order."""
        for part, share in zip(self._parts, shares, strict=True):
            part.style(f"flex: {max(share.value, 0):g} 1 0")
            part.visible = share.value > 0
        for word, share in zip(self._words, shares, strict=False):
            word.text = f"{share.name} {share.value:g}"
        spoken = ", ".join(f"{share.name} {share.value:g}" for share in shares)
        self._bar.props["aria-label"] = f"{self._label}: {spoken}" if self._label else spoken
