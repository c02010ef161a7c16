"""The pytest plugin, as a project of somebody else's uses it: pytest in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "front_desk"


def run_pytest(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(each).resolve()) for each in sys.path if each])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tieline.testing.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(
        [*command, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False
    )


def test_the_tests_of_the_example_pass() -> None:
    done = run_pytest("-q", str(EXAMPLE / "tests"), cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_what_does_not_hold_is_told_with_the_ladder(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ntieline_project = {EXAMPLE}\n")
    (tmp_path / "test_it.py").write_text(
        "def test_it(call):\n"
        "    talk = call(profile='zoom')\n"
        "    talk.press('1')\n"
        "    talk.hears('something else', within_s=1)\n"
    )
    done = run_pytest("-q", cwd=tmp_path)
    assert done.returncode == 1
    assert "the agent did not say 'something else'" in done.stdout
    assert "200 OK (INVITE)" in done.stdout
    assert "X-ZOOM-Call-SID" in done.stdout


def test_a_project_that_cannot_be_served_is_a_failure_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\ntieline_project = nowhere\n")
    (tmp_path / "test_it.py").write_text("def test_it(tieline_server): pass\n")
    done = run_pytest("-q", cwd=tmp_path)
    assert done.returncode == 1
    assert "the project cannot be served" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_project_that_does_not_use_it_notices_nothing(tmp_path: Path) -> None:
    """No module of ours beyond the plugin itself is imported, and nothing is warned about."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    ours = {name for name in sys.modules if name.split('.')[0] == 'tieline'}\n"
        "    assert ours == {'tieline', 'tieline.testing', 'tieline.testing.pytest_plugin'}\n"
        "    assert 'asyncio' not in sys.modules or 'uvloop' not in sys.modules\n"
    )
    done = run_pytest("-q", "-W", "error", "--strict-config", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
