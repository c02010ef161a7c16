"""What the SIP core raises: at its owner for a wrong call, inside itself for a peer's bad message.

Those for the owner descend from the product's exception tree, so that a caller need not know this package to
catch them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieline.errors import Conflict, InvalidInput, NotFound, TielineError

if TYPE_CHECKING:
    from tieline.sip.message import Request


class UnknownLeg(NotFound):
    """The leg never existed, or was forgotten. `leg_id` says which."""

    code = "unknown_leg"

    def __init__(self, leg_id: int) -> None:
        super().__init__(f"no leg {leg_id}", leg_id=leg_id)
        self.leg_id = leg_id


class WrongState(Conflict):
    """The leg's state forbids the verb, for example `answer` after the caller gave up."""

    code = "wrong_state"

    def __init__(self, leg_id: int, verb: str, state: str) -> None:
        super().__init__(f"leg {leg_id} is {state}: it cannot {verb}", leg_id=leg_id, verb=verb, state=state)
        self.leg_id = leg_id
        self.verb = verb
        self.state = state


class RegisterPending(Conflict):
    """The last REGISTER of this registration has no answer yet (RFC 3261 section 10.2)."""

    code = "register_pending"

    def __init__(self, register_id: int) -> None:
        super().__init__(f"registration {register_id} has a REGISTER under way", register_id=register_id)
        self.register_id = register_id


class HeaderRefused(InvalidInput):
    """A header that the owner wants to send is not ours to send, or would break the message. `name` as given."""

    code = "header_refused"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"header {name!r} {why}", name=name, why=why)
        self.name = name
        self.why = why


class WrongArgument(InvalidInput):
    """A verb was given something that cannot be put on the wire (an empty SDP, a URI that is none, ...)."""

    code = "wrong_argument"


class MessageMalformed(TielineError):
    """A received message breaks the grammar. `status` is the response that a request deserves.

    `request` holds what could be read when that suffices to answer; it is None where nobody can be told.
    """

    code = "message_malformed"

    def __init__(self, why: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.status = status
        self.request = request


class Refused(Exception):
    """The request deserves `status`; `lines` are extra header lines."""

    def __init__(self, status: int, why: str, lines: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.lines = lines


class Challenged(Refused):
    """The request is to come again with credentials: no refusal to tell of, but the way it goes."""
