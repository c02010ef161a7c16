"""The page of SIP state machines, written from the tables that the stack runs on."""

from __future__ import annotations

from tieline.sip.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    LEG,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    LegState,
    State,
    Table,
)
from tools.gen_docs import page
from tools.state_tables import diagram, table

_PROSE = {
    "INVITE, client": """
        An INVITE of ours. On UDP it is repeated at 0.5, 1, 2, ... seconds until anything comes (timer A) and given up
        after 32 s (timer B). After a 2xx the transaction stays for 32 s to recognise further ones (timer M), which
        come from repetitions and from forks; after a refusal it repeats its ACK for 32 s (timer D). 'Give up' is
        the end of the wait after a CANCEL.
    """,
    "INVITE, server": """
        An INVITE to us. Repetitions get the last response again. A refusal is repeated until its ACK (timer G), at
        most for 32 s (timer H). A 2xx is repeated by the call itself, not by the transaction, which stays for 32 s
        to absorb repetitions of the INVITE (timer L).
    """,
    "Other requests, client": """
        BYE, CANCEL, INFO, REFER, UPDATE, PRACK, REGISTER and OPTIONS of ours: repeated at 0.5, 1, 2, 4, 4, ... seconds
        on UDP (timer E), given up after 32 s (timer F).
    """,
    "Other requests, server": """
        BYE, CANCEL, INFO, NOTIFY, REFER, PRACK and OPTIONS to us are answered at once, so the Proceeding state of
        RFC 3261 figure 8 is not there; an UPDATE with an offer stays in Trying until the owner has decided, and its
        repetitions are ignored meanwhile. On UDP the answer is kept for 32 s for repetitions (timer J). Refusals of
        other requests are stateless (section 8.2.7): a repetition is refused again, with the same tag.
    """,
}
_TABLES: dict[str, Table] = {
    "INVITE, client": INVITE_CLIENT,
    "INVITE, server": INVITE_SERVER,
    "Other requests, client": NON_INVITE_CLIENT,
    "Other requests, server": NON_INVITE_SERVER,
}


def _machine(title: str) -> str:
    steps_of, prose = _TABLES[title], " ".join(_PROSE[title].split())
    steps = [
        (before, given, after, actions)
        for before, rows in steps_of.items()
        for given, (after, actions) in rows.items()
    ]
    drawn = diagram(
        [next(iter(steps_of))],
        [State.TERMINATED],
        [(before, after, given.value) for before, given, after, _ in steps],
    )
    listing = table(
        ("in state", "on", "goes to", "and does"),
        [
            (before.value, given.value, after.value, ", ".join(each.value for each in actions) or "nothing")
            for before, given, after, actions in steps
        ],
    )
    return f"### {title}\n\n{prose}\n\n{drawn}\n\n{listing}"


def _leg() -> str:
    steps = [(before, given, after) for before, rows in LEG.items() for given, after in rows.items()]
    drawn = diagram(
        [LegState.OFFERED, LegState.CALLING],
        [LegState.OVER],
        [(before, after, given.value) for before, given, after in steps if before is not after],
    )
    listing = table(
        ("in state", "on", "goes to"),
        [(before.value, given.value, after.value) for before, given, after in steps],
    )
    return f"{drawn}\n\n{listing}"


@page("reference/sip-states.md")
def sip_states() -> str:
    """The whole page."""
    machines = "\n\n".join(_machine(title) for title in _TABLES)
    return f"""# SIP state machines

The stack runs on these tables; this page is written from them. What a transaction's state has no row for is ignored:
a late timer, a stray repetition. What a leg's state has no row for is refused to the one who asked, with the error
`wrong_state`. The times are those of the standard timers (T1 0.5 s, T2 4 s, T4 5 s); on TCP nothing is repeated by a
transaction, and timers D, I, J and K are zero.

## The leg

A leg is our side of one INVITE and of the dialog that it may make. RFC 3261's early dialog is *ringing* (we are
called) and *proceeding* (we call), its confirmed dialog begins with *answered* and *unacked*, and *over* is its
terminated one. *Bye waiting* holds our BYE back until the peer's ACK has come (section 15). *Cancel waiting* holds our
CANCEL back until something was heard of the INVITE (section 9.1). A 2xx that crosses our CANCEL is acknowledged and
ended by BYE. *Answer waiting* holds our 2xx back until the PRACK of a provisional response with SDP has come (RFC 3262
section 3). *INVITE again* is a further attempt with another CSeq after 401, 407 or 422.

{_leg()}

## Transactions

RFC 3261 section 17 with the corrections of RFC 6026.

{machines}
"""
