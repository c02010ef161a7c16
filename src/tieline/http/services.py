"""What the HTTP API works with: protocols for the parts behind it, and the one value that holds them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tieline.calls.credential_use import CredentialUse
from tieline.calls.directory import Directory
from tieline.calls.trunk_watch import TrunkHealth
from tieline.clock import Clock
from tieline.config import Settings
from tieline.model.conversation import Conversation
from tieline.model.pool import PoolStats
from tieline.model.reservation import Reservation
from tieline.observe.metrics import Metrics
from tieline.store.base import ConversationFilter, HandoffLookup

Check = Callable[[], Awaitable[str | None]]
"""A readiness check: None when all is well, else the reason in words."""


class ReservationService(Protocol):
    """`tieline.calls.reservations.Reservations`, as far as HTTP needs it."""

    async def reserve(
        self,
        project: str,
        *,
        attributes: object,
        pool: str | None = None,
        ttl_s: object = None,
        expected_caller: object = None,
        caller_policy: object = None,
        idempotency_key: str | None = None,
    ) -> Reservation:
        """Hold a number; the values are checked as they came from the client."""
        ...

    async def release(self, project: str, reservation_id: str) -> Reservation:
        """Give a reservation up."""
        ...

    async def get(self, project: str, reservation_id: str) -> Reservation:
        """One reservation of the project. Raises `NotFound`."""
        ...

    async def list(self, project: str, *, pool: str | None = None, limit: int = 100) -> Sequence[Reservation]:
        """The newest reservations of the project."""
        ...

    async def stats(self, project: str, pool: str) -> PoolStats:
        """The figures of one of the project's pools. Raises `NotFound`."""
        ...


class OutcomeService(Protocol):
    """`tieline.calls.outcomes.Outcomes`, as far as HTTP needs it."""

    async def lookup(
        self,
        account: str,
        project: str,
        *,
        conversation_id: str | None = None,
        shared_id: str | None = None,
        wait_s: float = 0.0,
    ) -> HandoffLookup:
        """The outcome; waits up to `wait_s` seconds for a running call to end."""
        ...


class ConversationReader(Protocol):
    """The reading half of `tieline.store.base.ConversationStore`."""

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """One conversation, whole."""
        ...

    async def conversations(self, wanted: ConversationFilter) -> Sequence[Conversation]:
        """Matching conversations, newest first."""
        ...


@dataclass(slots=True)
class Health:
    """Whether this server should get work: named checks, and whether it is draining.

    `trunks` tells what is known of the trunks that are watched, by name; that keeps no server from being ready.
    """

    draining: bool = False
    checks: dict[str, Check] = field(default_factory=dict)
    trunks: Callable[[], Mapping[str, TrunkHealth]] = dict

    async def reasons(self) -> list[str]:
        """Why the server is not ready; empty when it is."""
        found = ["draining: no new calls are taken"] if self.draining else []
        for name, check in self.checks.items():
            try:
                reason = await check()
            except Exception as error:
                reason = f"the check failed: {type(error).__name__}"
            if reason is not None:
                found.append(f"{name}: {reason}")
        return found


@dataclass(slots=True)
class Services:
    """All that the HTTP API needs. `directory` is replaced whole when the resources change."""

    reservations: ReservationService
    outcomes: OutcomeService
    conversations: ConversationReader
    directory: Directory
    health: Health
    metrics: Metrics
    clock: Clock
    settings: Settings
    uses: CredentialUse = field(default_factory=CredentialUse)
