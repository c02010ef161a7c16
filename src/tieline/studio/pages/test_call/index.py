"""The page of the test call: what it is to be on the left, the call on the right."""

from __future__ import annotations

from nicegui import ui

from tieline.admin.errors import InvalidFields
from tieline.admin.test_calls import DEFAULT_REMOTE, TestCallView
from tieline.errors import NotFound, TielineError
from tieline.gateway.studio_calls import StudioCallState
from tieline.model.principal import Principal
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.menu import Group
from tieline.studio.pages.test_call.order import OrderForm
from tieline.studio.pages.test_call.talk import STATE_WORDS, Transcript, ending
from tieline.studio.parts.cards import card, columns, stack, titled_card
from tieline.studio.parts.phone import Phone, keypad
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, empty, set_badge

LOOK_EVERY_S = 0.5


@page("/test-call", "Test call", icon="phone_in_talk", group=Group.BUILD, order=50, right=Right.OPERATE)
async def place_call(view: View, project: str = "") -> None:
    """Talk to a project."""
    view.heading.subtitle(
        "Talk to a project from here, by microphone or by text. It is recorded like any other call."
    )
    projects = await view.admin.test_calls.projects(view.who)
    if not projects:
        with card():
            empty(
                "phone_in_talk", "No project to talk to", "A project with an agent can be called from here."
            )
        return
    with columns():
        with card("The call to place"):
            order = OrderForm(projects, project)
            buttons = ui.element("div").classes("tl-row")
        with stack() as beside:
            CallPanel(view, order, buttons, beside)


class CallPanel:
    """The call: nothing yet, one that goes on, or one that is over until the next is placed."""

    def __init__(self, view: View, order: OrderForm, buttons: ui.element, beside: ui.element) -> None:
        self._view = view
        self._order = order
        self._beside = beside
        self._call: TestCallView | None = None
        self._placed_by: Principal | None = None
        self._muted = False
        self._ending_shown = False
        with buttons:
            self._dial = ui.button("Call by microphone", icon="mic", on_click=self._on_dial).props(
                "unelevated"
            )
            self._chat = ui.button("Talk by text", icon="chat", on_click=self._on_chat).props("outline")
        with titled_card("The call") as self._head:
            # It stays where it is for the page's life: moved, the browser would make it anew and the call be lost.
            self._phone = Phone(self._on_offer, self._on_trouble, self._press, self._on_gone)
            self._phone.shown = False
            self._body = ui.element("div").classes("tl-stack")
        with self._body:
            self._nothing()
        client = ui.context.client
        client.on_delete(self._on_leave)
        self._timer = refresh_every(LOOK_EVERY_S, self._look)

    # -- placing ----------------------------------------------------------------------------------------------

    def _on_dial(self) -> None:
        """The browser is asked for its microphone; the call is placed with its offer."""
        with self._telling():
            self._order.read()
            self._busy(True)
            self._phone.dial()

    async def _on_offer(self, offer: str) -> None:
        with self._telling():
            try:
                who = self._view.who
                call, answer = await self._view.admin.test_calls.place_voice(
                    who, self._order.read(), offer, _remote()
                )
            except BaseException:
                self._phone.hang_up()
                self._busy(False)
                raise
            self._phone.accept(answer)
            self._begin(call, who)

    async def _on_trouble(self, why: str) -> None:
        self._busy(False)
        ui.notify(why, type="negative", multi_line=True)

    async def _on_gone(self) -> None:
        """The browser's connection is gone; the call notices by itself."""

    async def _on_chat(self) -> None:
        with self._telling():
            who = self._view.who
            self._begin(await self._view.admin.test_calls.place_text(who, self._order.read(), _remote()), who)

    def _telling(self) -> _Telling:
        return _Telling(self._order)

    def _busy(self, busy: bool) -> None:
        """No second call while one is placed or up."""
        self._dial.set_enabled(not busy)
        self._chat.set_enabled(not busy)

    # -- what is shown ----------------------------------------------------------------------------------------

    def _nothing(self) -> None:
        empty("phone_in_talk", "No call yet", "Fill in what the agent is to know, and call.")

    def _begin(self, call: TestCallView, who: Principal) -> None:
        """Show a call that was placed."""
        self._call = call
        self._placed_by = who
        self._ending_shown = False
        self._muted = False
        self._busy(True)
        self._head.clear()
        with self._head:
            self._state = badge("connecting", Tone.INFO)
            self._link = ui.link("Call page", "/").classes("tl-small")
            self._link.visible = False
        self._body.clear()
        with self._body:
            self._controls = ui.element("div").classes("tl-stack")
            with self._controls:
                self._phone.shown = call.kind == "voice"
                with ui.element("div").classes("tl-row"):
                    ui.button("Hang up", icon="call_end", on_click=self._on_hang_up).props(
                        "unelevated color=negative"
                    )
                    if call.kind == "voice":
                        self._mute = ui.button("Mute", icon="mic_off", on_click=self._on_mute).props(
                            "outline"
                        )
                if call.kind == "text":
                    self._line = ui.input("Say something").props("outlined dense autocomplete=off")
                    self._line.on("keydown.enter", self._on_line)
                    with self._line.add_slot("append"):
                        ui.button(icon="send", on_click=self._on_line).props(
                            'flat round dense aria-label="Send"'
                        )
                keypad(self._press)
            self._transcript = Transcript()
            self._ending = ui.element("div").classes("tl-stack")
        self._show(call)
        # At phone width the call is below the form.
        self._beside.run_method("scrollIntoView", {"block": "nearest", "behavior": "smooth"})

    async def _look(self) -> None:
        """Bring what is shown up to date."""
        if self._call is None or self._ending_shown:
            return
        try:
            view = await self._view.admin.test_calls.progress(self._view.who, self._call.id)
        except NotFound:
            return
        except TielineError:
            self._call = None
            return
        self._show(view)

    def _show(self, view: TestCallView) -> None:
        self._call = view
        set_badge(self._state, *STATE_WORDS[view.state])
        if view.call_id is not None:
            self._link.props["href"] = f"/conversations/{view.call_id}"
            self._link.visible = True
        self._transcript.show(view.turns)
        over = view.state is StudioCallState.ENDED
        # The last write comes a moment after the leg is over.
        if over and (view.termination is not None or view.call_id is None):
            self._finish(view)

    def _finish(self, view: TestCallView) -> None:
        self._ending_shown = True
        self._phone.hang_up()
        self._phone.shown = False
        self._controls.visible = False
        self._busy(False)
        with self._ending:
            ending(view)

    # -- acts -------------------------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        with telling():
            if self._call is not None and not self._ending_shown:
                self._view.admin.test_calls.press(self._view.who, self._call.id, key)

    def _on_hang_up(self) -> None:
        with telling():
            if self._call is not None:
                self._view.admin.test_calls.hang_up(self._view.who, self._call.id)

    def _on_mute(self) -> None:
        self._muted = not self._muted
        self._phone.mute(self._muted)
        self._mute.text = "Unmute" if self._muted else "Mute"
        self._mute.props(f"icon={'mic' if self._muted else 'mic_off'}")

    def _on_line(self) -> None:
        with telling():
            text = str(self._line.value or "")
            if self._call is not None and text.strip():
                self._view.admin.test_calls.type_text(self._view.who, self._call.id, text)
                self._line.value = ""

    def _on_leave(self) -> None:
        """The page is gone for good: so is the call."""
        if self._call is not None and self._placed_by is not None and not self._ending_shown:
            try:
                self._view.admin.test_calls.lose(self._placed_by, self._call.id)
            except TielineError:
                return


class _Telling:
    """Shows what is refused: faults at the form's fields, those of headers at their rows, anything else on top."""

    def __init__(self, order: OrderForm) -> None:
        self._order = order
        self._inner = order.form.telling()

    def __enter__(self) -> None:
        self._order.headers.show(())
        self._inner.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, InvalidFields):
            left = self._order.headers.show(error.faults)
            error = InvalidFields(tuple(left))
        return bool(self._inner.__exit__(type(error) if error else None, error, None))


def _remote() -> tuple[str, int]:
    """Where whoever looks is."""
    found = ui.context.client.request.client
    return DEFAULT_REMOTE if found is None else (found.host, found.port)
