"""A machine takes the steps of its table, and no others."""

from enum import StrEnum

from tieline.model.machine import Machine, Table


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"


class Push(StrEnum):
    OPEN = "open"
    CLOSE = "close"


DOOR: Table[Door, Push] = {Door.OPEN: {Push.CLOSE: Door.SHUT}, Door.SHUT: {Push.OPEN: Door.OPEN}}


class Gate(Machine[Door, Push]):
    def __init__(self) -> None:
        super().__init__(DOOR, Door.SHUT)

    def push(self, how: Push) -> bool:
        return self._moves(how)


def test_what_the_state_has_no_row_for_changes_nothing() -> None:
    gate = Gate()
    tried = [(gate.push(how), gate.state) for how in (Push.CLOSE, Push.OPEN, Push.OPEN, Push.CLOSE)]
    assert tried == [(False, Door.SHUT), (True, Door.OPEN), (False, Door.OPEN), (True, Door.SHUT)]
