"""The demonstration ends by itself, and well."""

from __future__ import annotations

import subprocess
import sys


def test_it_plays_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tieline", "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All steps held" in done.stdout
    for shown in ("INVITE", "BYE", "X-destination: orders", '"handoff_to": "orders"', "Hello Maria"):
        assert shown in done.stdout
    assert "✘" not in done.stdout
