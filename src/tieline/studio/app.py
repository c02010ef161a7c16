"""Putting the studio on the server's HTTP application."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from nicegui import core, ui
from starlette.requests import Request
from starlette.responses import RedirectResponse

from tieline.admin.app import Admin
from tieline.clock import Clock
from tieline.config import Settings
from tieline.studio import pages
from tieline.studio.entry.forms import FormTokens
from tieline.studio.entry.site import Site
from tieline.studio.paths import PREFIX
from tieline.studio.release import release

ASSETS = Path(__file__).parent / "assets"
ASSETS_PATH = "/assets"
THEME = "theme.css"
SCRIPT = "studio.js"


@dataclass(frozen=True, slots=True)
class StudioServices:
    """What pages work with. `site` and `forms` are the door's: our address, and tokens against foreign forms."""

    admin: Admin
    clock: Clock
    settings: Settings
    site: Site = field(init=False)
    forms: FormTokens = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "site", Site(self.settings))
        object.__setattr__(self, "forms", FormTokens(self.site))


def mount(app: FastAPI, services: StudioServices) -> None:
    """Serve the studio below `PREFIX`. Once a process: NiceGUI keeps one application."""
    from tieline.studio.entry.guard import Guard
    from tieline.studio.entry.routes import add_routes
    from tieline.studio.failing import add_pages

    core.app.state.tieline = services
    core.app.config.socket_io_js_transports = ["websocket"]
    core.app.add_middleware(Guard)
    core.app.router.redirect_slashes = False
    core.app.on_delete(release)
    app.add_route(PREFIX, _to_first_page, methods=["GET"], include_in_schema=False)
    add_routes(core.app)
    add_pages(core.app)
    _serve_assets()
    pages.register()
    ui.run_with(
        app,
        mount_path=PREFIX,
        title="Tieline",
        favicon=ASSETS / "icon.svg",
        language="en-US",
        dark=None,
        binding_refresh_interval=None,
        show_welcome_message=False,
        # It would compile its classes in the browser on every page; those that are used are in `base.css`.
        tailwind=False,
    )


async def _to_first_page(_: Request) -> RedirectResponse:
    """Names no host: the one that a request names may be anybody's, and a proxy may speak HTTPS before us."""
    return RedirectResponse(f"{PREFIX}/", 307)


def _serve_assets() -> None:
    """The theme, what single pages add to it, and what they need of the browser.

    Every style sheet and script of the folder is linked, the common ones first: a group of pages may have its own. The
    version in the address makes browsers take a new one.
    """
    core.app.add_static_files(ASSETS_PATH, ASSETS)
    sheets = [THEME, *sorted(one.name for one in ASSETS.glob("*.css") if one.name != THEME)]
    scripts = [SCRIPT, *sorted(one.name for one in ASSETS.glob("*.js") if one.name != SCRIPT)]
    files = b"".join((ASSETS / name).read_bytes() for name in (*sheets, *scripts))
    version = hashlib.sha256(files).hexdigest()[:12]
    tags = [f'<link rel="stylesheet" href="{PREFIX}{ASSETS_PATH}/{name}?{version}">' for name in sheets]
    tags += [f'<script src="{PREFIX}{ASSETS_PATH}/{name}?{version}"></script>' for name in scripts]
    ui.add_head_html("".join(tags), shared=True)


def services() -> StudioServices:
    """The services of the mounted studio."""
    found: StudioServices = core.app.state.tieline
    return found
