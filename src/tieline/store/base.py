"""The store's protocol in the words of the domain. Every engine passes the same contract suite.

Rules that hold for all of them: a write's awaitable completes only after its commit is durable; writes that
arrive while a commit runs go together into the next one; time is passed in as aware UTC (`now`), and leases are
compared with it, never swept. Methods raise `tieline.errors` exceptions and nothing of the engine's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Outcome,
    OutcomeStatus,
    RefusedCall,
    Turn,
)
from tieline.model.handoff import HandoffState
from tieline.model.pool import NumberAdmin, NumberState, Pool, PoolStats
from tieline.model.receipt import Receipt
from tieline.model.record import Record
from tieline.model.reservation import BindRequest, BindResult, Reservation, ReserveRequest
from tieline.model.resources import Resources
from tieline.model.sms import SmsMessage
from tieline.model.trunk import RefusalReason
from tieline.store.figures import FigureStore
from tieline.store.outbox import SmsStore, WebhookStore
from tieline.store.people import AuditStore, UserStore


class PoolNumber(Record):
    """One number of a pool as an operator sees it."""

    pool: str
    number: str
    state: NumberState
    admin: NumberAdmin
    suspect: bool
    epoch: int
    last_used_at: datetime | None
    strays: int
    no_shows: int


class HandoffLookup(Record):
    """The answer to Get Handoff's question: which of the four cases, and the state when there is one."""

    status: OutcomeStatus
    conversation_id: str | None = None
    shared_id: str | None = None
    state: HandoffState | None = None


class Cursor(Record):
    """A place in a list that is ordered by time and then id: the row that it names is on neither side of it."""

    at: datetime
    id: str


class ConversationFilter(Record):
    """What to list, newest first. None means any.

    `number` is the caller's or the callee's, `sip_call_id` that of any leg; one of the texts `anywhere` is the call's
    id, shared id, SIP Call-ID or one of its numbers. `handed_off`, `reason` and `fault` are known of calls that have
    ended alone. Calls started from `after` until before `before`; `older` and `newer` go on from a place in the list,
    `newer` with the rows next to it.
    """

    account: str | None = None
    project: str | None = None
    number: str | None = None
    shared_id: str | None = None
    sip_call_id: str | None = None
    anywhere: tuple[str, ...] = ()
    env: str | None = None
    channel: str | None = None
    reason: TerminationReason | None = None
    fault: Fault | None = None
    handed_off: bool | None = None
    up: bool | None = None
    after: datetime | None = None
    before: datetime | None = None
    older: Cursor | None = None
    newer: Cursor | None = None
    limit: int = 50


class RefusalFilter(Record):
    """Which refused calls to list, newest first. None means any; `trunks` holds None for those that no trunk sent."""

    trunks: tuple[str | None, ...] | None = None
    reason: RefusalReason | None = None
    source: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    limit: int = 50


class Pruned(Record):
    """How much was deleted, entries of the audit log as `audit`; `keys` were forgotten."""

    conversations: int = 0
    reservations: int = 0
    keys: int = 0
    messages: int = 0
    events: int = 0
    audit: int = 0


class ReservationStore(Protocol):
    """Numbers and the reservations on them."""

    async def reserve(self, request: ReserveRequest, pool: str, now: datetime) -> Reservation:
        """Hold the next number of `pool`. Raises `PoolExhausted`, `IdempotencyMismatch` or `InFlight`."""
        ...

    async def bind(self, request: BindRequest, now: datetime) -> BindResult:
        """Attach the call to what is reserved on its number, or say why not. Repeating it gives the same answer."""
        ...

    async def claim(self, reservation_id: str, epoch: int, now: datetime, *, verified: bool) -> bool:
        """BOUND -> CLAIMED as the call is answered; the number starts its cool-down. False when fenced off."""
        ...

    async def unbind(self, reservation_id: str, epoch: int, now: datetime) -> bool:
        """BOUND -> RESERVED after set-up failed before answer; at least the pool's grace remains."""
        ...

    async def release(self, reservation_id: str, project: str, now: datetime) -> Reservation:
        """The client gives a reservation up. Raises `NotFound` or `Conflict` (already bound or claimed)."""
        ...

    async def reservation(self, reservation_id: str, now: datetime) -> Reservation | None:
        """One reservation, its state as of `now`."""
        ...

    async def reservations(
        self, project: str, now: datetime, *, pool: str | None = None, limit: int = 100
    ) -> Sequence[Reservation]:
        """The newest reservations of a project."""
        ...

    async def pool_stats(self, pool: str, now: datetime) -> PoolStats:
        """Numbers by state, and counters. Raises `NotFound`."""
        ...

    async def pool_numbers(
        self, pool: str, now: datetime, *, containing: str = "", limit: int = 1000, offset: int = 0
    ) -> Sequence[PoolNumber]:
        """The pool's numbers in order, those that contain the given digits. Raises `NotFound`."""
        ...

    async def number_history(
        self, pool: str, number: str, now: datetime, *, limit: int = 50
    ) -> Sequence[Reservation]:
        """The newest reservations of one number. Raises `NotFound`."""
        ...

    async def setup_delays(self, pool: str, *, limit: int = 500) -> Sequence[float]:
        """Seconds from reservation to call of the newest reservations that were claimed. Raises `NotFound`."""
        ...

    async def set_number_admin(self, pool: str, number: str, admin: NumberAdmin) -> None:
        """Drain, disable or reactivate one number. Raises `NotFound`."""
        ...

    async def lingering_pools(self, now: datetime) -> Sequence[Pool]:
        """Pools with, as `numbers`, those that were removed while a reservation on them is still to be honoured.

        Routing consults them after the configured pools, so that a number that was taken out of a pool keeps the
        promise made with it.
        """
        ...


class ConversationStore(Protocol):
    """Conversations, outcomes and refused calls."""

    async def open_conversation(self, opened: ConversationOpened) -> None:
        """Store the start of a call."""
        ...

    async def mark_answered(self, conversation_id: str, now: datetime, dialogs: Sequence[str] = ()) -> None:
        """The call is answered: from here on an unsettled call owes an outcome. `dialogs` as for `keep_dialogs`."""
        ...

    async def save_turn(self, conversation_id: str, turn: Turn, messages: Sequence[SmsMessage] = ()) -> None:
        """Append one turn, keep its state, and put its messages into the outbox, in one transaction."""
        ...

    async def save_outcome(self, outcome: Outcome) -> None:
        """Commit what Get Handoff will answer, until the call is closed or a higher revision is saved.

        Idempotent: of several with the same revision the first one stands.
        """
        ...

    async def withdraw_outcome(self, conversation_id: str, now: datetime) -> None:
        """The handoff that the outcome told of has failed and the call goes on: Get Handoff says so again.

        Nothing happens to a call that is closed.
        """
        ...

    async def save_receipt(self, conversation_id: str, index: int, receipt: Receipt) -> None:
        """Keep the receipt of the call's handoff number `index`, from 0, in place of what it said before."""
        ...

    async def note_leg(self, conversation_id: str, sip_call_id: str) -> None:
        """Let the call be found by the SIP Call-ID of a further leg, too."""
        ...

    async def close_conversation(self, closed: ConversationClosed) -> None:
        """The last write of a call. A call without an outcome gets an empty one here."""
        ...

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """One conversation, whole."""
        ...

    async def conversations(self, wanted: ConversationFilter) -> Sequence[Conversation]:
        """Matching conversations, newest first, without their turns and ladders."""
        ...

    async def handoff_state(
        self, account: str, project: str, *, conversation_id: str | None, shared_id: str | None
    ) -> HandoffLookup:
        """The outcome by conversation id or shared id (the newest call with it; shared id wins)."""
        ...

    async def keep_dialogs(self, conversation_id: str, dialogs: Sequence[str]) -> None:
        """Keep the SIP dialogs of a call that is up, as texts, in place of those kept before. Raises `NotFound`."""
        ...

    async def dialogs_up(self) -> Sequence[tuple[str, Sequence[str]]]:
        """The dialogs of the conversations that were not closed, by conversation; at a start, those to be ended."""
        ...

    async def calls_up(self) -> Sequence[str]:
        """Ids of the conversations that were not closed; at a start, those that the last process left behind."""
        ...

    async def settle_interrupted(self, now: datetime, going_on: Collection[str] = ()) -> int:
        """Give every call that was up when the process died its outcome (`interrupted`); returns how many.

        But for those of which more is to be learnt: the conversations with the ids `going_on` stay open.
        Reservations bound by calls that were never answered go back as `unbind` does.
        """
        ...

    async def record_refusal(self, refused: RefusedCall) -> None:
        """Keep why an INVITE was refused. The oldest beyond a bound are dropped."""
        ...

    async def refusals(self, wanted: RefusalFilter | None = None) -> Sequence[RefusedCall]:
        """Matching refused calls, newest first; the newest 50 when none are asked for."""
        ...


class ResourceStore(Protocol):
    """What the operator configured."""

    async def resources(self) -> Resources:
        """All resources as last applied."""
        ...

    async def apply(self, change: Callable[[Resources], Resources], now: datetime) -> Resources:
        """Replace the resources by `change(current)` in one transaction.

        A number removed from a pool while reserved keeps its reservation until that ends.
        """
        ...

    async def unsealed_secrets(self) -> int:
        """How many secrets of projects the next apply will encrypt, or encrypt anew; 0 for a store that need not."""
        ...

    async def resources_version(self) -> int:
        """Grows with every apply, by whichever process; a server reloads when it changes."""
        ...


class RetentionStore(Protocol):
    """An end to what would grow without bound."""

    async def prune(
        self, now: datetime, *, keep_s: float | None, keep_keys_s: float, keep_audit_s: float | None = None
    ) -> Pruned:
        """Delete conversations that ended, and reservations that were made, more than `keep_s` seconds ago.

        None keeps them for ever. Idempotency keys older than `keep_keys_s` are forgotten. Open conversations, their
        reservations, those of held and resting numbers, and those of remembered keys stay whatever their age, and so
        do webhook events that are still to be delivered. Of the audit log, entries older than `keep_audit_s` go (None:
        none do).
        Other writes go on beside it.
        """
        ...


class CredentialStore(Protocol):
    """When API keys and SIP tokens were last used, by the SHA-256 that they are stored under."""

    async def note_credential_use(self, uses: Mapping[str, datetime]) -> None:
        """Keep the latest use of each."""
        ...

    async def credential_uses(self) -> Mapping[str, datetime]:
        """The latest use of each that was ever used."""
        ...


class Store(
    ReservationStore,
    ConversationStore,
    FigureStore,
    ResourceStore,
    RetentionStore,
    AuditStore,
    UserStore,
    CredentialStore,
    SmsStore,
    WebhookStore,
    Protocol,
):
    """All of it, with a life cycle."""

    async def open(self, now: datetime) -> None:
        """Connect and check the schema version. Raises `SchemaTooNew` or `ConfigurationError`."""
        ...

    async def close(self) -> None:
        """Finish queued writes and let go."""
        ...
