"""When deliveries are tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tieline.model.webhook import DeliveryState
from tieline.webhooks.schedule import settle

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
WAITING, DELIVERED, FAILED = DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.FAILED


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("made", "wait_s"), [(1, 60), (2, 300), (3, 900), (4, 3600), (5, 14400)])
@pytest.mark.parametrize("status", [None, 500, 404, 302, 100])
def test_it_is_tried_again_later_and_later(status: int | None, made: int, wait_s: float) -> None:
    assert settle(status, None, made, NOW) == (WAITING, after(wait_s))


@pytest.mark.parametrize("made", [6, 7, 40])
def test_the_sixth_attempt_is_the_last(made: int) -> None:
    assert settle(500, None, made, NOW) == (FAILED, None)
    assert settle(204, None, made, NOW) == (DELIVERED, None)


def test_who_is_gone_is_not_asked_again() -> None:
    assert settle(410, None, 1, NOW) == (FAILED, None)


@pytest.mark.parametrize(
    ("status", "value", "wait_s"),
    [
        (503, "600", 600), (429, "10", 60), (429, "999999999999", 14400), (503, "Tue, 01 Jan 2030 12:10:00 GMT", 600),
        (503, "Tue, 01 Jan 2030 12:10:00 -0000", 600), (503, "Mon, 01 Jan 1990 12:10:00 GMT", 60), (503, "soon", 60),
        (503, "", 60), (503, "-5", 60), (503, "1" * 5000, 14400), (500, "600", 60), (503, "٣٠٠٠", 60),
    ],
)  # fmt: skip
def test_a_receiver_may_ask_for_patience(status: int, value: str, wait_s: float) -> None:
    assert settle(status, value, 1, NOW) == (WAITING, after(wait_s))
