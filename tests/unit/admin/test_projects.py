"""Projects: who may see and change which, write-only secrets, and what their folders hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.admin.office import ACCOUNT_OWNER, BUILDER, LOOKER, OWNER, SECRET, STRANGER, Office
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.projects import Level, ProjectAdmin
from tieline.errors import Conflict, InvalidInput, NotFound
from tieline.store.people import AuditFilter


@pytest.fixture
def projects(office: Office) -> ProjectAdmin:
    return ProjectAdmin(office.resources)


def _folder(root: Path) -> Path:
    """A small agent with a flow, something unsupported, and a link that leads out of it."""
    (root / "functions").mkdir(parents=True)
    (root / "flows" / "order" / "function_steps").mkdir(parents=True)
    (root / "flows" / "order" / "functions").mkdir()
    (root / "topics").mkdir()
    (root / "project.yaml").write_text("project_name: Desk\n")
    (root / "functions" / "start_function.py").write_text("def start_function(conv):\n    return 'hello'\n")
    (root / "functions" / "broken.py").write_text("def broken(conv):\n    return undefined_name(\n")
    (root / "flows" / "order" / "flow_config.yaml").write_text("name: Order\nstart_step: ask\n")
    (root / "flows" / "order" / "function_steps" / "ask.py").write_text(
        "def ask(conv, flow):\n    return 'number?'\n"
    )
    (root / "flows" / "order" / "functions" / "look_up.py").write_text("def look_up(conv):\n    return 1\n")
    (root / "topics" / "returns.yaml").write_text("name: returns\n")
    return root


async def test_projects_are_seen_and_changed_by_their_own_account(projects: ProjectAdmin) -> None:
    assert [one.slug for one in await projects.projects(OWNER)] == ["desk", "theirs"]
    (seen,) = await projects.projects(LOOKER)
    assert (seen.slug, seen.account, seen.numbers, seen.pools) == ("desk", "acme", ("100",), ("main",))
    assert not seen.changeable
    assert (await projects.project(BUILDER, "desk")).changeable
    assert await projects.accounts(STRANGER) == ["other"]
    for wanted in (
        projects.project(STRANGER, "desk"),
        projects.change(STRANGER, "desk", {"name": "x"}),
        projects.code(STRANGER, "desk"),
    ):
        with pytest.raises(NotFound):
            await wanted
    with pytest.raises(Forbidden):
        await projects.change(LOOKER, "desk", {"name": "x"})
    with pytest.raises(Conflict):
        await projects.create(BUILDER, {"slug": "theirs", "account": "acme", "answer_only": True})


async def test_none_gives_a_field_its_default(projects: ProjectAdmin) -> None:
    await projects.create(
        BUILDER, {"slug": "new", "account": "acme", "answer_only": True, "name": "New", "path": None}
    )
    await projects.change(BUILDER, "new", {"name": None, "numbers": ["300"]})
    found = await projects.project(BUILDER, "new")
    assert (found.name, found.numbers, found.answer_only) == ("", ("300",), True)
    with pytest.raises(InvalidFields) as refused:
        await projects.change(BUILDER, "new", {"numbers": ["100"]})
    assert refused.value.of("numbers")
    await projects.remove(BUILDER, "new")
    with pytest.raises(NotFound):
        await projects.project(BUILDER, "new")


async def test_secrets_go_in_and_never_out(projects: ProjectAdmin, office: Office) -> None:
    await projects.change(BUILDER, "desk", {}, {"CRM_KEY": SECRET, "OTHER": "12345678"})
    await projects.change(BUILDER, "desk", {"name": "Desk"})
    found = await projects.project(BUILDER, "desk")
    assert found.secrets == ("CRM_KEY", "OTHER")
    assert SECRET not in repr(found)
    await projects.change(BUILDER, "desk", {}, {"OTHER": None})
    stored = next(one for one in (await office.store.resources()).projects if one.slug == "desk")
    assert stored.secrets == {"CRM_KEY": SECRET}
    assert SECRET not in repr(await office.store.audit(AuditFilter()))
    await projects.change(BUILDER, "desk", {}, {"CRM_KEY": None})
    assert (await projects.project(BUILDER, "desk")).secrets == ()


async def test_only_somebody_of_all_accounts_chooses_a_folder(projects: ProjectAdmin, tmp_path: Path) -> None:
    folder = str(_folder(tmp_path / "agent"))
    with pytest.raises(Forbidden):
        await projects.change(ACCOUNT_OWNER, "desk", {"path": folder})
    await projects.change(OWNER, "desk", {"path": folder, "answer_only": None})
    assert (await projects.project(ACCOUNT_OWNER, "desk")).path == folder


async def test_a_folder_is_read_without_running_it(projects: ProjectAdmin, tmp_path: Path) -> None:
    root = _folder(tmp_path / "agent")
    assert await projects.code(LOOKER, "desk") is None
    await projects.change(OWNER, "desk", {"path": str(root), "answer_only": None})
    code = await projects.code(LOOKER, "desk")
    assert code is not None
    assert [(one.name, one.role.partition(":")[0], one.flow) for one in code.files] == [
        ("start_function", "start function", None),
        ("ask", "start step", "Order"),
        ("look_up", "function", "Order"),
        ("broken", "not loaded", None),
    ]
    levels = {one.level for one in code.findings}
    assert levels >= {Level.ERROR, Level.UNSUPPORTED}
    assert not code.imported
    with pytest.raises(Forbidden):
        await projects.code(LOOKER, "desk", imported=True)
    checked = await projects.code(BUILDER, "desk", imported=True)
    assert checked is not None
    assert checked.imported
    assert any(one.file == "functions/broken.py" for one in checked.findings)


async def test_source_is_that_of_functions_alone(projects: ProjectAdmin, tmp_path: Path) -> None:
    root = _folder(tmp_path / "agent")
    (tmp_path / "outside.py").write_text("secret = 1\n")
    (root / "functions" / "linked.py").symlink_to(tmp_path / "outside.py")
    (root / "functions" / "long.py").write_text("# x\n" * 300_000)
    await projects.change(OWNER, "desk", {"path": str(root), "answer_only": None})
    assert "def look_up" in await projects.source(LOOKER, "desk", "flows/order/functions/look_up.py")
    for path in (
        "project.yaml",
        "../outside.py",
        "functions/linked.py",
        "/etc/passwd",
        "functions/nobody.py",
    ):
        with pytest.raises(NotFound):
            await projects.source(LOOKER, "desk", path)
    with pytest.raises(InvalidInput):
        await projects.source(LOOKER, "desk", "functions/long.py")


async def test_an_account_is_made_with_its_first_project(projects: ProjectAdmin, office: Office) -> None:
    """For those alone who may make accounts, and only when asked for."""
    fields = {"slug": "new", "account": "third", "answer_only": True}
    with pytest.raises(InvalidFields) as refused:
        await projects.create(OWNER, fields)
    assert refused.value.of("account")
    for who in (BUILDER, ACCOUNT_OWNER):
        with pytest.raises(Forbidden):
            await projects.create(who, fields, with_account=True)
    with pytest.raises(InvalidFields) as refused:
        await projects.create(OWNER, {**fields, "account": "No Slug"}, with_account=True)
    assert refused.value.of("account")
    assert "third" not in await projects.accounts(OWNER)
    await projects.create(OWNER, fields, with_account=True)
    assert "third" in await projects.accounts(OWNER)
    assert (await projects.project(OWNER, "new")).account == "third"
    noted = [(one.kind, one.name) for one in await office.store.audit(AuditFilter())]
    assert {("accounts", "third"), ("projects", "new")} <= set(noted)


def test_the_example_comes_with_us(projects: ProjectAdmin) -> None:
    found = projects.example()
    assert found is not None
    assert (Path(found) / "project.yaml").is_file()
