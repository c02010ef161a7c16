"""The page about handoffs says every word of every closed list, with what the code makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tieline.agent.destination_fields import MAX_RING_S, READERS
from tieline.agent.destinations import FIELDS
from tieline.handoff.failures import MEANING_OF, RETRY_OF
from tieline.handoff.headers import MAX_VALUE_LENGTH
from tieline.handoff.plan import MAX_RUNGS
from tieline.handoff.policy import HandoffPolicy
from tieline.handoff.receipt import EVIDENCE_HEADERS, MAX_EVIDENCE
from tieline.model.handoff import HandoffMethod, RingSound, SipConfig
from tieline.model.receipt import HandoffFailure, ReceiptState, ReceiptStep, Retry, Step

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "handoffs.md").read_text(
    encoding="utf-8"
)


def table(head: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is `head`: the word in its first cell to the other cells."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == head:
            inside = True
        elif inside and not cells[0].startswith("---"):
            found[cells[0].strip("`")] = cells[1:]
    return found


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("step", Step),
        ("state", ReceiptState),
        ("retry", Retry),
        ("reason", HandoffFailure),
        ("method", HandoffMethod),
    ],
)
def test_every_word_of_a_closed_list_is_documented(head: str, words: type[Step]) -> None:
    rows = table(head)
    assert list(rows) == [word.value for word in words]
    assert all(all(cells) for cells in rows.values())


def test_reasons_say_what_the_code_says() -> None:
    assert table("reason") == {
        failure.value: [f"`{RETRY_OF[failure].value}`", MEANING_OF[failure]] for failure in HandoffFailure
    }


def test_the_fields_of_destinations_are_documented_with_their_defaults() -> None:
    assert set(table("field")) >= FIELDS
    rows = table("field of `sip_config`")
    assert list(rows) == list(SipConfig.__struct_fields__)
    assert set(rows) == {"method", *READERS}
    plain = SipConfig()
    for name in ("method", "ring_timeout_s", "ring_sound", "accept_timeout_s"):
        default = getattr(plain, name)
        shown = f"{default:g}" if isinstance(default, float) else f"`{default.value}`"
        assert rows[name][0] == shown
    assert f"1 to {MAX_RING_S:.0f}" in rows["ring_timeout_s"][1]
    assert all(f"`{sound.value}`" in rows["ring_sound"][1] for sound in RingSound)


def test_receipts_are_described_field_by_field() -> None:
    section = PAGE.split("## Receipt")[1].split("## Reasons")[0]
    assert all(f"`{field}`" in section for field in ReceiptStep.__struct_fields__)
    named = {name.lower() for name in re.findall(r"`([A-Z][A-Za-z-]+)`", section)}
    assert named == set(EVIDENCE_HEADERS)
    assert f"at most {MAX_EVIDENCE} characters" in section


def test_figures_are_those_of_the_code() -> None:
    words = {5: "five"}
    assert f"at most {words[MAX_RUNGS]}." in PAGE
    assert f"longer than {MAX_VALUE_LENGTH:,} characters" in PAGE
    assert HandoffPolicy().max_wait_s == 120.0
    assert "within two minutes of the REFER" in PAGE
