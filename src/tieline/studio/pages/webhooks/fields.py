"""What the pages of webhooks share: the fields of an endpoint, its secret, and states as badges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tieline.admin.webhooks import ABOUT, ListedWebhook
from tieline.model.webhook import Delivery, DeliveryAttempt, DeliveryState, EventType
from tieline.studio.frame import View
from tieline.studio.parts.code import secret_once
from tieline.studio.parts.forms import Form
from tieline.studio.parts.states import Tone, tell

WHOLE_ACCOUNT = ""
"""The choice that stands for no project in particular."""

SECRET_TEXT = "It is shown only this once. Your receiver checks with it that events come from here."


async def add_fields(view: View, form: Form, there: ListedWebhook | None = None) -> None:
    """The fields of an endpoint, as it is or of a new one."""
    projects = await view.admin.projects.projects(view.who)
    accounts = sorted({one.account for one in projects})
    with form:
        if there is None:
            form.text("name", "Name", hint="A word for it, like crm; it cannot be changed")
            if len(accounts) > 1:
                form.choice("account", "Account", accounts, value=accounts[0])
        form.text(
            "url", "URL", value=there.url if there else "", hint="https, where events are posted", mono=True
        )
        given = [one.value for one in there.events] if there else []
        options = {one.value: f"{one.value}: {ABOUT[one]}" for one in EventType if one is not EventType.TEST}
        events = ui.select(options, label="Events", value=given, multiple=True, clearable=True)
        events.props('outlined dense options-dense use-chips hint="All of them when none is chosen"')
        form.add("events", events, lambda chosen: [one for one in options if one in (chosen or ())] or None)
        account = there.account if there else None
        choices = {one.slug: one.name or one.slug for one in projects if account in {None, one.account}}
        if view.who.project is None:
            choices = {WHOLE_ACCOUNT: "All projects of the account", **choices}
        given_project = (there.project if there else None) or next(iter(choices), None)
        project = form.choice("project", "Project", choices, value=given_project)
        form.add("project", project, lambda chosen: chosen or None)
        form.switch(
            "allow_private", "Private address", value=bool(there and there.allow_private),
            hint="Takes the server's setting webhooks.private_targets, too",
        )  # fmt: skip


def show_secret(name: str, secret: str, text: str, after: Callable[[], Any]) -> None:
    """A dialog with a secret that was just made."""
    with (
        ui.dialog().props("persistent aria-label='Signing secret'") as dialog,
        ui.card().classes("tl-dialog"),
    ):
        with ui.element("h2").classes("tl-dialog-head"):
            ui.label(f"Signing secret of {name}")
        with ui.element("div").classes("tl-dialog-body"):
            secret_once("signing secret", secret, SECRET_TEXT)
            if text:
                tell(text=text)
        with ui.element("div").classes("tl-dialog-foot"):
            ui.button("Done", on_click=lambda: (dialog.close(), after())).props("unelevated")
    dialog.open()


def endpoint_badge(one: ListedWebhook) -> tuple[str, Tone]:
    """How an endpoint is."""
    if one.disabled:
        return "disabled", Tone.QUIET
    rate = one.success_rate
    if rate is not None and rate < 0.5:
        return "failing", Tone.BAD
    if one.failed or (one.waiting and one.last_failure is not None):
        return "some fail", Tone.WARN
    return "active", Tone.GOOD


def delivery_badge(one: Delivery) -> tuple[str, Tone]:
    """How far a delivery is."""
    if one.state is DeliveryState.DELIVERED:
        return "delivered", Tone.GOOD
    if one.state is DeliveryState.FAILED:
        return "failed", Tone.BAD
    if one.next_at is None:
        return "in turn", Tone.QUIET
    return ("retrying", Tone.WARN) if one.attempts else ("waiting", Tone.INFO)


def attempt_text(one: DeliveryAttempt | None) -> str:
    """What came of an attempt, in a few words."""
    if one is None:
        return ""
    return one.error or f"answered {one.status}"


def percent(rate: float | None) -> str:
    """A share for people."""
    return "–" if rate is None else f"{rate * 100:.1f} %".replace(".0 %", " %")
