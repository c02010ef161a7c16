"""The form that makes or changes one destination, checked against every trunk as one types."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from tieline.errors import TielineError
from tieline.model.handoff import Destination, HandoffMethod, SipConfig
from tieline.studio.frame import View
from tieline.studio.pages.handoffs.rows import HeaderRows, LadderRows, title
from tieline.studio.pages.handoffs.words import (
    METHOD_HINTS,
    METHODS,
    RING_SOUNDS,
    in_words,
    muted,
    show_remarks,
)
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.forms import pair
from tieline.studio.parts.states import Tone, tell

NUMBER, URI = "number", "uri"
ROUTES = {NUMBER: "Extension / Number", URI: "SIP URI"}
ENCRYPTIONS = {"TLS/SRTP": "TLS/SRTP", "UDP/RTP": "UDP/RTP"}
CALLERS_OWN = ""
INVITE = HandoffMethod.INVITE.value
BYE = HandoffMethod.BYE.value
SETTLE_S = 0.3


class DestinationForm:
    """A dialog. `replaces` is the name of the destination being changed; None for a new one."""

    def __init__(
        self,
        view: View,
        project: str,
        there: Destination | None,
        *,
        others: Sequence[str],
        trunks: Sequence[str],
        variables: dict[str, str],
        saved: Callable[[], Awaitable[object]],
    ) -> None:
        self._view, self._project, self._saved = view, project, saved
        self._there = there
        self._trunks = trunks
        self._round = 0
        self._tried = False
        known = there or Destination(name="", sip_config=SipConfig())
        action = "Add" if there is None else "Save"
        self._dialog = Dialog(
            "Add Handoff" if there is None else f"Edit {known.name}", action, self._save, width=760
        )
        form = self._dialog.form
        with self._dialog:
            self._name = self._typed(
                form.text("name", "Name", value=known.name, hint="The agent asks for it by this name")
            )
            self._description = self._typed(
                form.area("description", "Description", value=known.description, hint="What it is for")
            )
            self._way(known.sip_config)
            self._invite_fields(known.sip_config)
            title("Fall-back", "What is tried while the caller is still with the agent.")
            self._ladder = LadderRows(known.fallback, others, self._changed)
            self._between = self._typed(
                form.text("between", "Said to the caller between two tries", value=known.between)
            )
            title(
                "SIP headers",
                "Sent with the handoff. Values may hold $variables of the call and of the agent's state.",
            )
            self._headers = HeaderRows(
                form, variables, known.sip_headers, view.admin.handoffs.wants_prefix, self._changed
            )
            self._notes = ui.element("div").classes("tl-stack tl-rows")
        # Above the buttons and never scrolled away, for it changes with whatever is typed.
        self._remarks = ui.element("div").classes("tl-dialog-remarks").props("aria-live=polite")
        self._remarks.move(self._dialog.foot.parent_slot.parent, 2)  # type: ignore[union-attr]
        self._show_fields()

    async def open(self) -> None:
        """Show it, with what there is to say already."""
        self._dialog.open()
        await self._check()

    # -- fields -----------------------------------------------------------------------------------------------

    def _typed(self, field: Any) -> Any:
        field.on_value_change(self._changed)
        return field

    def _way(self, config: SipConfig) -> None:
        form = self._dialog.form
        self._method = form.choice("sip_config.method", "Method", METHODS, value=config.method.value)
        self._method.on_value_change(self._changed)
        self._method_hint = muted("")
        route = config.phone_number or ""
        with pair() as self._route_row:
            kind = URI if any(mark in route for mark in ":@<") else NUMBER
            self._kind = ui.select(ROUTES, label="Route", value=kind, on_change=self._changed)
            self._kind.props("outlined dense options-dense")
            self._route = self._typed(
                form.text("sip_config.phone_number", ROUTES[kind], value=route, mono=True)
            )

    def _invite_fields(self, config: SipConfig) -> None:
        form = self._dialog.form
        with ui.element("div").classes("tl-form") as self._invite:
            with pair():
                self._encryption = form.choice(
                    "sip_config.outbound_encryption", "Encryption", ENCRYPTIONS,
                    value=config.outbound_encryption or "TLS/SRTP",
                )  # fmt: skip
                endpoint = config.outbound_endpoint or CALLERS_OWN
                self._endpoint = form.choice(
                    "sip_config.outbound_endpoint", "Trunk that carries the call",
                    {CALLERS_OWN: "the caller's own", **{name: name for name in {*self._trunks, endpoint} if name}},
                    value=endpoint,
                )  # fmt: skip
            with pair():
                self._caller_id = form.text(
                    "sip_config.outbound_caller_id", "Caller id shown", value=config.outbound_caller_id,
                    hint="Empty: the caller's own number",
                )  # fmt: skip
                self._ring = form.number(
                    "sip_config.ring_timeout_s",
                    "Rings for",
                    value=config.ring_timeout_s,
                    whole=False,
                    suffix="s",
                )
                self._sound = form.choice(
                    "sip_config.ring_sound", "The caller hears", RING_SOUNDS, value=config.ring_sound.value
                )
            self._whisper = form.text(
                "sip_config.whisper", "Whisper", value=config.whisper,
                hint="Said to the human before the two are joined",
            )  # fmt: skip
            with pair():
                self._accept = form.text(
                    "sip_config.accept_key", "Key that takes the call", value=config.accept_key,
                    hint="Empty: none is asked for",
                )  # fmt: skip
                self._accept_s = form.number(
                    "sip_config.accept_timeout_s", "Waited for that key", value=config.accept_timeout_s,
                    whole=False, suffix="s",
                )  # fmt: skip
        for field in (self._caller_id, self._ring, self._whisper, self._accept, self._accept_s):
            self._typed(field)
        for choice in (self._encryption, self._endpoint, self._sound):
            choice.on_value_change(self._changed)

    def _show_fields(self) -> None:
        """Only what the method has a use for."""
        method = str(self._method.value)
        self._method_hint.text = METHOD_HINTS[method]
        self._route_row.visible = method != BYE
        self._invite.visible = INVITE in {method, *self._ladder.methods()}
        # Only when it changes: an update of a field brings its text, which may be behind what is being typed.
        if self._route.props.get("label") != ROUTES[str(self._kind.value)] or "hint" not in self._route.props:
            self._name_route()

    def _name_route(self) -> None:
        self._route.props["label"] = ROUTES[str(self._kind.value)]
        example = (
            "+15550123, 4000 or tel:+15550123"
            if self._kind.value == NUMBER
            else "sip:support@pbx.example.com"
        )
        self._route.props["hint"] = f"Like {example}"

    # -- what was filled in -----------------------------------------------------------------------------------

    def draft(self) -> dict[str, Any]:
        """The destination as a resource file has it. What the method has no use for is left out."""
        filled = self._dialog.form.values()
        method = str(self._method.value)
        invites = INVITE in {method, *self._ladder.methods()}
        config: dict[str, Any] = {"method": method}
        if method != BYE:
            config["phone_number"] = self._route_text(filled["sip_config.phone_number"])
        if invites:
            for path, value in filled.items():
                if path.startswith("sip_config.") and path != "sip_config.phone_number":
                    config[path.removeprefix("sip_config.")] = value
        found = {
            "name": filled["name"] or "",
            "description": filled["description"],
            "sip_config": {key: value for key, value in config.items() if value not in {None, ""}},
            "sip_headers": self._headers.values() or None,
            "fallback": self._ladder.value(),
            "between": filled["between"],
        }
        if self._there is not None and self._there.is_default:
            found["is_default"] = True
        return {key: value for key, value in found.items() if value is not None}

    def _route_text(self, text: str | None) -> str | None:
        """The route; an address without a scheme that is meant as a SIP URI is one."""
        if (
            text
            and self._kind.value == URI
            and ":" not in text.partition("@")[0]
            and not text.startswith("<")
        ):
            return f"sip:{text}"
        return text

    async def _save(self) -> None:
        handoffs, view = self._view.admin.handoffs, self._view
        self._tried = True
        if self._there is None:
            await handoffs.add(view.who, self._project, self.draft())
        else:
            await handoffs.change(view.who, self._project, self._there.name, self.draft())
        await self._saved()

    # -- checking ---------------------------------------------------------------------------------------------

    async def _changed(self) -> None:
        """Something was typed or chosen: check once it has settled."""
        self._show_fields()
        self._round += 1
        mine = self._round
        await asyncio.sleep(SETTLE_S)
        if mine == self._round:
            await self._check()

    async def _check(self) -> None:
        replaces = self._there.name if self._there is not None else None
        try:
            found = await self._view.admin.handoffs.check(
                self._view.who, self._project, self.draft(), replaces=replaces
            )
        except TielineError as error:
            self._dialog.form.refuse(error.message)
            return
        # That a name is still to come is no fault, until somebody wants to do without.
        touched = [one for one in found.faults if one.field != "name" or self._name.value or self._tried]
        self._dialog.form.show(touched)
        serious = [one for one in found.remarks if one.level.value != "info"]
        self._remarks.clear()
        with self._remarks:
            if found.hopeless:
                tell("This works for no caller, and is not saved", "Correct what is red below.", Tone.BAD)
            show_remarks(serious)
        self._notes.clear()
        with self._notes:
            for one in found.remarks:
                if one not in serious:
                    muted(in_words(one))
