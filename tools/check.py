"""Run every check that needs no running server, cheapest first, and stop at the first that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def list_checks() -> list[tuple[str, list[str]]]:
    """Name and command of each check, in order."""
    typed = [name for name in ("src", "tests", "bench", "fuzz", "tools") if any((ROOT / name).rglob("*.py"))]
    python = sys.executable
    return [
        ("layout", [f"{BIN}/ruff", "format", "--check", "--quiet", "."]),
        ("style", [f"{BIN}/ruff", "check", "--quiet", "."]),
        ("size budgets", [python, "tools/size_budget.py"]),
        ("who may import whom", [f"{BIN}/lint-imports", "--no-logo"]),
        ("types", [f"{BIN}/mypy", "--no-error-summary", *typed]),
        ("documentation", [python, "-m", "pytest", "-q", "--no-header", "tests/docs"]),
    ]


def main() -> None:
    """Run the checks; a failing one shows its whole output."""
    # This tree's sources, wherever the .venv was installed from (a second work tree may share one).
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    for name, command in list_checks():
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        taken = f"{time.monotonic() - started:.1f} s"
        if done.returncode:
            print(done.stdout, end="")
            sys.exit(f"check: {name} FAILED ({taken}): {' '.join(command).replace(f'{BIN}/', '')}")
        print(f"check: {name} ok ({taken})", flush=True)


if __name__ == "__main__":
    main()
