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
        chosen = await pick_project(view, "/sms", project, tab=shown)

    _choices(shown, chosen or project)
    if shown == "templates" and chosen is not None:
        await TemplateCards(view, chosen).show()
    elif shown == "messages" and chosen is not None:
        await MessageList(view, chosen, number, state).show()
    elif shown == "opt-outs":
        await OptOutList(view).show()
    elif shown == "registration":
        await show_registration(view)


def _choices(shown: str, project: str) -> None:
    """Buttons that lead to the parts; they wrap where there is little room."""
    with ui.element("nav").classes("tl-row") as choices:
        choices.props["aria-label"] = "Parts of SMS"
        for name, label in TABS.items():
            query = {"project": project, "tab": name} if project else {"tab": name}
            path = f"/sms?{urlencode(query)}"
            button = ui.button(label, on_click=lambda at=path: ui.navigate.to(at))
            button.props(
                "unelevated dense padding='4px 12px'" if name == shown else "outline dense padding='4px 12px'"
            )
            if name == shown:
                button.props["aria-current"] = "page"
