"""The budgets bite: each finds what it is there to find, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData

from tools import coverage_budget, gather_coverage, import_rules, size_budget

BUDGET = {"overall": 90.0, "complete": ["sip"]}


def make_file(missing: list[int], branches: list[list[int]], statements: int = 10) -> dict[str, Any]:
    """Make one file's part of a coverage report, with as many branches as statements."""
    summary = {
        "num_statements": statements,
        "num_branches": statements,
        "covered_lines": statements - len(missing),
        "covered_branches": statements - len(branches),
        "percent_covered": 100 * (1 - (len(missing) + len(branches)) / (2 * statements)),
    }
    return {"summary": summary, "missing_lines": missing, "missing_branches": branches}


def make_report(**files: dict[str, Any]) -> dict[str, Any]:
    """Make a coverage report of files in `src/tieline`, with `__` for the slash."""
    named = {f"src/tieline/{name.replace('__', '/')}.py": file for name, file in files.items()}
    return {"meta": {"branch_coverage": True}, "files": named}


def list_failures(report: dict[str, Any], root: Path) -> list[str]:
    return list(coverage_budget.find_failures(report, BUDGET, root))


def test_full_coverage_passes(tmp_path: Path) -> None:
    assert list_failures(make_report(sip__stack=make_file([], []), cli=make_file([], [])), tmp_path) == []


def test_a_missed_branch_fails_a_complete_package(tmp_path: Path) -> None:
    report = make_report(sip__stack=make_file([], [[7, -1]]), cli=make_file([], [], 1000))
    failures = list_failures(report, tmp_path)
    assert failures == ["sip: 95.00 % (budget 100 %)", "    src/tieline/sip/stack.py: branches 7->exit"]


def test_a_package_whose_name_only_begins_alike_is_not_meant(tmp_path: Path) -> None:
    report = make_report(sip__stack=make_file([], []), sipper__x=make_file([1], [], 100))
    assert list_failures(report, tmp_path) == []


def test_gaps_are_named_shortly() -> None:
    assert coverage_budget.name_ranges([9, 3, 4, 5]) == "3-5, 9"


def test_the_overall_figure_counts_branches(tmp_path: Path) -> None:
    report = make_report(cli=make_file([], [[1, 2], [2, 3], [3, 4]]))
    assert list_failures(report, tmp_path)[0] == "overall: 85.00 % (budget 90 %)"


def test_an_unmeasured_file_fails(tmp_path: Path) -> None:
    unseen = tmp_path / "src" / "tieline" / "sip" / "unseen.py"
    unseen.parent.mkdir(parents=True)
    unseen.touch()
    report = make_report(cli=make_file([], []))
    assert list_failures(report, tmp_path) == ["sip: src/tieline/sip/unseen.py was not measured"]


def test_a_report_without_branches_fails(tmp_path: Path) -> None:
    report = make_report(cli=make_file([], []))
    report["meta"]["branch_coverage"] = False
    assert list_failures(report, tmp_path) == ["branches were not measured"]


def test_size_budget_counts_code_and_not_docstrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_budget, "ROOT", tmp_path)
    module = tmp_path / "module.py"
    module.write_text(
        'def long():\n    """One.\n\n    Two.\n    """\n    a = 1\n    return a\n\n\ndef short():\n    pass\n'
    )
    assert list(size_budget.find_oversized(module, file_lines=11, function_lines=3)) == []
    assert list(size_budget.find_oversized(module, file_lines=10, function_lines=2)) == [
        "module.py: 11 lines (budget 10)",
        "module.py:1: long has 3 lines (budget 2)",
    ]


def test_unfinished_work_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_budget, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("done\n" + "TO" + "DO: later\n")
    assert list(size_budget.find_undone(page)) == ["page.md:2: TO" + "DO: later"]


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("calls.session", "calls.routing", True),
        ("calls.session", "store.base", True),
        ("calls.session", "store.sqlite", False),
        ("calls.session", "sip.events", True),
        ("calls.session", "sip.stack", False),
        ("store", "storehouse", False),
        ("cli", "testing.phone", True),
        ("unplaced", "errors", False),
        ("agent.providers.espeak", "model.call", True),
    ],
)
def test_import_rules_read_the_table(importer: str, imported: str, allowed: bool) -> None:
    table = {"calls": {"store.base", "sip.events"}, "cli": {"*"}, "agent": {"model"}, "store": set[str]()}
    assert import_rules.is_allowed(importer, imported, table) is allowed


def test_what_a_killed_process_left_of_its_coverage_is_left_out(tmp_path: Path) -> None:
    for name in ("measured.whole", "measured.cut"):
        data = CoverageData(str(tmp_path / name))
        data.add_lines({"a.py": [1]})
    (tmp_path / "measured.cut").write_bytes(b"")
    (tmp_path / "else").write_bytes(b"")
    assert gather_coverage.drop_cut_files(tmp_path / "measured") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["else", "measured.whole"]


def test_processes_that_still_measure_are_found(tmp_path: Path) -> None:
    data_file = tmp_path / "measured"
    for name, told in {"10": data_file, "11": "/else", "self": data_file}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "environ").write_text(f"A=1\0COVERAGE_FILE={told}\0")
    (tmp_path / "12").mkdir()
    assert gather_coverage.find_writers(data_file, tmp_path) == [10]
