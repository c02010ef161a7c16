"""Projects: their settings and write-only secrets, and what their folders hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tieline.admin.access import may_change, require
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.agent.folder import MAX_SOURCE, load_folder
from tieline.agent.project import check_project_async
from tieline.agent.spec import Finding, Level, ProjectSpec
from tieline.errors import InvalidInput, NotFound
from tieline.model.environment import Environment
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.resources.plan import Plan

__all__ = ["CALLED_BY_US", "Finding", "Level", "ListedProject", "ProjectAdmin", "ProjectCode", "ProjectFile"]


EXAMPLE = "front_desk"
"""The example project that a newcomer begins with."""


class ListedProject(Record):
    """A project without its secrets, of which the names are known. `account` is a slug."""

    slug: str
    id: str
    name: str
    account: str
    env: Environment
    path: str | None
    answer_only: bool
    numbers: tuple[str, ...]
    fallback_handoff: str | None
    secrets: tuple[str, ...]
    destinations: int
    pools: tuple[str, ...]
    api_keys: tuple[str, ...]
    changeable: bool


class ProjectFile(Record):
    """One Python file of a project; `role` says what it is for, `flow` is the flow that it belongs to."""

    path: str
    name: str
    role: str
    flow: str | None = None


class ProjectCode(Record):
    """A project's folder, read: what it describes, its Python files, and what there is to say of it.

    `imported` says whether its code was imported, too, which finds more.
    """

    spec: ProjectSpec
    files: tuple[ProjectFile, ...]
    findings: tuple[Finding, ...]
    imported: bool


CALLED_BY_US = {
    "start_function": "start function: runs when a call begins",
    "end_function": "end function: runs when a call has ended",
    "turn_function": "turn function: answers what a caller enters",
    "handoff_failed_function": "runs when a handoff has failed and the caller is back",
    "bridge_ended_function": "runs when the other side of a bridged call has hung up",
}
"""Functions that we call, and when."""


class ProjectAdmin:
    """Looking needs `Right.LOOK`, changing `Right.BUILD`; a folder is chosen by those of all accounts alone."""

    def __init__(self, resources: ResourceAdmin) -> None:
        self._resources = resources

    async def projects(self, who: Principal) -> list[ListedProject]:
        """The projects that they may see, by slug."""
        resources = await self._resources.resources(who)
        return sorted((_listed(who, resources, one) for one in resources.projects), key=lambda one: one.slug)

    async def project(self, who: Principal, slug: str) -> ListedProject:
        """One project. Raises `NotFound`."""
        resources, found = await self._find(who, slug)
        return _listed(who, resources, found)

    def example(self) -> str | None:
        """The folder of the agent that comes with Tieline to begin with; None when it is not installed."""
        package = Path(__file__).resolve().parents[1]
        folders = (package.parents[1] / "examples" / EXAMPLE, package / "examples" / EXAMPLE)
        return next((str(one) for one in folders if (one / "project.yaml").is_file()), None)

    async def accounts(self, who: Principal) -> list[str]:
        """The slugs of the accounts in which they may make projects."""
        return [one.slug for one in (await self._resources.resources(who)).accounts]

    async def create(self, who: Principal, fields: Mapping[str, Any], *, with_account: bool = False) -> Plan:
        """Make a project, and its account with it if wanted. Raises as `ResourceAdmin.create` does."""
        return await self._resources.create(who, "projects", _present(fields), with_account=with_account)

    async def change(
        self,
        who: Principal,
        slug: str,
        changes: Mapping[str, Any],
        secrets: Mapping[str, str | None] | None = None,
    ) -> Plan:
        """Lay `changes` over a project's fields; None gives a field its default.

        `secrets` are set by name, those that are None are removed, others stay. Raises as `ResourceAdmin.edit` does.
        """

        def edit(there: Fields | None) -> Fields:
            if there is None:
                raise NotFound(f"there is no project {slug}")
            fields = _present({**there, **changes})
            kept = {**there.get("secrets", {}), **(secrets or {})}
            kept = {name: value for name, value in kept.items() if value is not None}
            fields.pop("secrets", None)
            return {**fields, "secrets": kept} if kept else fields

        await self._find(who, slug)
        return await self._resources.edit(who, "projects", slug, edit)

    async def remove(self, who: Principal, slug: str) -> Plan:
        """Remove a project that nothing else needs. Raises `NotFound`, `Forbidden` and `InvalidFields`."""
        return await self._resources.remove(who, "projects", slug)

    # -- its folder -------------------------------------------------------------------------------------------

    async def code(self, who: Principal, slug: str, *, imported: bool = False) -> ProjectCode | None:
        """What the project's folder holds; None without one. `imported` runs the checker on its code, in a process.

        That takes a second or more, and `Right.BUILD`: it runs code.
        """
        _, found = await self._find(who, slug)
        if found.path is None:
            return None
        loaded = await asyncio.to_thread(load_folder, found.path)
        found_files = _files(loaded.spec)
        findings = loaded.report.findings
        if imported:
            require(who, Right.BUILD)
            report = await check_project_async(found.path, destinations=found.handoffs)
            findings = report.findings
        return ProjectCode(
            spec=loaded.spec,
            files=(*found_files, *_broken(found_files, loaded.report.errors)),
            findings=findings,
            imported=imported,
        )

    async def source(self, who: Principal, slug: str, path: str) -> str:
        """The text of one of the project's Python files. Raises `NotFound`, also for a file that is no function."""
        code = await self.code(who, slug)
        if code is None or all(one.path != path for one in code.files):
            raise NotFound(f"there is no function file {path} in project {slug}")
        return await asyncio.to_thread(_read, Path(code.spec.root), path)

    async def _find(self, who: Principal, slug: str) -> tuple[Resources, Project]:
        resources = await self._resources.resources(who)
        found = next((one for one in resources.projects if one.slug == slug), None)
        if found is None:
            raise NotFound(f"there is no project {slug}")
        return resources, found


def _listed(who: Principal, resources: Resources, one: Project) -> ListedProject:
    account = next((each.slug for each in resources.accounts if each.id == one.account), one.account)
    return ListedProject(
        slug=one.slug, id=one.id, name=one.name, account=account, env=one.env, path=one.path,
        answer_only=one.answer_only, numbers=one.numbers, fallback_handoff=one.fallback_handoff,
        secrets=tuple(sorted(one.secrets)), destinations=len(one.handoffs),
        pools=tuple(each.name for each in resources.pools if each.project == one.id),
        api_keys=tuple(each.name for each in resources.api_keys if each.project == one.id),
        changeable=who.may(Right.BUILD) and may_change(who, resources, one),
    )  # fmt: skip


def _present(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _files(spec: ProjectSpec) -> list[ProjectFile]:
    """The Python files that the folder's description names: those that we call first."""
    ours = [name for name in CALLED_BY_US if name in spec.functions]
    others = [name for name in spec.functions if name not in CALLED_BY_US]
    found = [
        ProjectFile(path=f"functions/{name}.py", name=name, role=CALLED_BY_US.get(name, "function"))
        for name in (*ours, *others)
    ]
    for flow in spec.flows:
        base = f"flows/{flow.folder}"
        start = flow.find_step(flow.start_step)
        found += [
            ProjectFile(
                path=f"{base}/function_steps/{step}.py", name=step, flow=flow.name,
                role="start step" if step == start else "step",
            )
            for step in flow.function_steps
        ]  # fmt: skip
        found += [
            ProjectFile(path=f"{base}/functions/{name}.py", name=name, role="function", flow=flow.name)
            for name in flow.functions
        ]
    return found


def _broken(files: Sequence[ProjectFile], errors: Sequence[Finding]) -> list[ProjectFile]:
    """Python files that could not be loaded, and are worth a look therefore."""
    known = {one.path for one in files}
    paths = {one.file for one in errors if one.file.endswith(".py")} - known
    return [ProjectFile(path=path, name=Path(path).stem, role="not loaded") for path in sorted(paths)]


def _read(root: Path, path: str) -> str:
    """A file's text; one that a link leads out of the folder is not read."""
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        raise NotFound(f"{path} is outside of the project's folder")
    try:
        if file.stat().st_size > MAX_SOURCE:
            raise InvalidInput(f"{path} is longer than {MAX_SOURCE} bytes")
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from None
