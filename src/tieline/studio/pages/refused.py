"""Refused calls: what came and was not let in, why, rule by rule, and what to do about it."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tieline.admin.call_words import REFUSALS
from tieline.admin.calls import RefusalFilter, RefusalView
from tieline.model.trunk import RefusalReason
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.pages.conversations.parts_of_call import rule_line
from tieline.studio.parts.cards import card, stack, titled_card, values
from tieline.studio.parts.states import Tone, badge, empty, note
from tieline.studio.parts.times import time

SHOWN = 50
NO_TRUNK = "(none)"


@page("/refused", "Refused calls", icon="phone_disabled", group=Group.ANALYZE, order=30)
async def refused(view: View) -> None:
    """The newest refused calls, by trunk, reason and source."""
    view.heading.subtitle(
        "Calls that were not let in, with the rules that failed and what to do. Repeats are counted."
    )
    wanted: dict[str, Any] = {}
    with card(), ui.element("div").classes("tl-filters"):
        trunk = ui.select(
            {"": "Any", **{name: name for name in view.admin.calls.trunks(view.who)}, NO_TRUNK: "None of ours"},
            label="Trunk", value="",
        )  # fmt: skip
        reasons = {"": "Any", **{one.value: REFUSALS[one].title for one in RefusalReason}}
        reason = ui.select(reasons, label="Reason", value="")
        source = ui.input("Source address").props("autocomplete=off clearable")
        for field in (trunk, reason, source):
            field.props("outlined dense options-dense")
    with stack() as box:
        pass

    async def show() -> None:
        with telling():
            asked = RefusalFilter(
                trunks=None if not trunk.value else (None if trunk.value == NO_TRUNK else trunk.value,),
                reason=RefusalReason(reason.value) if reason.value else None,
                source=(source.value or "").strip() or None,
                limit=wanted.get("limit", SHOWN),
            )
            found = await view.admin.calls.refused(view.who, asked)
            box.clear()
            with box:
                _list(found, asked)
                if len(found) == asked.limit:
                    ui.button("Show more", on_click=more).props("flat")

    async def more() -> None:
        wanted["limit"] = wanted.get("limit", SHOWN) + SHOWN
        await show()

    trunk.on_value_change(show)
    reason.on_value_change(show)
    source.on("keydown.enter", show)
    source.on("blur", show)
    source.on("clear", show)
    await show()


def _list(found: tuple[RefusalView, ...], asked: RefusalFilter) -> None:
    if not found:
        everything = asked == RefusalFilter(limit=asked.limit)
        with card():
            if everything:
                empty(
                    "phone_disabled", "No call was refused", "When one is, it is shown here with the reason."
                )
            else:
                empty("phone_disabled", "No refused call matches", "Choose another trunk, reason or source.")
    for one in found:
        _card(one)


def _card(view: RefusalView) -> None:
    call = view.call
    words = REFUSALS[call.refusal.reason]
    with titled_card(words.title) as beside:
        with beside:
            if call.count > 1:
                badge(f"{call.count} times", Tone.WARN)
            badge(f"{call.refusal.status} {call.refusal.phrase}", Tone.BAD)
        ui.label(words.text)
        values(
            {
                "At": lambda: time(call.at),
                "From": call.caller,
                "To": call.callee,
                "Source": call.source,
                "Trunk": call.trunk or "none of ours",
                "SIP Call-ID": call.sip_call_id,
            }
        )
        for rule in call.refusal.rules:
            rule_line(rule.rule, rule.detail, held=rule.held)
        if view.fixes:
            with note("What to do", tone=Tone.INFO):
                for fix in view.fixes:
                    ui.label(fix)
