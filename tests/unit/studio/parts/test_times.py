"""Moments that are entered in the zone of whoever looks, where clocks go forward and back, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tieline.errors import InvalidInput
from tieline.studio.parts.times import end_of_day, field_text, read_field, zone_named

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("entered", "last", "meant"),
    [
        ("2030-01-15T10:00", False, "2030-01-15T10:00:00+01:00"),
        ("2030-07-15T10:00", False, "2030-07-15T10:00:00+02:00"),
        ("2030-10-27T02:30", False, "2030-10-27T02:30:00+02:00"),  # the first of two
        ("2030-10-27T02:30", True, "2030-10-27T02:30:00+01:00"),  # the last of two
        ("2030-03-31T02:30", False, "2030-03-31T03:30:00+02:00"),  # there is none
    ],
)
def test_what_is_entered_is_meant_in_the_viewers_zone(entered: str, last: bool, meant: str) -> None:
    found = read_field(entered, BERLIN, last=last)
    assert found is not None
    assert found.isoformat() == meant
    assert read_field(field_text(found, BERLIN), BERLIN, last=last) == found


def test_nothing_entered_is_no_moment() -> None:
    assert read_field("", BERLIN) is None
    assert read_field(None, BERLIN) is None
    assert field_text(None, BERLIN) == ""


def test_a_moment_is_shown_in_the_viewers_zone() -> None:
    assert field_text(datetime(2030, 7, 1, 8, 30, tzinfo=UTC), BERLIN) == "2030-07-01T10:30"
    assert field_text(datetime(2030, 7, 1, 8, 30, 5, tzinfo=UTC), BERLIN) == "2030-07-01T10:30:05"


def test_a_day_ends_in_the_viewers_zone() -> None:
    assert end_of_day("2030-10-27", BERLIN).isoformat() == "2030-10-28T00:00:00+01:00"
    assert end_of_day("2030-03-30", BERLIN).isoformat() == "2030-03-31T00:00:00+01:00"


@pytest.mark.parametrize("text", ["soon", "2030-13-01T10:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_field(text, BERLIN)
    with pytest.raises(InvalidInput):
        end_of_day(text, BERLIN)


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "/etc/passwd", "Europe", "x" * 500])
def test_a_zone_that_is_not_known_is_utc(name: str) -> None:
    assert zone_named(name) is UTC
    assert zone_named("Europe/Berlin").utcoffset(datetime(2030, 7, 1)) == timedelta(hours=2)  # noqa: DTZ001 - as zones ask
