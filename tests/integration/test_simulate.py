"""`tieline simulate` against a server that runs, with the exit status that scripts go by."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from tests.integration.served import HOST, Served


def simulate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tieline", "simulate", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def target(served: Served, transport: str = "udp") -> list[str]:
    host, port = served.sip(transport)
    return ["--target", f"{host}:{port}", "--listen", f"{HOST}:0"]


async def test_a_call_that_is_handed_back(served: Served) -> None:
    reserved = await served.reserve(shared_id="simulated")
    words = [
        "--profile",
        "five9",
        "--dial",
        reserved["dni"],
        "--press",
        "1",
        "--expect",
        "bye",
        "-H",
        "X-Test: yes",
    ]
    done = await asyncio.to_thread(simulate, *target(served), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "X-Five9-Session-Id: " in done.stdout
    assert "X-Test: yes" in done.stdout
    assert "as expected: bye" in done.stdout


def test_calls_that_do_not_come_to_what_was_expected(served: Served) -> None:
    words = ["--dial", "200", "--calls", "3", "--rate", "20", "--stay", "0.5", "--expect", "refer"]
    done = simulate(*target(served), *words)
    assert done.returncode == 1
    assert done.stdout.count("this side") == 3
    assert "NOT as expected: refer" in done.stdout


@pytest.mark.parametrize(("number", "expected"), [("+15559999999", "refusal"), ("300", "answer")])
def test_over_tcp(served: Served, number: str, expected: str) -> None:
    done = simulate(*target(served, "tcp"), "--tcp", "--dial", number, "--stay", "0.5", "--expect", expected)
    assert done.returncode == 0, done.stdout


def test_a_callee_whom_nobody_calls() -> None:
    done = simulate("--as", "callee", "--stay", "0.3", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "nobody called in time" in done.stdout


def test_two_simulations_talk_to_each_other(served: Served) -> None:
    """The callee's half, shown by the caller's: no server in between."""
    callee = subprocess.Popen(
        [sys.executable, "-m", "tieline", "simulate", "--as", "callee", "--listen", "127.0.0.1:0", "-b",
         "invite-at-once", "-b", "bye-with-headers", "--stay", "20", "--expect", "invite"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert callee.stdout is not None
    where = callee.stdout.readline().rsplit("sip:", 1)[1].strip()
    done = simulate("--target", where, "--dial", "human", "--stay", "1", "--expect", "answer")
    out, _ = callee.communicate(timeout=30)
    assert done.returncode == 0, done.stdout
    assert callee.returncode == 0, out
    assert "as expected: invite" in out
    assert "◀" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dial", "1", "--target", "nowhere"], "--target must be HOST:PORT"),
        ([], "--dial says which number to call"),
        (["--dial", "1", "-b", "refer-no-notif"], "did you mean refer-no-notify"),
        (["--dial", "1", "--profile", "five8"], "no contact centre five8"),
        (["--dial", "1", "-H", "broken"], "--header must be NAME:VALUE"),
    ],
)
def test_wrong_words(words: list[str], said: str) -> None:
    done = simulate(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_address_of_ours() -> None:
    done = simulate("--dial", "1", "--listen", "192.0.2.1:5070")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_the_list() -> None:
    rows = json.loads(simulate("--list", "--json").stdout)
    names = {row["name"] for row in rows}
    assert {"five9", "generic", "refer-no-notify", "ack-lost"} <= names
