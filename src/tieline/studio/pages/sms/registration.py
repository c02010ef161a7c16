"""The registration of US and Canadian senders, as their Twilio accounts tell it now."""

from __future__ import annotations

from nicegui import ui

from tieline.admin.sms_views import AccountRegistration
from tieline.integrations.twilio.a2p import SenderRegistration
from tieline.studio.frame import View
from tieline.studio.pages.sms.words import WEIGHTS
from tieline.studio.parts.cards import grid, head, section, values
from tieline.studio.parts.states import Tone, badge, empty, loading, tell


async def show_registration(view: View) -> None:
    """A card for every number, under its connection."""
    waiting = loading("Asking Twilio…")
    try:
        found = await view.admin.sms.registration(view.who)
    finally:
        waiting.delete()
    if not found:
        with ui.element("div").classes("tl-card"):
            empty(
                "verified_user", "No Twilio account is connected",
                "Senders in the US and Canada need a registration (A2P 10DLC, toll-free verification). Connect the "
                "account, and how far each number is stands here.",
            )  # fmt: skip
        return
    for account in found:
        _account(account)


def _account(account: AccountRegistration) -> None:
    with section(account.connection):
        if account.facts.missing:
            with ui.element("div").classes("tl-stack"):
                for told in account.facts.missing:
                    tell("Not everything could be read from Twilio", told, Tone.WARN)
        if not account.senders:
            empty("dialpad", "The connection has no numbers", "Assign numbers to it under Telephony, Twilio.")
        with grid(340):
            for sender in account.senders:
                _sender(sender)


def _sender(sender: SenderRegistration) -> None:
    step = sender.step
    with ui.element("section").classes("tl-card") as box:
        box.props["aria-label"] = sender.number
        with head(sender.number):
            badge(sender.state.value.replace("_", " "), WEIGHTS[step.weight])
        ui.label(step.words).classes("tl-wrap")
        values(
            {
                "Country": sender.country or "unknown",
                "Messaging Service": sender.service_name or sender.service,
                "Next step": step.next_step,
            }
        )
        for problem in sender.problems:
            tell(text=problem, tone=Tone.BAD)
