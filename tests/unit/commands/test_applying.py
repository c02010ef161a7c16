from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.unit.commands.conftest import RESOURCES, Tieline


def test_dry_run_changes_nothing(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RESOURCES)
    ran = tieline("apply", "-f", "r.yaml", "--dry-run")
    assert (ran.status, ran.out.splitlines()[0]) == (0, "+ accounts acme")
    assert "numbers: +15550100000-+15550100004 (5)" in ran.out
    assert "dry run: nothing was changed" in ran.out
    assert "tl_" not in ran.out
    assert tieline("keys", "list", "--json").json == []


def test_apply_shows_keys_once_and_is_idempotent(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RESOURCES)
    first = tieline("apply", "-f", "r.yaml", "--json").json
    (issued,) = first["issued"]
    assert issued["secret"].startswith("tl_")
    assert {one["action"] for one in first["changes"]} == {"create"}
    again = tieline("apply", "-f", "r.yaml")
    assert (again.status, again.out) == (0, "nothing to change\n")
    assert issued["secret"] not in (tmp_path / "tieline.db").read_bytes().decode("latin-1")


def test_update_and_prune(applied: Tieline, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RESOURCES.replace("numbers: [100]", "numbers: [100, 101]"))
    assert "    numbers: 100 -> 100, 101 (2)" in applied("apply", "-f", "r.yaml").out
    (tmp_path / "r.yaml").write_text("accounts: [{slug: acme}]\n")
    assert applied("apply", "-f", "r.yaml").out == "nothing to change\n"
    assert "- pools main" in applied("apply", "-f", "r.yaml", "--prune").out
    assert applied("pool", "list", "--json").json == []


def test_faults_come_on_stderr_with_their_lines(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("accounts:\n  - slug: a b\n  - nmae: x\n")
    ran = tieline("apply", "-f", "r.yaml")
    assert (ran.status, ran.out) == (3, "")
    assert "r.yaml:2: accounts[0].slug" in ran.err
    assert "did you mean name?" in ran.err


def test_files_that_cannot_be_read(tieline: Tieline, tmp_path: Path) -> None:
    assert tieline("apply", "-f", "none.yaml").status == 3
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    assert "not UTF-8" in tieline("apply", "-f", "bytes.yaml").err


def test_standard_input(tieline: Tieline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(RESOURCES))
    assert tieline("apply", "-f", "-").status == 0


def test_export_applies_elsewhere(applied: Tieline, tmp_path: Path) -> None:
    (tmp_path / "out.yaml").write_text(applied("export").out)
    (tmp_path / "tieline.db").unlink()
    for more in ("tieline.db-wal", "tieline.db-shm"):
        (tmp_path / more).unlink(missing_ok=True)
    assert applied("apply", "-f", "out.yaml").status == 0
    assert applied("apply", "-f", "resources.yaml").out == "nothing to change\n"


def test_a_project_that_does_not_load_is_refused(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "agent" / "functions").mkdir(parents=True)
    (tmp_path / "agent" / "functions" / "start_function.py").write_text("def start_function(conv:\n")
    (tmp_path / "r.yaml").write_text("accounts: [{slug: a}]\nprojects:\n  - slug: p\n    path: agent\n")
    ran = tieline("apply", "-f", "r.yaml")
    assert ran.status == 3
    assert "r.yaml:4: projects.p.path" in ran.err
    assert "start_function.py" in ran.err
