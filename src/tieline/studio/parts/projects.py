"""Choosing the project that a page is about."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from nicegui import ui

from tieline.studio.parts.states import empty

if TYPE_CHECKING:
    from tieline.studio.frame import View


async def pick_project(view: View, path: str, project: str, **query: str) -> str | None:
    """The slug of the project that the page at `path` shows, with a field to choose another where there are several.

    `project` is what the address asks for (`?project=`), the first one without it; `query` is what else the address
    keeps. Without any project its absence is shown, and None returned. A project that is not there is left to the
    page, which raises `NotFound`.
    """
    resources = await view.admin.resources.resources(view.who)
    slugs = {one.slug: one.name or one.slug for one in resources.projects}
    if not slugs:
        with ui.element("div").classes("tl-card"):
            empty(
                "folder_open", "There is no project yet", "Everything here belongs to a project.",
                "To the projects", "/projects",
            )  # fmt: skip
        return None
    chosen = project or next(iter(slugs))
    if len(slugs) > 1:
        field = ui.select(
            slugs,
            label="Project",
            value=chosen if chosen in slugs else None,
            on_change=lambda event: ui.navigate.to(f"{path}?{urlencode({'project': event.value, **query})}"),
        )
        field.props("outlined dense options-dense").classes("tl-pick")
        field.move(view.heading.actions, 0)
    return chosen
