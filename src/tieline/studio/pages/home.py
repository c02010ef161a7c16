"""The first page."""

from __future__ import annotations

from nicegui import ui

from tieline.studio.frame import View, page


@page("/", "Overview", icon="home")
async def home(view: View) -> None:
    """What is there, at one glance."""
    resources = await view.admin.resources.resources(view.who)
    ui.label(f"{len(resources.projects)} projects")
