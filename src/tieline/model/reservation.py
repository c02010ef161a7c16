"""A reservation: one caller's journey, holding a number and the attributes that travel with the call.

RESERVED until its lease ends; BOUND from the INVITE that dialled it; CLAIMED once that call is answered; RELEASED
by the client; EXPIRED when nobody called. `(number, epoch)` is the fencing token: every reservation of a number
has the next epoch, and bind and claim compare it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from tieline.model.pool import CallerPolicy
from tieline.model.record import Record


class ReservationState(StrEnum):
    """Where a reservation is in its life."""

    RESERVED = "reserved"
    BOUND = "bound"
    CLAIMED = "claimed"
    RELEASED = "released"
    EXPIRED = "expired"


class ReserveRequest(Record):
    """What a client asks for. `ttl_s` and `caller_policy` of None take the pool's.

    `attributes_json` is the canonical JSON text of the attributes object; kept as text so that it is parsed once.
    `idempotency_key` is scoped to `project`; `body_hash` tells a replay from another request under the same key.
    """

    project: str
    attributes_json: str
    pool: str | None = None
    ttl_s: float | None = None
    expected_caller: str | None = None
    caller_policy: CallerPolicy | None = None
    idempotency_key: str | None = None
    body_hash: str | None = None


class Reservation(Record):
    """A stored reservation. `attributes` is parsed JSON; times are aware UTC."""

    id: str
    pool: str
    project: str
    number: str
    epoch: int
    state: ReservationState
    attributes_json: str
    reserved_at: datetime
    expires_at: datetime
    expected_caller: str | None = None
    caller_policy: CallerPolicy = CallerPolicy.LENIENT
    sip_call_id: str | None = None
    from_tag: str | None = None
    conversation_id: str | None = None
    late: bool = False
    replayed: bool = False


class BindRequest(Record):
    """An INVITE that may belong to a reservation, in canonical form.

    `caller` is None when the caller is anonymous or unreadable. `verified_trunk` says that the call came over one
    of the pool's own trunks. The key of a claim is (`sip_call_id`, `from_tag`).
    """

    pool: str
    number: str
    caller: str | None
    sip_call_id: str
    from_tag: str
    conversation_id: str
    verified_trunk: bool
    forwarded: bool = False


class BindVerdict(StrEnum):
    """What became of a bind: `BOUND` and `LATE` attach attributes, the others make a plain call."""

    BOUND = "bound"
    LATE = "late"
    STRAY = "stray"
    CALLER_MISMATCH = "caller_mismatch"
    SECOND_CALL = "second_call"
    FORWARDED = "forwarded"
    DISABLED = "disabled"


class BindResult(Record):
    """The verdict on a bind; `reservation` is set when attributes belong to this call.

    `caller_matched` says that the caller is the expected one, which verifies the claim.
    """

    verdict: BindVerdict
    reservation: Reservation | None = None
    caller_matched: bool = False
    attributes: dict[str, Any] = {}
