"""Rules about stored records that every engine applies alike."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tieline.model.call import CallState, Termination, TerminationReason
from tieline.model.conversation import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Outcome,
    OutcomeStatus,
    RefusedCall,
)
from tieline.model.handoff import HandoffState
from tieline.model.lease import (
    LONG_AGO,
    NumberLease,
    is_no_show,
    is_suspect,
    number_state,
    state_at,
)
from tieline.model.reservation import BindRequest, BindResult, BindVerdict, Reservation
from tieline.store.base import ConversationFilter, Cursor, HandoffLookup, PoolNumber, RefusalFilter

MERGE_WITHIN = timedelta(minutes=1)
"""Refusals of one source for one reason within this time of the first are counted, not repeated."""

KEPT_REFUSALS = 1000
"""How many refused calls are kept."""

LAST_OWNER = "somebody has to stay who can sign in and do everything: this is the last owner of all accounts"
"""What is said when a person who may do everything would be the last to go."""

_MICROSECOND = timedelta(microseconds=1)


def stamp(at: datetime) -> int:
    """`at` in whole microseconds since 1970, as it is stored."""
    return (at - LONG_AGO) // _MICROSECOND


def read_stamp(stamp: int) -> datetime:
    """The aware UTC that `stamp` stands for."""
    return LONG_AGO + timedelta(microseconds=stamp)


def storable(text: str) -> str:
    """`text` in a form that UTF-8 can hold: bytes that a peer sent in no known encoding are written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def encode(record: object) -> str:
    """A record as JSON; whatever texts a peer sent, it can be stored."""
    try:
        return msgspec.json.encode(record).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_storable_tree(msgspec.to_builtins(record))).decode()


def _storable_tree(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable_tree(key): _storable_tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable_tree(item) for item in value]
    return value


def describe_number(pool: str, lease: NumberLease, now: datetime) -> PoolNumber:
    """One number as an operator sees it."""
    return PoolNumber(
        pool=pool,
        number=lease.number,
        state=number_state(lease, now),
        admin=lease.admin,
        suspect=is_suspect(lease, now),
        epoch=lease.epoch,
        last_used_at=lease.last_used_at,
        strays=lease.strays,
        no_shows=lease.no_shows + is_no_show(lease, now),
    )


def empty_outcome(opened: ConversationOpened, at: datetime) -> Outcome:
    """The outcome of a call that ended without one."""
    return Outcome(
        conversation_id=opened.id,
        shared_id=opened.shared_id,
        handed_off=False,
        data={},
        handoff=None,
        saved_at=at,
    )


def interrupted(conversation_id: str, answered_at: datetime | None, now: datetime) -> ConversationClosed:
    """How a call is closed that was up when the process died."""
    return ConversationClosed(
        conversation_id=conversation_id,
        termination=Termination.of(TerminationReason.INTERRUPTED, "the server stopped during the call"),
        answered_at=answered_at,
        ended_at=now,
        ladder=(),
        media=None,
        metrics=(),
        peer_bye_headers={},
    )


def call_state(*, answered: bool, talked: bool, outcome: Outcome | None, closed: bool) -> CallState:
    """The state of a stored call, from what has been stored of it."""
    if closed:
        return CallState.ENDED
    if outcome is not None and outcome.handed_off:
        return CallState.HANDING_OFF
    if talked:
        return CallState.TALKING
    return CallState.ANSWERED if answered else CallState.OFFERED


def look_up(
    conversation_id: str, shared_id: str | None, outcome: Outcome | None, *, closed: bool
) -> HandoffLookup:
    """Get Handoff's answer for a known conversation: its outcome counts from the moment it is stored."""
    if outcome is None:
        status = OutcomeStatus.ENDED_WITHOUT_HANDOFF if closed else OutcomeStatus.IN_PROGRESS
        return HandoffLookup(status=status, conversation_id=conversation_id, shared_id=shared_id)
    status = OutcomeStatus.ENDED_WITH_HANDOFF if outcome.handed_off else OutcomeStatus.ENDED_WITHOUT_HANDOFF
    shared_id = outcome.shared_id or shared_id
    state = HandoffState(
        conversation_id=conversation_id, shared_id=shared_id, data=outcome.data, saved_at=outcome.saved_at
    )
    return HandoffLookup(status=status, conversation_id=conversation_id, shared_id=shared_id, state=state)


def same_answer(one: HandoffLookup, other: HandoffLookup) -> bool:
    """Whether Get Handoff says the same both times, whenever that was stored."""
    return (one.status, one.shared_id, one.state and one.state.data) == (
        other.status, other.shared_id, other.state and other.state.data
    )  # fmt: skip


def is_wanted(conversation: Conversation, shared_id: str | None, wanted: ConversationFilter) -> bool:
    """Whether a conversation passes the filter. `number` is the caller's or the callee's."""
    opened = conversation.opened
    return (
        wanted.account in {None, opened.account}
        and wanted.project in {None, opened.project}
        and wanted.number in {None, opened.caller_number, opened.callee_number}
        and wanted.shared_id in {None, shared_id}
        and wanted.sip_call_id in {None, opened.sip_call_id, *conversation.further_call_ids}
        and (not wanted.anywhere or _is_named(conversation, shared_id, wanted.anywhere))
        and wanted.env in {None, opened.env}
        and wanted.channel in {None, opened.channel_type}
        and _ended_as_wanted(conversation, wanted)
        and (wanted.after is None or opened.started_at >= wanted.after)
        and (wanted.before is None or opened.started_at < wanted.before)
        and is_beyond(opened.started_at, opened.id, wanted.older, wanted.newer)
    )


def _is_named(conversation: Conversation, shared_id: str | None, texts: tuple[str, ...]) -> bool:
    opened = conversation.opened
    names = {
        opened.id, opened.caller_number, opened.callee_number, shared_id, opened.sip_call_id,
        *conversation.further_call_ids,
    }  # fmt: skip
    return any(text in names for text in texts)


def _ended_as_wanted(conversation: Conversation, wanted: ConversationFilter) -> bool:
    closed, outcome = conversation.closed, conversation.outcome
    if closed is None:
        return wanted.up is not False and {wanted.reason, wanted.fault, wanted.handed_off} == {None}
    handed_off = outcome is not None and outcome.handed_off
    return (
        wanted.up is not True
        and wanted.reason in {None, closed.termination.reason}
        and wanted.fault in {None, closed.termination.fault}
        and wanted.handed_off in {None, handed_off}
    )


def is_beyond(at: datetime, id_: str, older: Cursor | None, newer: Cursor | None) -> bool:
    """Whether a row is older than the one place and newer than the other."""
    return (older is None or (at, id_) < (older.at, older.id)) and (
        newer is None or (at, id_) > (newer.at, newer.id)
    )


def is_refusal_wanted(refused: RefusedCall, wanted: RefusalFilter) -> bool:
    """Whether a refused call passes the filter."""
    return (
        (wanted.trunks is None or refused.trunk in wanted.trunks)
        and wanted.reason in {None, refused.refusal.reason}
        and wanted.source in {None, refused.source}
        and (wanted.after is None or refused.at >= wanted.after)
        and (wanted.before is None or refused.at < wanted.before)
    )


def merge_refusal(last: RefusedCall | None, refused: RefusedCall) -> RefusedCall | None:
    """`last` with `refused` counted in, or None when the two are to be kept apart.

    Only what was refused by the same rules is counted together, for a known trunk by the number called: a record
    must not answer for a call that was refused for another reason.
    """
    if (
        last is None
        or _refused_alike(last) != _refused_alike(refused)
        or refused.at - last.at >= MERGE_WITHIN
    ):
        return None
    return msgspec.structs.replace(last, count=last.count + refused.count)


def _refused_alike(refused: RefusedCall) -> tuple[object, ...]:
    called = refused.callee if refused.trunk is not None else None
    return refused.source, refused.trunk, called, refused.refusal.reason, refused.refusal.rules


def repeat_bind(held: Reservation, request: BindRequest, now: datetime) -> BindResult:
    """The answer to an INVITE whose call already holds a reservation: the same one, on the same number only."""
    if (held.pool, held.number) != (request.pool, request.number):
        return BindResult(verdict=BindVerdict.SECOND_CALL)
    return attach(BindVerdict.LATE if held.late else BindVerdict.BOUND, held, request, now)


def attach(verdict: BindVerdict, reservation: Reservation, request: BindRequest, now: datetime) -> BindResult:
    """A verdict that gives the reservation's attributes to the call."""
    return BindResult(
        verdict=verdict,
        reservation=state_at(reservation, now),
        caller_matched=request.caller is not None and request.caller == reservation.expected_caller,
        attributes=msgspec.json.decode(reservation.attributes_json),
    )
