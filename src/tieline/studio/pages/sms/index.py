"""Build, SMS: one page with a tab for each of its parts."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui

from tieline.studio.frame import View, page
from tieline.studio.menu import Group
from tieline.studio.pages.sms.messages import MessageList
from tieline.studio.pages.sms.opt_outs import OptOutList
from tieline.studio.pages.sms.registration import show_registration
from tieline.studio.pages.sms.templates import TemplateCards
from tieline.studio.parts.projects import pick_project

TABS = {
    "templates": "Templates", "messages": "Messages", "opt-outs": "Opt-outs", "registration": "Registration",
}  # fmt: skip


@page("/sms", "SMS", icon="sms", group=Group.BUILD, order=30)
async def sms(
    view: View, project: str = "", tab: str = "templates", number: str = "", state: str = ""
) -> None:
    """Text messages: what is written, what was sent, who wants none, and who may send."""
    view.heading.subtitle("What the agent writes to people, and what becomes of it.")
    shown = tab if tab in TABS else "templates"
    chosen = None
    if shown in {"templates", "messages"}:
        chosen = await pick_project(view, "/sms", project)

    def go(name: str) -> None:
        query = {"project": chosen or project, "tab": name}
        ui.navigate.to(f"/sms?{urlencode({key: value for key, value in query.items() if value})}")

    with ui.tabs().props("dense align=left no-caps outside-arrows mobile-arrows") as tabs:
        tabs.props["aria-label"] = "Parts of SMS"
        for name, label in TABS.items():
            ui.tab(name, label=label)
    tabs.set_value(shown)
    tabs.on_value_change(lambda event: go(event.value))
    if shown == "templates" and chosen is not None:
        await TemplateCards(view, chosen).show()
    elif shown == "messages" and chosen is not None:
        await MessageList(view, chosen, number, state).show()
    elif shown == "opt-outs":
        await OptOutList(view).show()
    elif shown == "registration":
        await show_registration(view)
