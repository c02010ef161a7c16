"""Projects: settings, write-only secrets, and what their folders hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieline.admin.projects import ListedProject, ProjectCode
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Altered, Fields, Shape

projects = Noun("build")


class ProjectChange(Shape):
    """Fields to change, where null gives a default, and secrets by name, where null removes one; others stay."""

    changes: dict[str, Any] = {}
    secrets: dict[str, str | None] = {}


class CodeQuery(Shape):
    """Whether the project's code is imported, too, which finds more and takes a second or more."""

    imported: bool = False


class SourceQuery(Shape):
    """Which file, by its path within the project's folder."""

    path: str


@projects.get("/projects")
async def list_projects(call: Call) -> Sequence[ListedProject]:
    """The projects, with the names of their secrets."""
    return await call.admin.projects.projects(call.who)


@projects.post("/projects")
async def create_project(call: Call, body: Fields) -> Altered:
    """Make a project from its fields."""
    return call.altered(await call.admin.projects.create(call.who, body))


@projects.get("/projects/{project}")
async def get_project(call: Call, project: str) -> ListedProject:
    """One project, by slug."""
    return await call.admin.projects.project(call.who, project)


@projects.patch("/projects/{project}")
async def change_project(call: Call, project: str, body: ProjectChange) -> Altered:
    """Change fields and secrets; what is not named stays."""
    plan = await call.admin.projects.change(call.who, project, body.changes, body.secrets)
    return call.altered(plan)


@projects.delete("/projects/{project}")
async def remove_project(call: Call, project: str) -> Altered:
    """Remove a project that nothing else needs."""
    return call.altered(await call.admin.projects.remove(call.who, project))


@projects.get("/projects/{project}/code")
async def get_project_code(call: Call, project: str, query: CodeQuery) -> ProjectCode | None:
    """What the project's folder holds, and what there is to say of it; `{"done": true}` without a folder."""
    return await call.admin.projects.code(call.who, project, imported=query.imported)


@projects.get("/projects/{project}/source", media_type="text/plain")
async def get_project_source(call: Call, project: str, query: SourceQuery) -> str:
    """The text of one of the project's Python files."""
    return await call.admin.projects.source(call.who, project, query.path)


@projects.get("/accounts")
async def list_accounts(call: Call) -> Sequence[str]:
    """The slugs of the accounts in which the key may make projects."""
    return await call.admin.projects.accounts(call.who)
