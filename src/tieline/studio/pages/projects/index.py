"""All projects, and making one."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tieline.admin.projects import ListedProject
from tieline.model.environment import Environment
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page
from tieline.studio.pages.projects.fields import add_fields, environment_badge
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.forms import Form
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.tables import Column

COLUMNS = (
    Column("slug", "Project"),
    Column("env", "Environment", "badge"),
    Column("kind", "Answers with"),
    Column("numbers", "Numbers", "chips", sortable=False),
    Column("pools", "Pools", "chips", sortable=False),
    Column("destinations", "Handoffs", "number"),
)
NOTHING = Nothing(
    "smart_toy",
    "No projects yet",
    "Point a project at the folder of an agent, or make one that only answers and holds calls, to try a trunk out.",
)


@page("/projects", "Projects", icon="smart_toy", group=Group.BUILD, order=10)
async def projects(view: View) -> None:
    """A table of the projects."""
    view.heading.subtitle(
        "A project is one agent: the code that callers talk to, its numbers and its handoffs."
    )
    index = Index(view, Right.BUILD, "Add project", lambda: add_project(view), NOTHING)
    found = await view.admin.projects.projects(view.who)
    index.table(COLUMNS, [_row(one) for one in found], path="/projects", label="Projects", sort_by="slug")


def _row(one: ListedProject) -> dict[str, Any]:
    text, tone = environment_badge(one.env)
    return {
        "id": one.slug, "slug": one.slug, "slug_path": f"/projects/{one.slug}",
        "slug_sub": " · ".join(each for each in (one.name, one.account) if each),
        "env": text, "env_tone": tone.value,
        "kind": "answers and holds" if one.answer_only else "its agent",
        "numbers": one.numbers, "pools": one.pools, "destinations": one.destinations,
    }  # fmt: skip


async def add_project(view: View) -> None:
    """Ask for a new project."""
    accounts = await view.admin.projects.accounts(view.who)
    everywhere = view.who.account is None
    may_found = everywhere and view.may(Right.USERS)

    async def act() -> None:
        fields = dialog.form.values()
        await view.admin.projects.create(view.who, fields, with_account=may_found)
        ui.navigate.to(f"/projects/{fields['slug']}")

    dialog = Dialog("Add a project", "Add", act)
    with dialog:
        _example(view, dialog.form)
        dialog.form.text(
            "slug", "Slug", hint="Its name in URLs: small letters, digits and hyphens", mono=True
        )
        if may_found:
            _account_field(dialog.form, accounts)
        else:
            dialog.form.choice("account", "Account", accounts, value=accounts[0] if accounts else None)
        add_fields(dialog.form, Environment.SANDBOX, everywhere=everywhere)
    dialog.open()


def _account_field(form: Form, accounts: list[str]) -> None:
    """An account that is there, or the name of one that is made with the project."""
    hint = "Whose it is: a company or a team. A new one is made with the project"
    field = form.text("account", "Account", value=accounts[0] if accounts else "main", hint=hint, mono=True)
    field.set_autocomplete(accounts)


def _example(view: View, form: Form) -> None:
    """A button that fills the form in with the agent that comes with Tieline."""
    folder = view.admin.projects.example()
    if folder is None or view.who.account is not None:
        return

    def fill() -> None:
        for path, value in (("slug", "front-desk"), ("name", "Front desk"), ("path", folder)):
            form.fields[path].element.value = value

    with ui.element("div").classes("tl-row"):
        ui.label("No agent yet?").classes("tl-muted")
        ui.button("Fill in the example", icon="auto_fix_high", on_click=fill).props("flat dense")
