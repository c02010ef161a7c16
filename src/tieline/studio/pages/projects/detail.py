"""One project: its settings, its secrets, what belongs to it, and deleting it."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from tieline.admin.projects import ListedProject
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.pages.projects.fields import add_fields, environment_badge
from tieline.studio.parts.cards import columns, stack, titled_card, values
from tieline.studio.parts.dialogs import Dialog, ask, confirm_by_name
from tieline.studio.parts.forms import Form
from tieline.studio.parts.states import badge, chip, empty


@page("/projects/{slug}", "Project", icon="smart_toy")
async def project(view: View, slug: str) -> None:
    """Everything about one project."""
    found = await view.admin.projects.project(view.who, slug)
    view.heading.title(found.name or found.slug)
    view.heading.crumbs(("Projects", "/projects"))
    view.heading.subtitle(f"{found.account} / {found.slug}")
    with view.heading.actions:
        ui.button("Functions", icon="code", on_click=lambda: ui.navigate.to(f"/functions/{slug}")).props(
            "outline"
        )
        if found.changeable:
            ui.button("Delete", icon="delete", on_click=lambda: _delete(view, slug)).props(
                "outline color=negative"
            )
    with columns():
        if found.changeable:
            await _settings(view, found)
        else:
            _facts(found)
        with stack():
            _belongings(found)
            _secrets(view, found)


def _facts(found: ListedProject) -> None:
    text, tone = environment_badge(found.env)
    with titled_card("Settings"):
        values(
            {
                "Environment": lambda: badge(text, tone),
                "Agent's folder": found.path,
                "Numbers": ", ".join(found.numbers),
                "Answer and hold": found.answer_only,
                "Fall-back handoff": found.fallback_handoff,
            }
        )


async def _settings(view: View, found: ListedProject) -> None:
    destinations = await view.admin.handoffs.destinations(view.who, found.slug)
    names = tuple(one.destination.name for one in destinations)
    with titled_card("Settings"):
        form = Form()
        with form:
            add_fields(form, found.env, found, everywhere=view.who.account is None, destinations=names)

        async def save() -> None:
            button.props(add="loading")
            with form.telling():
                await view.admin.projects.change(view.who, found.slug, form.values())
                ui.notify("Saved", type="positive")
                view.heading.title(form.values()["name"] or found.slug)
            button.props(remove="loading")

        button = ui.button("Save", on_click=save).props("unelevated").classes("self-end")


def _belongings(found: ListedProject) -> None:
    def links(names: tuple[str, ...], path: str) -> None:
        with ui.element("div").classes("tl-row"):
            for name in names:
                ui.link(name, path.format(name=name)).classes("tl-wrap")
            if not names:
                ui.label("none").classes("tl-muted")

    with titled_card("What belongs to it"):
        values(
            {
                "Id": lambda: chip(found.id),
                "Pools": lambda: links(found.pools, "/pools/{name}"),
                "Handoffs": lambda: links(
                    (f"{found.destinations} set up here",), f"/handoffs?project={found.slug}"
                ),
                "API keys": lambda: links(found.api_keys, "/keys"),
            }
        )


def _secrets(view: View, found: ListedProject) -> None:
    """The names of the secrets; their values are never shown."""
    with titled_card("Secrets") as beside:
        if found.changeable:
            with beside:
                ui.button("Set a secret", icon="add", on_click=lambda: _set_secret(view, found)).props(
                    "flat dense"
                )
        ui.label(
            "What the agent's code finds by conv.utils.get_secret. Values can be set, not read."
        ).classes("tl-muted tl-small")
        if not found.secrets:
            empty("key_off", "No secrets")
        for name in found.secrets:
            with ui.element("div").classes("tl-row"):
                chip(name)
                ui.space()
                if found.changeable:
                    change = ui.button(icon="edit", on_click=partial(_set_secret, view, found, name))
                    change.props("flat round dense size=sm").props["aria-label"] = f"Set {name}"
                    remove = ui.button(icon="delete", on_click=partial(_remove_secret, view, found, name))
                    remove.props("flat round dense size=sm").props["aria-label"] = f"Remove {name}"


def _set_secret(view: View, found: ListedProject, name: str = "") -> None:
    async def act() -> None:
        given = dialog.form.values()
        secret = {str(given["name"] or ""): str(given["value"] or "")}
        await view.admin.projects.change(view.who, found.slug, {}, secret)
        view.redraw()

    dialog = Dialog(f"Set {name}" if name else "Set a secret", "Set", act)
    with dialog:
        dialog.form.text("name", "Name", value=name, mono=True)
        dialog.form.secret("value", "Value")
    dialog.open()


async def _remove_secret(view: View, found: ListedProject, name: str) -> None:
    text = "Code that asks for it fails from then on."
    if not await ask(f"Remove the secret {name}?", text, "Remove", danger=True):
        return
    with telling():
        await view.admin.projects.change(view.who, found.slug, {}, {name: None})
        view.redraw()


def _delete(view: View, slug: str) -> None:
    async def act() -> None:
        await view.admin.projects.remove(view.who, slug)
        ui.navigate.to("/projects")

    text = (
        "Calls to its numbers are refused from then on. Its conversations stay. Pools, keys and tokens that belong to "
        "it have to be deleted before."
    )
    if view.may(Right.BUILD):
        confirm_by_name("project", slug, text, act).open()
