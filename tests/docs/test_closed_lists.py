"""Closed lists of words are documented one by one, and metrics know every word of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tieline.agent.messages import FailureKind, RunKind
from tieline.model.call import FAULT_OF, Fault, TerminationReason
from tieline.model.reservation import BindVerdict
from tieline.model.trunk import RefusalReason
from tieline.observe.metrics import METRICS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def rows(page: str) -> dict[str, list[str]]:
    """The tables of a page whose first column is a word in code style: word to the other columns."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        word = re.fullmatch(r"`([a-z_]+)`", cells[0])
        if line.startswith("|") and word:
            found[word[1]] = cells[1:]
    return found


def test_every_termination_reason_is_documented_with_its_fault() -> None:
    documented = {word: cells[0] for word, cells in rows("terminations.md").items()}
    assert documented == {reason.value: FAULT_OF[reason].value for reason in TerminationReason}
    assert all(all(cells) for cells in rows("terminations.md").values())


def test_every_termination_reason_has_a_fault() -> None:
    assert set(FAULT_OF) == set(TerminationReason)
    assert set(FAULT_OF.values()) <= set(Fault)


def test_every_refusal_reason_is_documented() -> None:
    assert set(rows("refusals.md")) == {reason.value for reason in RefusalReason}
    assert all(all(cells) for cells in rows("refusals.md").values())


@pytest.mark.parametrize(
    ("metric", "label", "words"),
    [
        ("tieline_calls_ended_total", "reason", [reason.value for reason in TerminationReason]),
        ("tieline_calls_refused_total", "reason", [reason.value for reason in RefusalReason]),
        ("tieline_binds_total", "verdict", [verdict.value for verdict in BindVerdict]),
        ("tieline_agent_runs_total", "kind", [kind.value for kind in RunKind]),
        ("tieline_agent_runs_total", "result", ["ok", *(kind.value for kind in FailureKind)]),
    ],
)
def test_metrics_know_every_word_of_a_closed_list(metric: str, label: str, words: list[str]) -> None:
    (found,) = [each for each in METRICS if each.name == metric]
    assert sorted(found.labels[label]) == sorted(words)
