"""Loading projects whose files do as they like, in real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.agent.test_processes import SETTINGS, make_run
from tieline.agent.messages import FailureKind
from tieline.agent.pool import AgentPool
from tieline.agent.project import check_project_async
from tieline.agent.spec import Level
from tieline.testing.agents import write_project


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import time\ntime.sleep(60)\n", "importing it did not end within 1 s"),
        ("while True: pass\n", "importing it did not end within 1 s"),
        ("import os\nos._exit(0)\n", "its process ended while this file was imported"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "its process ended while"),
        ("import sys\nsys.exit(0)\n", "it exits the process when it is imported"),
        ("raise ValueError('no')\n", "it cannot be imported: ValueError: no"),
    ],
)
async def test_a_project_may_do_as_it_likes_while_it_is_checked(
    tmp_path: Path, source: str, message: str
) -> None:
    path = write_project(tmp_path, {"functions/a.py": "def a(conv): pass\n", "functions/bad.py": source})
    report = await check_project_async(path, limit_s=1.0)
    [finding] = report.errors
    assert finding.file == "functions/bad.py"
    assert message in finding.message


async def test_a_project_that_cannot_be_loaded_answers_runs_with_that(tmp_path: Path) -> None:
    pool = AgentPool(write_project(tmp_path, {"functions/bad.py": "raise ValueError\n"}), SETTINGS)
    try:
        assert not (await pool.start()).ok
        result = await pool.run(make_run("x"))
    finally:
        await pool.close()
    assert result.failure is not None
    assert result.failure.kind is FailureKind.NOT_LOADED


async def test_threads_started_on_import_are_warned_of(tmp_path: Path) -> None:
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    report = await check_project_async(write_project(tmp_path, {"functions/a.py": source}))
    assert any("a thread was started on import" in finding.message for finding in report.warnings)
    assert report.ok


async def test_secrets_come_from_the_server_before_the_file(tmp_path: Path) -> None:
    source = (
        "def turn_function(conv, user_input):\n    return {'utterance': conv.utils.get_secret(user_input)}\n"
    )
    files = {"functions/turn_function.py": source, "secrets.env": "A=file\nB=file\n"}
    pool = AgentPool(write_project(tmp_path, files), SETTINGS, secrets={"B": "server"})
    try:
        assert (await pool.start()).ok
        assert (await pool.run(make_run("A"))).utterances == ["file"]
        assert (await pool.run(make_run("B"))).utterances == ["server"]
        (tmp_path / "secrets.env").write_bytes(b"\xff\xfe\x00")
        report = await pool.reload()
        assert [(finding.file, finding.level) for finding in report.errors] == [("secrets.env", Level.ERROR)]
    finally:
        await pool.close()
