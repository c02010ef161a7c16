"""A test call as it goes on: what is said, what ran, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nicegui import ui

from tieline.admin.test_calls import TestCallView, TestTurn
from tieline.gateway.studio_calls import StudioCallState
from tieline.model.handoff import HandoffPlan
from tieline.model.receipt import Receipt, ReceiptState, Step
from tieline.studio.parts.cards import values
from tieline.studio.parts.code import code_block
from tieline.studio.parts.states import Tone, badge, chip, note, tell

STATE_WORDS = {
    StudioCallState.CONNECTING: ("connecting", Tone.INFO),
    StudioCallState.RINGING: ("setting up", Tone.INFO),
    StudioCallState.TALKING: ("talking", Tone.GOOD),
    StudioCallState.ENDED: ("ended", Tone.QUIET),
}

OCCASIONS = {
    "start": "start function", "end": "end function", "handoff_failed": "the handoff failed",
    "bridge_ended": "the bridge ended",
}  # fmt: skip

STEP_TONES = {Step.FAILED: Tone.BAD, Step.SKIPPED: Tone.WARN, Step.DONE: Tone.GOOD, Step.ANSWERED: Tone.GOOD}

RECEIPT_TONES = {
    ReceiptState.DONE: Tone.GOOD,
    ReceiptState.FAILED: Tone.BAD,
    ReceiptState.UNDER_WAY: Tone.INFO,
}


class Transcript:
    """What was said and which functions ran, turn by turn; `show` adds what is new."""

    def __init__(self) -> None:
        self.box = ui.element("div").classes("tl-transcript").props('role=log aria-label="Transcript"')
        self._shown = 0
        with self.box:
            self._nothing = ui.label("Nothing has been said yet.").classes("tl-muted")

    def show(self, turns: Sequence[TestTurn]) -> None:
        """Add the turns that are not there yet."""
        for turn in turns[self._shown :]:
            self._nothing.visible = False
            with self.box:
                _turn(turn)
        if len(turns) > self._shown:
            self._shown = len(turns)
            ui.run_javascript(
                f"getElement({self.box.id}).lastElementChild?.scrollIntoView({{block: 'nearest'}})"
            )


def _turn(turn: TestTurn) -> None:
    with ui.element("div").classes("tl-talk"):
        if turn.channel not in OCCASIONS:
            said = "(hidden)" if turn.user_input is None else turn.user_input or "(nothing)"
            with ui.element("div").classes("tl-said tl-said-caller"):
                ui.label("Caller" if turn.channel == "text" else f"Caller, {turn.channel}").classes(
                    "tl-muted tl-small"
                )
                ui.label(said)
        if turn.utterance:
            with ui.element("div").classes("tl-said tl-said-agent"):
                ui.label("Agent").classes("tl-muted tl-small")
                ui.label(turn.utterance)
        with ui.element("div").classes("tl-row tl-ran"):
            occasion = OCCASIONS.get(turn.channel)
            if occasion is not None:
                ui.label(occasion).classes("tl-muted tl-small")
            for function in turn.functions:
                chip(f"{function['name']} {float(function['duration_ms']):.0f} ms")
                if function.get("error"):
                    badge(str(function["error"]), Tone.BAD)
        for entry in turn.logs:
            ui.label(f"{entry.get('level', 'info')}: {entry.get('content', '')}").classes(
                "tl-mono tl-small tl-wrap"
            )
        if turn.state:
            with ui.expansion("State after this turn").classes("tl-state"):
                code_block(json.dumps(turn.state, indent=2, ensure_ascii=False), wrap=True, label="State")


def ending(view: TestCallView) -> None:
    """How the call ended, its handoffs, and where the whole of it is."""
    if view.failure:
        tell("There was no call", view.failure, Tone.BAD)
    if view.refusal is not None:
        with note("The call was refused", f"{view.refusal.status} {view.refusal.phrase}", Tone.BAD):
            for rule in view.refusal.rules:
                ui.label(f"{rule.rule}: {rule.detail}").classes("tl-small")
    ended = view.termination
    if ended is not None:
        pairs: dict[str, Any] = {
            "Ended": str(ended["reason"]).replace("_", " "),
            "By": ended["fault"],
            "Detail": ended["detail"],
        }
        values({name: value for name, value in pairs.items() if value})
    for plan in view.planned:
        _planned(plan)
    for receipt in view.receipts:
        _receipt(receipt)


def _planned(plan: HandoffPlan) -> None:
    with note("Handoff, not carried out: text", "This is what would have been done.", Tone.WARN):
        values(
            {
                "Destination": plan.destination,
                "Method": plan.method.value.upper(),
                "Route": plan.route,
                "Headers": (lambda: _headers(plan.headers)) if plan.headers else None,
                "Left out": ", ".join(f"{name} ({why})" for name, why in plan.left_out) or None,
            }
        )


def _headers(headers: Sequence[tuple[str, str]]) -> None:
    for name, value in headers:
        ui.label(f"{name}: {value}").classes("tl-mono tl-wrap")


def _receipt(receipt: Receipt) -> None:
    with ui.element("div").classes("tl-section"):
        with ui.element("div").classes("tl-row"):
            ui.label("Handoff receipt").classes("tl-muted")
            badge(receipt.state.value.replace("_", " "), RECEIPT_TONES[receipt.state])
        with ui.element("ol").classes("tl-steps"):
            for step in receipt.steps:
                with ui.element("li"):
                    badge(step.step.value, STEP_TONES.get(step.step, Tone.QUIET))
                    named = f" to {step.destination}" if step.destination else ""
                    said = "; ".join(part for part in (step.detail, step.evidence or "") if part)
                    ui.label(f"{step.method.value.upper()}{named}{': ' + said if said else ''}").classes(
                        "tl-wrap"
                    )
