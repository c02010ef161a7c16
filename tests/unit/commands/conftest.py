"""The command line, run in the test's own process and folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tieline.cli import run

RESOURCES = """\
accounts: [{slug: acme}]
projects:
  - slug: desk
    answer_only: true
    numbers: [100]
pools:
  - {name: main, project: desk, numbers: [+15550100000-+15550100004], trunks: [sbc]}
trunks:
  - {name: sbc, networks: 127.0.0.1}
api_keys:
  - {name: reserve, project: desk, scopes: [dni:reserve]}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Tieline = Callable[..., Ran]


@pytest.fixture
def tieline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tieline:
    """Runs `tieline <words>` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Ran:
        capsys.readouterr()
        status = run(words)
        caught = capsys.readouterr()
        assert "Traceback" not in caught.err
        return Ran(status, caught.out, caught.err)

    return call


@pytest.fixture
def applied(tieline: Tieline, tmp_path: Path) -> Tieline:
    """The same, with `RESOURCES` applied."""
    (tmp_path / "resources.yaml").write_text(RESOURCES)
    ran = tieline("apply", "-f", "resources.yaml")
    assert ran.status == 0, ran.err
    return tieline
