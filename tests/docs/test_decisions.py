"""Decision records: numbered without gaps, shaped alike, and listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"
RECORDS = sorted(path for path in DECISIONS.glob("*.md") if path.name != "index.md")


def test_numbers_have_no_gap_and_no_twin() -> None:
    numbers = [int(path.name[:4]) for path in RECORDS]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_record_has_the_agreed_shape(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+", record.stem)
    assert re.match(rf"# {int(record.name[:4])}\. .+\n", text), "the title starts with the number"
    status = re.search(r"^Status: (.+)$", text, re.MULTILINE)
    assert status, "a line `Status: ...` is missing"
    assert re.match(r"(accepted|superseded by \d{4})\b", status[1])
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 80, "one page"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_record_is_listed(record: Path) -> None:
    assert f"]({record.name})" in (DECISIONS / "index.md").read_text(encoding="utf-8")
