"""The functions and flows of a project, its source, and what the checker says of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nicegui import background_tasks, ui

from tieline.admin.projects import Finding, Level, ProjectCode, ProjectFile
from tieline.errors import TielineError
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.parts.cards import card, head, titled_card, values
from tieline.studio.parts.code import source
from tieline.studio.parts.states import Tone, badge, empty, loading, tell

TONES = {Level.ERROR: Tone.BAD, Level.WARNING: Tone.WARN, Level.UNSUPPORTED: Tone.QUIET}


@page("/functions", "Functions view", icon="code", group=Group.BUILD, order=40)
async def functions(view: View) -> None:
    """The first project's functions, or a way to make a project."""
    found = await view.admin.projects.projects(view.who)
    with_code = [one.slug for one in found if one.path is not None]
    if with_code:
        await _project(view, with_code[0], with_code)
        return
    with card():
        empty(
            "code_off", "No agent's code yet", "Functions are those of the folders that projects point at.",
            "To the projects", "/projects",
        )  # fmt: skip


@page("/functions/{slug}", "Functions view", icon="code")
async def of_project(view: View, slug: str) -> None:
    """One project's functions."""
    found = await view.admin.projects.projects(view.who)
    await _project(view, slug, [one.slug for one in found if one.path is not None])


async def _project(view: View, slug: str, slugs: Sequence[str]) -> None:
    code = await view.admin.projects.code(view.who, slug)
    view.heading.subtitle("What the agent's folder holds. It is changed there, not here.")
    if len(slugs) > 1:
        with view.heading.actions:
            chosen = ui.select(list(slugs), value=slug, label="Project")
            chosen.props("outlined dense options-dense").style("min-width: 180px")
            chosen.on_value_change(lambda event: ui.navigate.to(f"/functions/{event.value}"))
    if code is None:
        with card():
            empty(
                "code_off",
                f"{slug} has no folder",
                "It answers and holds calls.",
                "To it",
                f"/projects/{slug}",
            )
        return
    with titled_card(code.spec.name or slug):
        values({"Project": lambda: ui.link(slug, f"/projects/{slug}"), "Folder": code.spec.root,
                "Greeting": code.spec.greeting, "Language": code.spec.language})  # fmt: skip
    _Findings(view, slug, code)
    _Browser(view, slug, code)


class _Findings:
    """What the checker says; importing the code, which finds more, follows when the page is there."""

    def __init__(self, view: View, slug: str, code: ProjectCode) -> None:
        self._view, self._slug = view, slug
        self._box = ui.element("section").classes("tl-card")
        may_run = view.may(Right.BUILD)
        self._show(code, waiting=may_run)
        if may_run:
            background_tasks.create(self._check(), name="check a project's code", context=ui.context.client)

    async def _check(self) -> None:
        try:
            code = await self._view.admin.projects.code(self._view.who, self._slug, imported=True)
        except TielineError as error:
            with self._box:
                tell("The code could not be checked", error.message, Tone.WARN)
            return
        if code is not None and not self._box.is_deleted:
            self._show(code, waiting=False)

    def _show(self, code: ProjectCode, *, waiting: bool) -> None:
        self._box.clear()
        with self._box:
            with head("Checker"):
                if waiting:
                    ui.spinner(size="16px")
                    ui.label("importing the code").classes("tl-muted tl-small")
                elif all(one.level is not Level.ERROR for one in code.findings):
                    badge("can be served", Tone.GOOD)
                else:
                    badge("cannot be served", Tone.BAD)
            if not code.findings:
                ui.label("Nothing to say: all of the folder is used.").classes("tl-muted")
            for level in (Level.ERROR, Level.WARNING, Level.UNSUPPORTED):
                for one in code.findings:
                    if one.level is level:
                        _finding(one)


def _finding(one: Finding) -> None:
    with ui.element("div").classes("tl-row").style("align-items: baseline"):
        badge(one.level.value, TONES[one.level])
        place = one.file if one.line is None else f"{one.file}:{one.line}"
        ui.label(place).classes("tl-mono tl-wrap")
        ui.label(one.message).classes("tl-wrap")


class _Browser:
    """The project's files, and the source of the one that was chosen."""

    def __init__(self, view: View, slug: str, code: ProjectCode) -> None:
        self._view, self._slug, self._code = view, slug, code
        self._buttons: dict[str, ui.element] = {}
        if not code.files:
            with card():
                empty("code_off", "No functions", "There is no Python file in functions/ and in flows/.")
            return
        with ui.element("div").classes("tl-split"):
            with ui.element("nav").classes("tl-card").props('aria-label="Functions"'):
                self._list("Functions", [one for one in code.files if one.flow is None])
                for flow in code.spec.flows:
                    self._list(f"Flow {flow.name}", [one for one in code.files if one.flow == flow.name])
                    for step in flow.prompt_steps:
                        ui.label(f"{step}: a prompt step, which cannot be entered").classes(
                            "tl-muted tl-small"
                        )
            self._place = ui.element("section").classes("tl-card")
        background_tasks.create(self._open(code.files[0]), name="show a file", context=ui.context.client)

    def _list(self, title: str, files: Sequence[ProjectFile]) -> None:
        head(title)
        with ui.element("div").classes("tl-files"):
            for one in files:
                button = ui.element("button").classes("tl-file").props("type=button")
                button.on("click", partial(self._open, one))
                with button:
                    ui.label(one.name).classes("tl-mono tl-wrap")
                    ui.label(one.role).classes("tl-muted tl-small")
                self._buttons[one.path] = button

    async def _open(self, one: ProjectFile) -> None:
        for path, button in self._buttons.items():
            button.props["aria-current"] = "true" if path == one.path else "false"
        self._place.clear()
        with self._place:
            waiting = loading()
            with telling():
                text = await self._view.admin.projects.source(self._view.who, self._slug, one.path)
                waiting.delete()
                with head(one.name):
                    ui.label(one.path).classes("tl-mono tl-small tl-muted tl-wrap")
                ui.label(one.role).classes("tl-muted")
                hits = [each.line for each in self._code.findings if each.file == one.path and each.line]
                source(text, hits=hits)
