"""The messages of a project, one message with its history, and sending one by hand."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from tieline.admin.sms_views import SmsFilter
from tieline.errors import NotFound
from tieline.model.sms import SmsChange, SmsMessage, SmsState
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.pages.sms.send_form import SendForm
from tieline.studio.pages.sms.words import TONES
from tieline.studio.parts.cards import card, values
from tieline.studio.parts.dialogs import ask
from tieline.studio.parts.states import Tone, badge, tell
from tieline.studio.parts.tables import Column, table
from tieline.studio.parts.times import time

COLUMNS = (
    Column("at", "Time", "time", nowrap=True),
    Column("way", "Way"),
    Column("person", "Person", "mono", nowrap=True),
    Column("state", "State", "badge"),
    Column("text", "Text", sortable=False),
    Column("segments", "Segments", "number"),
)
AGAIN = frozenset({SmsState.FAILED, SmsState.UNDELIVERED, SmsState.REFUSED})
_SHOWN = 90


class MessageList:
    """The newest messages of one project, by number and state."""

    def __init__(self, view: View, project: str, number: str, state: str) -> None:
        self._view, self._project = view, project
        self._number = number.strip()
        self._state = SmsState(state) if state in set(SmsState) else None
        self._dialogs = ui.element("div")
        if view.may(Right.OPERATE):
            with view.heading.actions:
                ui.button("Send a message", icon="send", on_click=self._compose).props("unelevated")

    async def show(self) -> None:
        """The filter and the table."""
        view = self._view
        resources = await view.admin.resources.resources(view.who)
        project = next((one for one in resources.projects if one.slug == self._project), None)
        if project is None:
            raise NotFound(f"there is no project {self._project}")
        wanted = SmsFilter(
            account=project.account,
            project=project.id,
            number=self._number or None,
            state=self._state,
            limit=200,
        )
        found = await view.admin.sms.messages(view.who, wanted)
        self._filter()
        with card(flush=True):
            table(
                COLUMNS, [_row(one) for one in found], icon="sms", nothing="No messages",
                text="They are here when the agent has sent some, or somebody has written.", label="Messages",
                on_open=lambda key: ui.navigate.to(f"/sms/messages/{key}"),
            )  # fmt: skip

    def _filter(self) -> None:
        with ui.element("div").classes("tl-row"):
            number = ui.input("Number", value=self._number).props("outlined dense clearable autocomplete=off")
            states: dict[str, str] = {"": "Any state", **{one.value: one.value for one in SmsState}}
            state = ui.select(states, label="State", value=self._state.value if self._state else "")
            state.props("outlined dense options-dense").style("min-width: 150px")

            def search() -> None:
                query = {
                    "project": self._project, "tab": "messages", "number": number.value or "", "state": state.value,
                }  # fmt: skip
                ui.navigate.to(f"/sms?{urlencode({key: value for key, value in query.items() if value})}")

            number.on("keydown.enter", search)
            ui.button("Search", icon="search", on_click=search).props("outline")

    async def _compose(self) -> None:
        view, project = self._view, self._project
        self._dialogs.clear()
        with telling(), self._dialogs:
            listed = await view.admin.sms.templates(view.who, project)

            async def sent() -> None:
                ui.navigate.to(f"/sms?{urlencode({'project': project, 'tab': 'messages'})}")

            SendForm(view, project, listed, sent).open()


@page("/sms/messages/{message_id}", "Message", icon="sms")
async def message_page(view: View, message_id: str) -> None:
    """One message: who, what, how far it is, and what went wrong."""
    found = await view.admin.sms.message(view.who, message_id)
    resources = await view.admin.resources.resources(view.who)
    slug = next((one.slug for one in resources.projects if one.id == found.project), "")
    view.heading.crumbs(("SMS", f"/sms?{urlencode({'project': slug, 'tab': 'messages'})}"))
    view.heading.subtitle("Came in." if found.inbound else "Sent by us.")
    if found.state in AGAIN and not found.inbound and view.may(Right.OPERATE):
        with view.heading.actions:
            ui.button("Send again", icon="refresh", on_click=lambda: _retry(view, found)).props("unelevated")
    if found.detail:
        tone = {Tone.BAD: Tone.BAD, Tone.WARN: Tone.WARN}.get(TONES[found.state], Tone.INFO)
        title = f"Twilio's error {found.error_code}" if found.error_code else ""
        tell(title, found.detail, tone)
    with card("Message"):
        ui.label(found.content).classes("tl-wrap").style("white-space: pre-wrap")
        values(
            {
                "State": lambda: badge(found.state.value, TONES[found.state]),
                "To": found.to,
                "From": found.from_ or "the project's own number",
                "Environment": found.env.value,
                "Template": found.template,
                "Segments": str(found.segments),
                "Tries": str(found.attempts),
                "Twilio's id": found.provider_sid,
                "Next try": (lambda: time(found.next_at, "full")) if found.next_at else None,
                "Made": lambda: time(found.created_at, "full"),
            }
        )
        if found.conversation_id:
            ui.link("The call", f"/conversations/{found.conversation_id}")
    rows = [
        {"id": str(index), "at": one.at, "state": one.state.value, "state_tone": TONES[one.state].value,
         "detail": one.detail}
        for index, one in enumerate((*found.history, _now(found)))
    ]  # fmt: skip
    with card("History", flush=True):
        columns = (
            Column("at", "Time", "time"),
            Column("state", "State", "badge"),
            Column("detail", "What was said"),
        )
        table(columns, rows, icon="history", nothing="Nothing yet", label="History")


def _now(message: SmsMessage) -> SmsChange:
    return SmsChange(
        at=message.changed_at, state=message.state, error_code=message.error_code, detail=message.detail
    )


async def _retry(view: View, message: SmsMessage) -> None:
    sure = await ask(
        "Send it again?", "If the first one did arrive after all, they get it twice.", "Send again"
    )
    if not sure:
        return
    with telling():
        await view.admin.sms.retry(view.who, message.id)
        view.redraw()


def _row(one: SmsMessage) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": one.created_at,
        "way": "in" if one.inbound else "out",
        "person": one.person,
        "state": one.state.value,
        "state_tone": TONES[one.state].value,
        "text": one.content if len(one.content) <= _SHOWN else f"{one.content[:_SHOWN]}…",
        "text_sub": one.detail if one.state in AGAIN else "",
        "segments": one.segments,
    }
