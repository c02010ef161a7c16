"""`tieline chat`: the same agent in a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tieline.agent.chat import run_chat
from tieline.agent.project import check_project
from tieline.commands.handoff_preview import preview_on
from tieline.testing.agents import write_project

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def chat(path: Path, lines: str, **fields: Any) -> tuple[int, list[str]]:
    output = io.StringIO()
    status = run_chat(path, fields.pop("attributes", None), None, io.StringIO(lines), output, **fields)
    return status, output.getvalue().splitlines()


def test_a_handoff_is_shown_with_its_headers_and_the_state() -> None:
    status, lines = chat(
        EXAMPLES / "front_desk",
        "9\n0\n",
        attributes={"customer": {"first_name": "Ada"}},
        preview=preview_on("generic"),
    )
    assert status == 0
    assert lines[1].startswith("< Hello Ada, this is Northwind.")
    assert '· metric HANDOFF = "asked_for_a_person"' in "\n".join(lines)
    assert any(line.startswith('= handoff {"destination": "contact_centre"') for line in lines)
    assert "=   X-destination: reception" in lines
    assert '"handoff_to": "reception"' in lines[-1]


@pytest.mark.parametrize("lines", ["", "9\n/hangup\nnever read\n"])
def test_the_caller_may_hang_up(lines: str) -> None:
    status, shown = chat(EXAMPLES / "front_desk", lines)
    assert status == 0
    assert "= the caller hung up" in "\n".join(shown)
    assert shown[-1].startswith("= state ")


def test_the_agent_may_hang_up() -> None:
    status, shown = chat(EXAMPLES / "front_desk", "2\n1001\n")
    assert status == 0
    assert "= the agent hung up" in shown


def test_a_failure_is_shown_and_is_the_exit_status(tmp_path: Path) -> None:
    source = "def turn_function(conv, user_input):\n    return {'utterance': 1 / 0}\n"
    status, shown = chat(write_project(tmp_path, {"functions/turn_function.py": source}), "1\n")
    assert status == 1
    text = "\n".join(shown)
    assert "! turn_function failed (raised): ZeroDivisionError: division by zero" in text
    assert "fall-back handoff" in text


def test_personal_digits_are_not_echoed(tmp_path: Path) -> None:
    source = """\
def turn_function(conv, user_input):
    conv.log.info(f"got {user_input}", n=1)
    return {"utterance": "PIN?", "listen": {"dtmf": {"is_pii": True}}}
"""
    status, shown = chat(write_project(tmp_path, {"functions/turn_function.py": source}), "1\n987654\n")
    assert status == 0
    assert "987654" not in "\n".join(shown)
    assert "> · info: got 1 n=1" in shown


def test_a_broken_project_is_explained(tmp_path: Path) -> None:
    status, shown = chat(write_project(tmp_path, {"functions/a.py": "def a(:\n"}), "1\n")
    assert status == 1
    assert any(line.startswith("! functions/a.py:1: error: it is not Python") for line in shown)


def test_checking_a_project_from_outside_a_loop() -> None:
    report = check_project(EXAMPLES / "five9")
    assert report.ok
    assert report.findings == ()
