"""The resource files of the examples can be applied, and their handoffs get through."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tieline.handoff.check import CheckLevel
from tieline.integrations.profiles import GENERIC, PROFILES
from tieline.model.resources import Resources
from tieline.resources.handoff_check import destinations_of
from tieline.resources.plan import Applier

ROOT = Path(__file__).resolve().parents[3]
GUIDES = sorted(name for name in PROFILES if name != GENERIC)
FILES = sorted((ROOT / "examples").glob("*/resources.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_an_example_is_applied_without_a_remark(file: Path) -> None:
    plan = Applier(file=file, text=file.read_text(), environ={}, random_bytes=os.urandom).plan(Resources())
    assert plan.changes
    assert [str(one) for one in plan.remarks if one.level is not CheckLevel.INFO] == []
    assert all(destinations_of(project) for project in plan.resources.projects)


@pytest.mark.parametrize("name", GUIDES)
def test_the_resources_of_a_guide_can_be_applied(name: str) -> None:
    page = (ROOT / "docs" / "howto" / f"{name}.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    plan = Applier(file=Path(f"{name}.yaml"), text=text, environ={}, random_bytes=os.urandom).plan(
        Resources()
    )
    assert [trunk.profile for trunk in plan.resources.trunks] == [name]
    assert [str(one) for one in plan.remarks if one.level is not CheckLevel.INFO] == []
