"""The audit log's page says every act in words."""

from __future__ import annotations

import re
from pathlib import Path

import tieline.admin
from tieline.model.pool import NumberAdmin
from tieline.studio.pages.audit import KINDS, NOUNS, WORDS

SOURCES = [path.read_text() for path in Path(tieline.admin.__file__).parent.rglob("*.py")]


def test_every_act_has_a_word() -> None:
    acts = {act for source in SOURCES for act in re.findall(r'\.note\(\s*who, "(\w+)"', source)}
    assert {"send", "hang_up", "release"} <= acts
    assert (acts | {one.value for one in NumberAdmin}) - set(WORDS) == set()


def test_every_kind_has_a_noun_and_can_be_asked_for() -> None:
    kinds = {kind for source in SOURCES for kind in re.findall(r'\.note\(\s*who, [\w."]+, "(\w+)"', source)}
    assert {"sms", "calls"} <= kinds
    assert kinds - set(NOUNS) == set()
    assert kinds - set(KINDS) == set()
    assert set(NOUNS) == set(KINDS)
