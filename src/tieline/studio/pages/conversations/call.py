"""One call: who, why, what was said, how it was handed over, its SIP messages, its sound. Follows one that is up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from tieline.admin.call_words import reason_words
from tieline.admin.calls import CallView
from tieline.calls.live import LiveCall
from tieline.errors import TielineError
from tieline.model.conversation import Conversation
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.pages.conversations import parts_of_call as parts
from tieline.studio.pages.conversations.ladder import LadderView
from tieline.studio.pages.conversations.outgoing import Outgoing
from tieline.studio.pages.conversations.search import PATH
from tieline.studio.pages.conversations.transcript import Transcript
from tieline.studio.pages.conversations.words import outcome_of
from tieline.studio.parts.cards import card, columns, stack, values
from tieline.studio.parts.dialogs import ask
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import badge, tell
from tieline.studio.parts.times import duration


@page(PATH + "/{call_id}", "Call", icon="call")
async def call(view: View, call_id: str) -> None:
    """The whole page is drawn anew when the call ends; until then new turns are added to it."""
    found = await view.admin.calls.call(view.who, call_id)
    view.heading.crumbs(("Conversations", PATH))
    following = Following(view, call_id, found)
    with telling():
        await following.outgoing.refresh()
    if found.live is not None or found.conversation is None or found.conversation.closed is None:
        refresh_every(1.0, following.refresh)


class Following:
    """The page's content, brought up to date as the call goes on."""

    def __init__(self, view: View, call_id: str, found: CallView) -> None:
        self._view = view
        self._id = call_id
        self._ended = False
        self._stored = False
        self._live: dict[str, ui.label] = {}
        self._transcript: Transcript | None = None
        self._sound: parts.LiveSound | None = None
        self._ladder: LadderView | None = None
        self._receipts: ui.element | None = None
        self._steps = 0
        self._box = ui.element("div").classes("tl-stack")
        self.outgoing = Outgoing(view, call_id)
        self._draw(found)

    async def refresh(self) -> None:
        """Look again; of a call that has ended, only at what is still being sent about it."""
        try:
            await self.outgoing.refresh()
            if self._ended:
                return
            found = await self._view.admin.calls.call(self._view.who, self._id)
        except TielineError:
            return  # refused before it was stored, or no longer theirs: what is shown stays
        call = found.conversation
        if call is not None and (call.closed is not None or not self._stored):
            self._draw(found)
            return
        if call is not None and self._transcript is not None:
            self._transcript.show(call.turns)
            self._show_handoffs(call)
        if found.live is not None:
            self._show_live(found.live)
        if self._ladder is not None and len(found.ladder) != self._ladder.count:
            self._ladder.show(found.ladder)

    # -- drawing ----------------------------------------------------------------------------------------------

    def _draw(self, found: CallView) -> None:
        call = found.conversation
        self._ended = call is not None and call.closed is not None
        self._stored = call is not None
        self._live = {}
        self._sound = None
        self._heading(found)
        self._box.clear()
        with self._box:
            if found.redacted:
                tell(
                    "Personal data are hidden",
                    "Numbers are masked; what was said, attributes and header values are left out. An owner can give"
                    " you the right to see them.",
                )
            if call is not None:
                parts.end_note(call)
            if found.live is not None and not self._ended:
                self._draw_live(found.live)
            if call is not None:
                self._draw_stored(call, found.ladder)

    def _heading(self, found: CallView) -> None:
        heading, call = self._view.heading, found.conversation
        source = call.opened if call is not None else None
        caller = source.caller_number if source is not None else found.live.caller if found.live else None
        heading.title(f"Call from {caller or 'a withheld number'}")
        heading.actions.clear()
        with heading.actions:
            if call is not None:
                word, tone, _ = outcome_of(call)
                badge(word, tone)
            if not self._ended and self._view.may(Right.OPERATE):
                ui.button("Hang up", icon="call_end", on_click=self._hang_up).props("outline color=negative")
            if self._ended:
                self._export_menu()

    def _export_menu(self) -> None:
        with ui.button("Export", icon="download").props("outline"), ui.menu().props("auto-close"):
            ui.menu_item("Without personal data", on_click=lambda: self._export(False)).props("role=menuitem")
            if self._view.may(Right.PERSONAL_DATA):
                ui.menu_item("With personal data", on_click=lambda: self._export(True)).props("role=menuitem")

    async def _export(self, personal: bool) -> None:
        with telling():
            packed = await self._view.admin.calls.export(self._view.who, self._id, personal=personal)
            ui.download.content(packed, f"call-{self._id}.zip", "application/zip")

    async def _hang_up(self) -> None:
        if await ask(
            "Hang up this call?",
            "The caller hears nothing more from us: BYE is sent at once.",
            "Hang up",
            danger=True,
        ):
            with telling():
                await self._view.admin.calls.hang_up(self._view.who, self._id)
                ui.notify("The call is being ended.")

    def _draw_live(self, live: LiveCall) -> None:
        def line(name: str) -> ui.label:
            self._live[name] = ui.label()
            return self._live[name]

        with card("Now"):
            names = ("State", "Up for", "Flow and step", "Heard last", "Said last")
            values({name: (lambda name=name: line(name)) for name in names})
        self._sound = parts.LiveSound()
        self._show_live(live)

    def _show_live(self, live: LiveCall) -> None:
        if self._sound is not None:
            self._sound.show(live.sound)
        now = self._view.services.clock.utc()
        for name, text in (
            ("State", reason_words(live.state)),
            ("Up for", duration(round((now - live.started_at).total_seconds()))),
            ("Flow and step", " / ".join(part for part in (live.flow, live.step) if part) or "–"),
            ("Heard last", live.heard or "–"),
            ("Said last", live.said or "–"),
        ):
            if name in self._live and self._live[name].text != text:
                self._live[name].text = text

    def _show_handoffs(self, call: Conversation) -> None:
        """The receipts, drawn anew when a step has come."""
        steps = sum(len(receipt.steps) for receipt in call.receipts)
        if self._receipts is not None and steps != self._steps:
            self._steps = steps
            self._receipts.clear()
            with self._receipts:
                parts.handoffs(call)

    def _draw_stored(self, call: Conversation, ladder: Sequence[Mapping[str, Any]]) -> None:
        names = self._view.admin.calls.projects(self._view.who)
        with columns():
            with card("Who and when"):
                parts.who_and_when(call, names.get(call.opened.project, call.opened.project))
            with card("Route"):
                parts.route(call)
        with card("Transcript"):
            self._transcript = Transcript(call.opened.started_at)
            self._transcript.show(call.turns)
        self._receipts = ui.element("div").classes("tl-stack")
        with self._receipts:
            parts.handoffs(call)
        self._steps = sum(len(receipt.steps) for receipt in call.receipts)
        messages = ladder if call.closed is None else call.closed.ladder
        with card("SIP messages"):
            if messages:
                self._ladder = LadderView(messages)
            else:
                ui.label("No SIP messages were kept.").classes("tl-muted")
        if call.closed is not None:
            with card("Sound", flush=bool(call.closed.media)):
                parts.sound(call.closed)
        with columns():
            with stack():
                parts.context(call)
                parts.headers(call)
            with stack():
                parts.outcome(call)
