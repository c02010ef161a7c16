"""Putting the studio on the server's HTTP application."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI
from nicegui import core, ui

from tieline.admin.app import Admin
from tieline.clock import Clock
from tieline.config import Settings
from tieline.studio import pages

PREFIX = "/studio"
"""Where the studio is on the HTTP server. Links within pages are relative to it."""


@dataclass(frozen=True, slots=True)
class StudioServices:
    """What pages work with."""

    admin: Admin
    clock: Clock
    settings: Settings


def mount(app: FastAPI, services: StudioServices) -> None:
    """Serve the studio below `PREFIX`. Once a process: NiceGUI keeps one application."""
    core.app.state.tieline = services
    pages.register()
    ui.run_with(
        app,
        mount_path=PREFIX,
        title="Tieline",
        dark=None,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )


def services() -> StudioServices:
    """The services of the mounted studio."""
    found: StudioServices = core.app.state.tieline
    return found
