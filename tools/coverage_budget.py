"""Hold the coverage budget of pyproject.toml against `coverage.json` (`coverage json` writes it).

Branch coverage: of all statements and all branches, how many ran. `overall` is a per cent for the whole package;
each package in `complete` must be at 100 %, every file of it measured.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/tieline"

Summary = dict[str, Any]


def measure(summaries: list[Summary]) -> float:
    """Per cent of statements and branches that ran."""
    total = sum(item["num_statements"] + item["num_branches"] for item in summaries)
    covered = sum(item["covered_lines"] + item["covered_branches"] for item in summaries)
    return 100.0 * covered / total if total else 100.0


def name_ranges(lines: list[int]) -> str:
    """Name line numbers shortly: 3-5, 9."""
    ranges: list[list[int]] = []
    for line in sorted(lines):
        if ranges and line == ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


def describe_gaps(path: str, file: dict[str, Any]) -> str:
    """One line on what did not run in a file."""
    lines = name_ranges(file["missing_lines"])
    branches = ", ".join(f"{start}->{'exit' if end < 0 else end}" for start, end in file["missing_branches"])
    gaps = [f"lines {lines}" if lines else "", f"branches {branches}" if branches else ""]
    return f"    {path}: {'; '.join(filter(None, gaps))}"


def find_failures(report: dict[str, Any], budget: dict[str, Any], root: Path = ROOT) -> Iterator[str]:
    """Say what is under budget."""
    files: dict[str, dict[str, Any]] = {
        path.replace("\\", "/"): file for path, file in report["files"].items()
    }
    if not report["meta"].get("branch_coverage"):
        yield "branches were not measured"
        return
    overall = measure([file["summary"] for file in files.values()])
    if not files or overall < budget["overall"]:
        yield f"overall: {overall:.2f} % (budget {budget['overall']:.0f} %)"
        for path, file in sorted(files.items(), key=lambda item: item[1]["summary"]["percent_covered"]):
            if file["summary"]["percent_covered"] < budget["overall"]:
                yield f"    {path}: {file['summary']['percent_covered']:.1f} %"
    for name in budget["complete"]:
        folder = f"{PACKAGE}/{name}"
        own = {path: file for path, file in files.items() if path.startswith(folder + "/")}
        for source in sorted((root / folder).rglob("*.py")):
            if (place := str(source.relative_to(root))) not in own:
                yield f"{name}: {place} was not measured"
        if any(file["missing_lines"] or file["missing_branches"] for file in own.values()):
            yield f"{name}: {measure([file['summary'] for file in own.values()]):.2f} % (budget 100 %)"
            for path, file in sorted(own.items()):
                if file["missing_lines"] or file["missing_branches"]:
                    yield describe_gaps(path, file)


def main() -> None:
    """Print what is under budget; exit with 1 when something is."""
    report = json.loads((ROOT / "coverage.json").read_text())
    budget = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["tieline"]["coverage"]
    failures = list(find_failures(report, budget))
    if failures:
        print("coverage budget FAILED", *failures, sep="\n")
        sys.exit(1)
    overall = measure([file["summary"] for file in report["files"].values()])
    print(f"coverage budget ok: {overall:.1f} % overall, 100 % in {', '.join(budget['complete'])}")


if __name__ == "__main__":
    main()
