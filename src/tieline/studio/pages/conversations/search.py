"""Conversations: the list of calls, searched by what the address of the page says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from tieline.admin.call_words import ENDS, FAULTS
from tieline.admin.calls import CallPage, ConversationFilter, Cursor
from tieline.errors import InvalidInput
from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.environment import Environment
from tieline.studio.frame import Group, View, page
from tieline.studio.pages.conversations.words import number_or, outcome_of, talk_s
from tieline.studio.parts.cards import card, row
from tieline.studio.parts.states import empty, tell
from tieline.studio.parts.tables import Column, DataTable
from tieline.studio.parts.times import duration, iso, moment_field, viewers_zone

PATH = "/conversations"

ENDED: dict[str, str] = {
    "": "Any",
    "up": "Still up",
    "handed-off": "Handed off",
    "kept": "Not handed off",
    **{
        f"fault-{fault.value}": f"Fault: {text[:1].lower()}{text[1:].rstrip('.')}"
        for fault, text in FAULTS.items()
    },
    **{reason.value: words.title for reason, words in ENDS.items()},
}
"""What may be asked for of how calls ended."""

SPANS = {"": "Any time", "1": "Last hour", "24": "Last 24 hours", "168": "Last 7 days", "720": "Last 30 days"}
"""Times that calls started within, by hours."""

CHANNELS = {"": "Any", "sip.polyai": "SIP", "webchat.polyai": "Browser", "chat.polyai": "Text"}

_SPACE = re.compile(r"(?<=:\d\d) (?=\d\d:\d\d$)")
_PLACE = re.compile(r"([0-9T:.+Z-]{10,40})~([\w.@:-]{1,200})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page's address asks for."""

    q: str = ""
    project: str = ""
    ended: str = ""
    env: str = ""
    channel: str = ""
    within: str = ""
    start: str = ""
    end: str = ""
    older: str = ""
    newer: str = ""

    @property
    def path(self) -> str:
        """The address that asks for it."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name)}
        return f"{PATH}?{urlencode(told)}" if told else PATH

    def wanted(self, now: datetime) -> ConversationFilter:
        """As the admin functions take it. Raises `InvalidInput` for what nobody can mean."""
        ended = self.ended
        after = read_time(self.start)
        if self.within:
            if not self.within.isdigit():
                raise InvalidInput("the time is a number of hours")
            after = now - timedelta(hours=min(int(self.within), 10**6))
        return ConversationFilter(
            project=self.project or None,
            env=self.env or None,
            channel=self.channel or None,
            up=True if ended == "up" else None,
            handed_off={"handed-off": True, "kept": False}.get(ended),
            fault=_one_of(Fault, ended.removeprefix("fault-")) if ended.startswith("fault-") else None,
            reason=_reason(ended),
            after=after,
            before=read_time(self.end),
            older=read_place(self.older),
            newer=read_place(self.newer),
        )


def _reason(ended: str) -> TerminationReason | None:
    if ended in {"", "up", "handed-off", "kept"} or ended.startswith("fault-"):
        return None
    found: TerminationReason = _one_of(TerminationReason, ended)
    return found


def _one_of(kind: Any, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InvalidInput(f"calls do not end by {text!r}") from None


def read_time(text: str) -> datetime | None:
    """A moment from the page's address, in UTC where no zone is given. Raises `InvalidInput`.

    An offset's `+` that somebody typed there has become a space.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(_SPACE.sub("+", text))
    except ValueError:
        raise InvalidInput(f"{text!r} is no time like 2026-01-31T12:00+01:00") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def read_place(text: str) -> Cursor | None:
    """A place in the list from the page's address. Raises `InvalidInput`."""
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    at = read_time(found[1]) if found else None
    if found is None or at is None:
        raise InvalidInput("the address of this page is no longer whole: start the search again")
    return Cursor(at=at, id=found[2])


def place_text(place: Cursor | None) -> str:
    """A place as it stands in the page's address."""
    return "" if place is None else f"{iso(place.at)}~{place.id}"


@page(PATH, "Conversations", icon="forum", group=Group.ANALYZE, order=20)
async def conversations(
    view: View,
    q: str = "",
    project: str = "",
    ended: str = "",
    env: str = "",
    channel: str = "",
    within: str = "",
    start: str = "",
    end: str = "",
    older: str = "",
    newer: str = "",
) -> None:
    """A search form, a page of calls, and the way to the next."""
    asked = Asked(q, project, ended, env, channel, within, start, end, older, newer)
    names = view.admin.calls.projects(view.who)
    with card():
        _form(asked, names)
    try:
        found = await view.admin.calls.list(view.who, asked.wanted(view.services.clock.utc()), q)
    except InvalidInput as error:
        tell("This cannot be searched for", error.message)
        return
    with card(flush=True):
        _table(found, names)
        _steps(asked, found)


def _form(asked: Asked, names: Mapping[str, str]) -> None:
    """Every field leads to another address, so that a search can be kept and shared."""

    def go(**changed: str | None) -> None:
        told = {name: value or "" for name, value in changed.items()}
        ui.navigate.to(replace(asked, **{"older": "", "newer": "", **told}).path)

    with ui.element("div").classes("tl-filters"):
        find = ui.input("Number, shared id, SIP Call-ID or call id", value=asked.q).classes("tl-wide")
        find.props("outlined dense clearable autocomplete=off type=search name=q")
        find.on("keydown.enter", lambda: go(q=find.value))
        with find.add_slot("append"):
            ui.button(icon="search", on_click=lambda: go(q=find.value)).props(
                'flat round dense aria-label="Search"'
            )
        for name, label, options in (
            ("project", "Project", {"": "All", **names}),
            ("ended", "Ended", ENDED),
            ("within", "Started", SPANS),
            ("env", "Environment", {"": "Any", **{one.value: one.value for one in Environment}}),
            ("channel", "Channel", CHANNELS),
        ):
            _choice(name, label, options, getattr(asked, name), go)
        zone = viewers_zone()
        for name, label in (("start", "From"), ("end", "Until")):
            _moment(name, label, getattr(asked, name), zone, go)
    if asked != Asked():
        ui.link("Clear the search", PATH)


def _choice(name: str, label: str, options: Mapping[str, str], value: str, go: Any) -> None:
    shown = dict(options) if value in options else {**options, value: value}
    field = ui.select(shown, label=label, value=value, on_change=lambda event: go(**{name: event.value}))
    field.props("outlined dense options-dense")


def _moment(name: str, label: str, value: str, zone: tzinfo, go: Any) -> None:
    """The address gets what was entered with its offset: it means the same to whoever opens it elsewhere."""

    def entered(at: datetime | None) -> None:
        within = {"within": ""} if name == "start" and at is not None else {}
        go(**{name: "" if at is None else at.isoformat(timespec="minutes"), **within})

    try:
        at = read_time(value)
    except InvalidInput:
        at = None
    moment_field(label, at, zone, entered, last=name == "end")


def _table(found: CallPage, names: Mapping[str, str]) -> None:
    table = DataTable(
        [
            Column("started", "Started", "time", sortable=False),
            Column("caller", "From", "mono", sortable=False),
            Column("callee", "To", "mono", sortable=False),
            Column("project", "Project", sortable=False),
            Column("outcome", "Outcome", "badge", sortable=False),
            Column("talk", "Talk", "number", sortable=False),
            Column("shared_id", "Shared id", "mono", sortable=False),
        ],
        [_row(one, names) for one in found.calls],
        per_page=200,
        label="Calls",
        on_open=lambda key: ui.navigate.to(f"{PATH}/{key}"),
    )
    with table.when_empty():
        empty("forum", "No call matches", "Widen the search, or clear it.")


def _row(call: Conversation, names: Mapping[str, str]) -> dict[str, Any]:
    opened, outcome = call.opened, call.outcome
    word, tone, more = outcome_of(call)
    return {
        "id": opened.id,
        "started": opened.started_at,
        "caller": number_or(opened.caller_number, "withheld"),
        "caller_path": f"{PATH}/{opened.id}",
        "callee": opened.callee_number,
        "project": names.get(opened.project, opened.project),
        "project_sub": opened.env if opened.env != Environment.LIVE else "",
        "outcome": word,
        "outcome_tone": tone.value,
        "outcome_sub": more,
        "talk": duration(talk_s(call)),
        "shared_id": outcome.shared_id if outcome is not None and outcome.shared_id else opened.shared_id,
    }


def _steps(asked: Asked, found: CallPage) -> None:
    """Newer and older calls."""
    if found.newer is None and found.older is None:
        return
    with row() as box:
        box.style("padding: 8px 14px; justify-content: flex-end")
        for text, icon, place, name in (
            ("Newer", "chevron_left", found.newer, "newer"),
            ("Older", "chevron_right", found.older, "older"),
        ):
            path = replace(asked, **{"older": "", "newer": "", name: place_text(place)}).path
            button = ui.button(text, icon=icon, on_click=lambda path=path: ui.navigate.to(path)).props(
                "flat dense"
            )
            button.enabled = place is not None
