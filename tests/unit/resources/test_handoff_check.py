"""What will not get through is said before the first call, and what cannot work at all is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.resources.documents import applier, faults, plan
from tieline.handoff.check import CheckLevel
from tieline.model.resources import Resources
from tieline.resources.handoff_check import check_handoffs, destinations_of, trunks_of

TRUNKS = """\
trunks:
  - {name: five9, networks: 192.0.2.1, profile: five9}
  - {name: genesys, networks: 192.0.2.2, profile: genesys, target: sbc.example.com, refer_domain: sbc.example.com}
"""
PROJECT = """\
accounts: [{slug: acme}]
projects:
  - slug: desk
    answer_only: true
    numbers: [100]
    handoffs:
      - name: people
        sip_config: {method: refer, phone_number: "+15550100"}
        fallback: []
"""
TOKENS = """\
sip_tokens: [{name: t, project: desk}]
pools: [{name: m, project: desk, numbers: [], trunks: [five9]}]
"""
ONE_TRUNK = "trunks:\n  - {name: five9, networks: 192.0.2.1, profile: five9}\n"


def test_what_fails_on_one_trunk_alone_is_told() -> None:
    made = plan(PROJECT + TRUNKS)
    worst = made.remarks[0]
    assert (worst.level, worst.trunks, worst.hopeless) == (CheckLevel.ERROR, ("five9",), False)
    assert str(worst).startswith("people on five9: five9 refuses REFER")
    assert made.resources.projects


def test_what_cannot_work_on_any_trunk_is_refused_with_its_line() -> None:
    ((line, key, message),) = faults(PROJECT + ONE_TRUNK)
    assert (line, key) == (7, "projects.desk.handoffs")
    assert "people on five9: five9 refuses REFER" in message
    allowed = applier(PROJECT + ONE_TRUNK, allow_hopeless=True).plan(Resources())
    assert allowed.remarks[0].hopeless


def test_a_trunk_that_makes_it_hopeless_is_refused_with_its_line() -> None:
    before = plan(PROJECT).resources
    ((line, key, message),) = faults(ONE_TRUNK, before)
    assert (line, key) == (2, "trunks.five9.profile")
    assert message.startswith("project desk: people on five9")


def test_what_was_hopeless_before_does_not_hinder_the_rest() -> None:
    before = applier(PROJECT + ONE_TRUNK, allow_hopeless=True).plan(Resources()).resources
    made = plan("accounts: [{slug: acme, name: Acme}]\n", before)
    assert made.remarks[0].hopeless
    assert made.resources.accounts[0].name == "Acme"


def test_the_same_remark_on_several_trunks_is_one() -> None:
    text = PROJECT.replace("fallback: []", "sip_headers: [{key: Priority-Word, value: x}]")
    remarks = check_handoffs(plan(text + TRUNKS).resources)
    assert [one.trunks for one in remarks if one.message.startswith("Priority-Word")] == [
        ("five9", "genesys")
    ]
    levels = [list(CheckLevel).index(one.level) for one in remarks]
    assert levels == sorted(levels)


def test_destinations_of_a_folder_are_checked_too(tmp_path: Path) -> None:
    config = tmp_path / "agent" / "config"
    config.mkdir(parents=True)
    (config / "handoffs.yaml").write_text(
        "handoffs:\n"
        "- name: folder\n  is_default: true\n  sip_config: {method: bye}\n"
        "- name: people\n  sip_config: {method: bye}\n"
    )
    text = PROJECT.replace("answer_only: true", "path: agent")
    made = applier(text + TRUNKS, file=tmp_path / "r.yaml").plan(Resources())
    (project,) = made.resources.projects
    found = {one.name: one.sip_config.method.value for one in destinations_of(project)}
    assert found == {"folder": "bye", "people": "refer"}


@pytest.mark.parametrize(
    ("pools", "numbers", "names"),
    [
        ("", "[100]", ["five9", "genesys"]),
        ("pools: [{name: m, project: desk, numbers: [], trunks: [five9]}]\n", "[100]", ["five9", "genesys"]),
        ("pools: [{name: m, project: desk, numbers: [], trunks: [five9]}]\n", "[]", ["five9"]),
        ("pools: [{name: m, project: desk, numbers: []}]\n", "[]", ["five9", "genesys"]),
        (TOKENS, "[]", ["five9", "genesys"]),
    ],
)  # fmt: skip
def test_the_trunks_that_callers_may_come_by(pools: str, numbers: str, names: list[str]) -> None:
    text = PROJECT.replace("[100]", numbers) + TRUNKS + pools
    made = applier(text, allow_hopeless=True).plan(Resources()).resources
    assert [one.name for one in trunks_of(made.projects[0], made)] == names


def test_trunks_of_other_accounts_are_nobodys_business() -> None:
    text = PROJECT.replace("accounts: [{slug: acme}]", "accounts: [{slug: acme}, {slug: b}]").replace(
        "  - slug: desk\n", "  - slug: desk\n    account: acme\n"
    )
    made = plan(text + "trunks: [{name: t, networks: 192.0.2.1, account: b}]\n")
    assert trunks_of(made.resources.projects[0], made.resources) == ()
    assert made.remarks == ()
