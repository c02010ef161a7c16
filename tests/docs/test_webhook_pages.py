"""What the webhook pages say is what is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tieline.webhooks import dispatcher, posting, schedule, signing

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "webhooks.md").read_text(
    encoding="utf-8"
)


def snippet(now: float) -> Any:
    """The function that receivers copy, with a clock that stands still."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    names["time"] = type("Clock", (), {"time": staticmethod(lambda: now)})
    return names["is_genuine"]


def test_the_function_to_copy_checks_signatures() -> None:
    body, at = b'{"id":"evt_1"}', 1_900_000_000
    header = signing.sign(body, ["new", "old"], at)
    for secret, now, given, genuine in (
        ("new", at, body, True), ("old", at + 300, body, True), ("new", at + 301, body, False),
        ("other", at, body, False), ("new", at, body + b" ", False),
    ):  # fmt: skip
        assert snippet(now)(header, given, secret) is genuine
        assert signing.verify(header, given, secret, now) is genuine
    for odd in ("", "t=1", "v1=a", "t=x,v1=a"):
        assert snippet(at)(odd, body, "new") is False


def test_the_figures_are_those_of_the_code() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| after the one before"))
    units = {"min": 60, "h": 3600}
    told = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (min|h)\b", row)]
    assert told == list(schedule.DELAYS_S)
    assert f"{posting.ANSWER_BYTES:,} bytes" in PAGE
    assert f"{posting.TOTAL_S:g} seconds" in PAGE
    assert {2: "two", 4: "four"}[dispatcher.LANES] in PAGE
    assert signing.HEADER in PAGE
