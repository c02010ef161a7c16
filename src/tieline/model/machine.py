"""Something that moves from state to state by a table; what its state has no row for comes too late, or too early."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)
Given = TypeVar("Given", bound=StrEnum)

Table = Mapping[State, Mapping[Given, State]]
"""For each state, what may happen in it and where that leads. Diagrams in the documentation are drawn from these."""


class Machine(Generic[State, Given]):
    """Where something is, and where it may go from there."""

    def __init__(self, table: Table[State, Given], state: State) -> None:
        self.state = state
        self._table = table

    def _moves(self, given: Given) -> bool:
        """Take the step that the table has for `given`; False, and nothing more, when it has none."""
        target = self._table[self.state].get(given)
        if target is None:
            return False
        self.state = target
        return True
