"""The first page: what is up, what went wrong lately, and a newcomer's first steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nicegui import ui

from tieline.admin.overview import FailedHandoffs, FirstStep, Overview
from tieline.admin.pools import PoolView
from tieline.admin.trunks import ListedTrunk
from tieline.calls.trunk_watch import TrunkState
from tieline.errors import TielineError
from tieline.model.conversation import RefusedCall
from tieline.model.pool import NumberState
from tieline.studio.frame import View, page
from tieline.studio.parts.cards import card, figure, grid, head
from tieline.studio.parts.gauges import Share, StackedBar
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, empty, note
from tieline.studio.parts.times import time

REFRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class _StepText:
    title: str
    text: str
    path: str


STEPS = {
    "project": _StepText(
        "Make a project", "An agent: its folder, or one that answers and holds calls.", "/projects"
    ),
    "trunk": _StepText(
        "Connect a trunk", "The SIP peer that sends calls: carrier, PBX or contact centre.", "/trunks"
    ),
    "pool": _StepText("Add a pool", "Numbers that carry context where no header gets through.", "/pools"),
    "destination": _StepText("Add a handoff", "Where callers go who need a person.", "/handoffs"),
    "api_key": _StepText("Make an API key", "For whoever reserves numbers or reads outcomes.", "/keys"),
    "test_call": _StepText("Place a test call", "From this browser, or by dialling a number.", "/test-call"),
    "twilio": _StepText("Connect Twilio", "If you bring numbers of your own from there.", "/twilio"),
}
"""What a newcomer does, by the key of `FirstStep`."""


@page("/", "Overview", icon="home")
async def home(view: View) -> None:
    """How things stand, kept up to date."""
    shown = _Home(view, await view.admin.overview.overview(view.who))

    async def refresh() -> None:
        try:
            shown.show(await view.admin.overview.overview(view.who))
        except TielineError:
            return  # signed out meanwhile: what is shown stays until the page is asked for anew

    refresh_every(REFRESH_S, refresh)


class _Home:
    """The page's parts, each built anew when what it shows has changed."""

    def __init__(self, view: View, found: Overview) -> None:
        self._view = view
        self._seen: dict[str, object] = {}
        self._places: dict[str, ui.element] = {}
        for name in ("alerts", "steps"):
            self._places[name] = ui.element("div").classes("tl-stack")
        with grid(200):
            with card(path="/live"):
                self._calls = figure("Calls now", "0", f"of {found.max_calls} at most")
            with card(path="/pools"):
                self._numbers = figure("Free numbers", "0", "clean, in all pools")
            with card(path="/trunks"):
                self._trunks = figure("Trunks", "0", "that calls may come from")
            with card(path="/conversations"):
                self._handoffs = figure("Handoffs", "0", "tried in the last 24 hours")
        with ui.element("div").classes("tl-columns"):
            for names in (("pools", "trunks"), ("refusals", "failed")):
                with ui.element("div").classes("tl-stack"):
                    for name in names:
                        self._places[name] = ui.element("section").classes("tl-card")
        self.show(found)

    def show(self, found: Overview) -> None:
        """Bring the page up to date."""
        self._calls.text = str(found.calls)
        free = sum(one.stats.by_state.get(NumberState.FREE_CLEAN, 0) for one in found.pools)
        self._numbers.text = str(free)
        self._trunks.text = str(len(found.trunks))
        self._handoffs.text = str(found.handoffs)
        parts: tuple[tuple[str, object, Callable[[], None]], ...] = (
            ("alerts", found.not_ready, lambda: _alerts(found.not_ready)),
            ("steps", found.steps, lambda: _steps(self._view, found.steps)),
            ("pools", found.pools, lambda: _pools(found.pools)),
            ("trunks", found.trunks, lambda: _trunks(found.trunks)),
            ("refusals", found.refusals, lambda: _refusals(found.refusals)),
            ("failed", (found.handoffs, found.failed_handoffs), lambda: _failed(found)),
        )
        for name, value, build in parts:
            if name in self._seen and self._seen[name] == value:
                continue
            self._seen[name] = value
            place = self._places[name]
            place.clear()
            with place:
                build()


def _alerts(reasons: Sequence[str]) -> None:
    if not reasons:
        return
    with note("No new calls are taken", tone=Tone.BAD):
        for reason in reasons:
            ui.label(reason)


def _steps(view: View, steps: Sequence[FirstStep]) -> None:
    """The checklist, until everything that a first call needs is done."""
    if all(one.done or one.optional for one in steps):
        return
    with card("First steps"):
        ui.label("In this order, the first call takes a few minutes.").classes("tl-muted")
        with ui.element("ol").classes("tl-steps"):
            for number, one in enumerate(steps, 1):
                text = STEPS[one.key]
                with ui.element("li").classes("tl-step"):
                    if one.done:
                        ui.icon("check_circle").classes("tl-step-done").props("aria-hidden=true")
                    else:
                        ui.label(str(number)).classes("tl-step-number").props("aria-hidden=true")
                    with ui.element("div"):
                        with ui.element("div").classes("tl-row"):
                            ui.link(text.title, text.path)
                            if one.done:
                                badge("done", Tone.GOOD)
                            elif one.optional:
                                badge("optional")
                        ui.label(text.text).classes("tl-muted tl-small")


def _pools(pools: Sequence[PoolView]) -> None:
    head("Pools")
    if not pools:
        empty(
            "dialpad",
            "No pools yet",
            "Numbers that are lent to one caller at a time.",
            "To the pools",
            "/pools",
        )
        return
    for one in pools:
        free = one.stats.by_state.get(NumberState.FREE_CLEAN, 0)
        with ui.element("div").classes("tl-section"):
            with ui.element("div").classes("tl-row"):
                ui.link(one.pool.name, f"/pools/{one.pool.name}").classes("tl-wrap")
                ui.label(one.project).classes("tl-muted tl-small")
                ui.space()
                if free == 0:
                    badge("full", Tone.BAD)
                ui.label(f"{free} of {one.stats.numbers} free").classes("tl-small tl-mono")
            StackedBar(_shares(one), legend=False, label=f"Numbers of {one.pool.name}")


def _shares(one: PoolView) -> list[Share]:
    tones = {
        NumberState.FREE_CLEAN: "good",
        NumberState.FREE_DIRTY: "info",
        NumberState.COOLING: "warn",
    }
    return [
        Share(state.value.replace("_", " "), one.stats.by_state.get(state, 0), tones.get(state, "accent"))
        for state in NumberState
    ]


STATE_TONES = {TrunkState.UP: Tone.GOOD, TrunkState.DOWN: Tone.BAD}


def _trunks(trunks: Sequence[ListedTrunk]) -> None:
    head("Trunks")
    if not trunks:
        empty(
            "settings_ethernet",
            "No trunks yet",
            "A SIP peer that calls come from.",
            "To the trunks",
            "/trunks",
        )
        return
    for one in trunks:
        with ui.element("div").classes("tl-row"):
            ui.link(one.name, f"/trunks/{one.name}").classes("tl-wrap")
            if one.state is None:
                badge("not watched")
            else:
                badge(one.state.value, STATE_TONES.get(one.state, Tone.QUIET))
            ui.space()
            if one.calls is not None:
                limit = f" of {one.max_calls}" if one.max_calls else ""
                ui.label(f"{one.calls}{limit} calls").classes("tl-small tl-mono")


def _refusals(refusals: Sequence[RefusedCall]) -> None:
    with head("Last refused calls"):
        if refusals:
            ui.link("All", "/refused")
    if not refusals:
        empty("verified", "No refused calls", "Every call that was sent here was let in.")
        return
    for one in refusals:
        with ui.element("div"):
            with ui.element("div").classes("tl-row"):
                badge(f"{one.refusal.status} {one.refusal.reason.value.replace('_', ' ')}", Tone.WARN)
                if one.count > 1:
                    ui.label(f"{one.count} times").classes("tl-small")
                ui.space()
                time(one.at, "ago").classes("tl-muted tl-small")
            failed = next((rule.detail for rule in reversed(one.refusal.rules) if not rule.held), "")
            ui.label(failed or one.source).classes("tl-muted tl-small tl-wrap")


def _failed(found: Overview) -> None:
    head("Failed handoffs, last 24 hours")
    if not found.failed_handoffs:
        text = "All that were tried went through." if found.handoffs else "None was tried."
        empty("call_split", "No failed handoffs", text)
        return
    for one in found.failed_handoffs:
        _failure(one, found.handoffs)


def _failure(one: FailedHandoffs, tried: int) -> None:
    with ui.element("div").classes("tl-row"):
        badge(one.reason.replace("_", " "), Tone.BAD)
        ui.space()
        ui.label(f"{one.times} of {tried} tried").classes("tl-small tl-mono")
