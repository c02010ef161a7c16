"""Timers that fire a little before their time, as a loop may let them, within the resolution of its clock."""

from __future__ import annotations

import selectors

import pytest

from tests.unit.calls.bridge_parts import ask_for_a_human, board_parts, last_failure
from tests.unit.calls.test_transfers import only, play
from tieline.model.receipt import HandoffFailure
from tieline.testing import virtual_time
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.peer_stories import ignore, ring_for_ever

EARLY_S = 5e-10


@pytest.fixture(autouse=True)
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    jump = virtual_time._JumpingSelector.select

    def fall_short(
        selector: virtual_time._JumpingSelector, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        before = selector.now
        ready = jump(selector, timeout)
        if selector.now - before > EARLY_S:
            selector.now -= EARLY_S
        return ready

    monkeypatch.setattr(virtual_time._JumpingSelector, "select", fall_short)


def test_a_refer_that_nobody_answers_is_given_up() -> None:
    board = play(ignore)
    assert only(board).receipts[0].steps[-1].failure is HandoffFailure.NO_RESPONSE


def test_a_human_who_does_not_answer_is_given_up() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.on_invite = ring_for_ever
        await ask_for_a_human(board)
        await board.until("ran handoff_failed")

    board = play_calls(story, **board_parts())
    assert last_failure(board) is HandoffFailure.NO_ANSWER
