"""The demonstration ends by itself, and well."""

from __future__ import annotations

import subprocess
import sys


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tieline", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def test_it_plays_once() -> None:
    done = demo("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All steps held" in done.stdout
    for shown in ("INVITE", "BYE", "X-destination: orders", '"handoff_to": "orders"', "Hello Maria"):
        assert shown in done.stdout
    assert "✘" not in done.stdout


def test_a_handoff_fails_over_while_the_caller_stays() -> None:
    done = demo("--handoff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✘" not in done.stdout
    story = [
        "I'll put you through to billing.", "REFER  failed: declined, 603 Decline", "I'm trying another line.",
        "INVITE failed: busy, 486 Busy Here", "Billing is on another call.", "They will call you back today.",
        "BYE    done", "Handoff 1: failed", "Handoff 2: done", '"call_back": true', "All steps held",
    ]  # fmt: skip
    places = [done.stdout.find(words) for words in story]
    assert places == sorted(places), done.stdout
    assert places[0] > 0
