"""BYE: whatever the peer answers, our leg is over."""

import pytest

from tests.unit.handoff.parts import AT, last, rung, steps
from tieline.handoff.bye import BYE, ByeHandoff, ByeInput, ByeState
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import ReceiptState, Step


def test_a_bye_that_is_answered() -> None:
    builder, receipt = rung(HandoffMethod.BYE)
    bye = ByeHandoff(receipt, AT)
    bye.on_completed(200, AT)
    bye.on_completed(200, AT)
    bye.on_leg_over(AT)
    assert steps(builder) == ["sent", "accepted", "done"]
    assert builder.receipt().state is ReceiptState.DONE


@pytest.mark.parametrize("status", [408, 481, 503])
def test_a_bye_that_fails_is_done_all_the_same(status: int) -> None:
    builder, receipt = rung(HandoffMethod.BYE)
    ByeHandoff(receipt, AT).on_completed(status, AT)
    assert steps(builder) == ["sent", "done"]
    assert last(builder, Step.DONE).status == status
    assert last(builder, Step.DONE).detail


def test_byes_that_cross() -> None:
    builder, receipt = rung(HandoffMethod.BYE)
    bye = ByeHandoff(receipt, AT)
    bye.on_leg_over(AT)
    assert bye.state is ByeState.DONE
    assert steps(builder) == ["sent", "done"]


def test_the_table_knows_every_input() -> None:
    assert set(BYE[ByeState.SENT]) == set(ByeInput)
