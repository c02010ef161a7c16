"""The page of the handoffs' state machines, written from the tables that they run on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from tieline.handoff.bridge import BRIDGE, BridgeCommand, BridgeState
from tieline.handoff.bye import BYE, ByeState
from tieline.handoff.refer import REFER, ReferState
from tools.gen_docs import page
from tools.state_tables import diagram, table

State = TypeVar("State", bound=StrEnum)
Given = TypeVar("Given", bound=StrEnum)


def _machine(rows_of: Mapping[State, Mapping[Given, State]], first: State, last: tuple[State, ...]) -> str:
    steps = [(before, given, after) for before, rows in rows_of.items() for given, after in rows.items()]
    drawn = diagram(
        [first], last, [(before, after, given.value) for before, given, after in steps if before is not after]
    )
    listed = table(
        ("in state", "on", "goes to"),
        [(before.value, given.value, after.value) for before, given, after in steps],
    )
    return f"{drawn}\n\n{listed}"


@page("reference/handoff-states.md")
def handoff_states() -> str:
    """The whole page."""
    commands = "\n".join(f"- {command.value}" for command in BridgeCommand)
    return f"""# Handoff state machines

The [handoffs](handoffs.md) run on these tables; this page is written from them. What a state has no row for changes
nothing: a late NOTIFY, a second BYE, a key pressed too early. What still becomes known is noted on the receipt.

## REFER

*Accepted* waits for the first NOTIFY, *progressing* for a final status. *Unresolved* is a subscription that ended
without a result: only the peer's BYE can still bring one. After a failure the ladder goes on, or the agent.

{_machine(REFER, ReferState.SENT, (ReferState.SUCCEEDED, ReferState.FAILED))}

## INVITE

*Screening* is the time of the whisper and of the accept key. A bridge that failed on our side stays *cancelling* until
its own INVITE is settled, while the caller goes on already: a 2xx that crosses the CANCEL is ended by BYE.

{_machine(BRIDGE, BridgeState.INVITING, (BridgeState.ENDED,))}

What the machine asks for, in the order it gives:

{commands}

## BYE

{_machine(BYE, ByeState.SENT, (ByeState.DONE,))}
"""
