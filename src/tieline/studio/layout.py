"""What is drawn around every page: the header, the menu, and the heading with its actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from nicegui import ui

from tieline.model.user import Right
from tieline.studio.entry.forms import TOKEN_FIELD
from tieline.studio.menu import Group, PageInfo, menu_of, menu_path
from tieline.studio.paths import PREFIX

THEME_COOKIE = "tieline_theme"
"""Remembers `light` or `dark`; without it the system's choice is followed."""

THEMES = {"system": None, "light": False, "dark": True}
"""NiceGUI's value for each choice of theme."""

SIGN_OUT = f"{PREFIX}/sign-out"
"""Where the form of the account menu posts to."""


class Heading:
    """The row above a page's content: where one is, the title, and the page's actions on the right.

    `with view.heading.actions:` adds buttons. `title(...)`, `subtitle(...)` and `crumbs(...)` say what is shown.
    """

    def __init__(self, title: str) -> None:
        with ui.element("div").classes("tl-heading"):
            with ui.element("div").classes("tl-heading-text"):
                self._crumbs = ui.element("nav").classes("tl-crumbs").props('aria-label="Breadcrumb"')
                self._crumbs.visible = False
                with ui.element("h1"):
                    self._title = ui.label(title)
                self._subtitle = ui.label().classes("tl-subtitle")
                self._subtitle.visible = False
            self.actions = ui.element("div").classes("tl-actions")

    def title(self, text: str) -> None:
        """Show another title, in the browser's tab too."""
        self._title.text = text
        ui.page_title(f"{text} · Tieline")

    def subtitle(self, text: str) -> None:
        """A sentence below the title."""
        self._subtitle.text = text
        self._subtitle.visible = bool(text)

    def crumbs(self, *steps: tuple[str, str]) -> None:
        """The way here: text and path of each page above this one."""
        self._crumbs.clear()
        self._crumbs.visible = bool(steps)
        with self._crumbs:
            for text, path in steps:
                ui.link(text, path)
                ui.label("/").props("aria-hidden=true")


@contextmanager
def drawn(
    info: PageInfo, who: str, may: Callable[[Right], bool], sign_out_token: str
) -> Iterator[ui.element]:
    """The frame around a page for somebody (`who` is their sign-in name); gives the place for the page itself."""
    ui.page_title(f"{info.title} · Tieline")
    theme = ui.context.client.request.cookies.get(THEME_COOKIE, "")
    dark = ui.dark_mode(THEMES.get(theme))
    # Not NiceGUI's value None: then it asks every browser whether the drawer is open, and waits for the answer.
    drawer = ui.left_drawer(value=False).classes("tl-menu")
    drawer.props('width=232 :breakpoint="1023" show-if-above')
    with drawer:
        # One element: a hundred on every page would take most of the time that building it takes.
        ui.html(menu_html(info, may), sanitize=False, tag="nav").props('aria-label="Studio"')
    with ui.header().classes("tl-header"):
        toggle = ui.button(icon="menu", on_click=drawer.toggle)
        toggle.props('flat round dense aria-label="Menu"').classes("tl-menu-button")
        with ui.link(target="/").classes("tl-brand").props('aria-label="Tieline, overview"'):
            ui.icon("settings_input_component").props("aria-hidden=true")
            ui.label("Tieline")
        ui.space()
        _theme_switch(dark)
        _account_menu(who, sign_out_token)
    with ui.element("div").classes("tl-page") as content:
        yield content
    ui.skip_link("Skip to the content", target=content)


def menu_html(info: PageInfo, may: Callable[[Right], bool]) -> str:
    """The menu for somebody, with the page marked that they look at. It holds nothing that anybody wrote."""
    current = menu_path(info.path)
    parts = [_menu_link("Overview", "home", "/", current=current == "/")]
    for group in Group:
        pages = [page for page in menu_of(group) if may(page.right)]
        if pages:
            parts.append(
                f'<div class="tl-menu-group" role="heading" aria-level="2">{escape(group.value)}</div>'
            )
        parts += [
            _menu_link(page.title, page.icon, page.path, current=page.path == current) for page in pages
        ]
    return "".join(parts)


def _menu_link(title: str, icon: str, path: str, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return (
        f'<a class="tl-menu-link" href="{escape(PREFIX + path)}"{mark}>'
        f'<i class="q-icon material-icons notranslate" aria-hidden="true">{escape(icon)}</i>'
        f"<span>{escape(title)}</span></a>"
    )


def _theme_switch(dark: ui.dark_mode) -> None:
    with ui.button(icon="contrast").props('flat round dense aria-label="Light or dark"'):
        ui.tooltip("Light or dark")
        with ui.menu().props("auto-close"):
            for name, icon, text in (
                ("system", "computer", "As the system"),
                ("light", "light_mode", "Light"),
                ("dark", "dark_mode", "Dark"),
            ):
                _theme_choice(dark, name, icon, text)


def _theme_choice(dark: ui.dark_mode, name: str, icon: str, text: str) -> None:
    with ui.menu_item(on_click=lambda: dark.set_value(THEMES[name])).props("role=menuitem") as item:
        ui.icon(icon).props("aria-hidden=true").classes("tl-choice-icon")
        ui.label(text).classes("tl-choice")
        item.on("click", js_handler=f"() => tieline.keepTheme('{name}')")


def _account_menu(who: str, sign_out_token: str) -> None:
    with ui.button(icon="account_circle").props('flat dense aria-label="Your account"').classes("tl-who"):
        ui.label(who).classes("tl-who-name")
        with ui.menu():
            ui.menu_item("Your account", on_click=lambda: ui.navigate.to("/me")).props("role=menuitem")
            ui.separator()
            with ui.element("form").props(f'method=post action="{SIGN_OUT}"'):
                ui.element("input").props(f"type=hidden name={TOKEN_FIELD} value={sign_out_token}")
                out = ui.menu_item("Sign out").props("role=menuitem")
                out.on("click", js_handler="(e) => e.target.closest('form').submit()")
