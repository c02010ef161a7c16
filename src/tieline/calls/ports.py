"""What a call needs of the world, as protocols: the shells implement them, tests stand in for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.calls.outcomes import Outcomes
from tieline.calls.provider import Provider
from tieline.clock import Clock
from tieline.media.messages import Command, LegClosed, Report
from tieline.model.call import Termination
from tieline.model.handoff import Destination, HandoffMethod
from tieline.model.receipt import HandoffFailure, ReceiptStep
from tieline.model.reservation import BindRequest, BindResult, BindVerdict
from tieline.model.trunk import Trunk
from tieline.sip.events import Flow
from tieline.sip.leg import TraceEntry
from tieline.store.base import ConversationStore

Header = tuple[str, str]


class SipPort(Protocol):
    """The verbs of a leg. All act at once; what follows comes back as events."""

    def ring(self, leg_id: int) -> None:
        """Send 180."""
        ...

    def answer(self, leg_id: int, sdp: bytes) -> None:
        """Send 200 with an answer, or with an offer when the INVITE had none."""
        ...

    def reject(
        self, leg_id: int, status: int, phrase: str | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """Send a final refusal."""
        ...

    def bye(self, leg_id: int, headers: Sequence[Header] = (), reason: str | None = None) -> bool:
        """End the leg; `reason` is a Reason header value (RFC 3326). `ByeCompleted` follows.

        False when the leg is over already: nothing was sent and nothing follows.
        """
        ...

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """Answer a re-INVITE."""
        ...

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """Refuse a re-INVITE; the session goes on as it was."""
        ...

    def accept_update(self, leg_id: int, sdp: bytes) -> None:
        """Answer an UPDATE."""
        ...

    def reject_update(self, leg_id: int, status: int) -> None:
        """Refuse an UPDATE; the session goes on as it was."""
        ...

    def trace(self, leg_id: int) -> Sequence[TraceEntry]:
        """The leg's messages so far."""
        ...

    def take_trace(self, leg_id: int) -> list[TraceEntry]:
        """The leg's messages so far, and an end to keeping them."""
        ...

    def refer(
        self, leg_id: int, refer_to: str, headers: Sequence[Header] = (), referred_by: str | None = None
    ) -> bool:
        """Ask the peer to call `refer_to` (a whole header value). `ReferCompleted` and `NotifyReceived` follow.

        False when the leg is over. Raises `HeaderRefused` and `WrongArgument`.
        """
        ...

    def invite(
        self,
        flow: Flow,
        uri: str,
        from_: str,
        to: str,
        sdp: bytes,
        headers: Sequence[Header] = (),
        trunk: Trunk | None = None,
    ) -> int:
        """Call somebody; the new leg's number. `LegProgress`, `LegAnswered` or `LegRefused` follow, perhaps at once.

        It is spoken to as its `trunk` says, or without one as that of the flow's address.
        `from_` and `to` are addresses without tags. Raises `HeaderRefused` and `WrongArgument`.
        """
        ...

    def cancel(self, leg_id: int) -> None:
        """Give up a call that was not answered yet; `LegRefused` follows."""
        ...

    def reinvite(self, leg_id: int, sdp: bytes) -> bool:
        """Offer new session parameters; `ReinviteCompleted` follows. False when it cannot be done now."""
        ...

    def dialog(self, leg_id: int) -> str | None:
        """What a later process needs to end the leg's call, as text; None when there is nothing to end."""
        ...

    def call_id_of(self, leg_id: int) -> str:
        """The SIP Call-ID of a leg; empty for one that is not known any more."""
        ...


class MediaPort(Protocol):
    """The media process, seen from the server."""

    async def open_leg(
        self, leg_id: str, listener: Callable[[Report], None], beside: str | None = None
    ) -> int:
        """Bind an RTP port and send the leg's reports to `listener`. Raises `Unavailable`.

        `beside` names a leg that this one is to be joined with: both are put into the same process.
        """
        ...

    def send(self, command: Command) -> None:
        """Carry out a command, after all those before it."""
        ...


class LocationPort(Protocol):
    """Where a trunk's SIP servers are (RFC 3263)."""

    async def targets(self, trunk: Trunk, uri: str) -> list[Flow]:
        """Flows to try for a request to `uri` over `trunk`, best first; those that failed lately stand last.

        Raises `Unavailable` when the name cannot be resolved.
        """
        ...

    def note(self, flow: Flow, *, worked: bool) -> None:
        """Tell how a target did, for the next call's order."""
        ...


class PromptPort(Protocol):
    """Text to audio that the media process holds."""

    async def clips(self, project: str, text: str, language: str | None) -> list[str]:
        """Clip ids for the text, in playing order."""
        ...


class AgentPort(Protocol):
    """One project's agent."""

    @property
    def destinations(self) -> Sequence[Destination]:
        """Handoff destinations of the project folder."""
        ...

    async def run(self, run: Run) -> TurnResult:
        """Run one turn; every failure is in the result, never raised."""
        ...


class BindingPort(Protocol):
    """What a call does to the reservation on its number."""

    async def bind(self, request: BindRequest) -> BindResult:
        """INVITE seen."""
        ...

    async def claim(self, bound: BindResult, *, verified_trunk: bool) -> bool:
        """Answered."""
        ...

    async def unbind(self, bound: BindResult) -> None:
        """Set-up failed before the answer."""
        ...


class CallObserver(Protocol):
    """Counts what happens to calls."""

    def offered(self) -> None:
        """An INVITE for a new call arrived."""
        ...

    def bound(self, verdict: BindVerdict) -> None:
        """A pool number was called."""
        ...

    def answered(self, setup_s: float) -> None:
        """200 was sent, so long after the INVITE."""
        ...

    def agent_ran(self, kind: RunKind, result: TurnResult) -> None:
        """A run of customer code is over."""
        ...

    def handoff_step(self, call_id: str, step: ReceiptStep) -> None:
        """Something became known of a handoff."""
        ...

    def handoff_tried(self, method: HandoffMethod, failure: HandoffFailure | None, seconds: float) -> None:
        """One rung of a handoff's ladder has worked, or failed, so long after it was sent."""
        ...

    def handoff_died_young(self, method: HandoffMethod) -> None:
        """A handoff that had worked was over sooner than the trunk's `alive_s`."""
        ...

    def ended(self, termination: Termination, talk_s: float, media: Sequence[LegClosed]) -> None:
        """A call is over; `media` are the figures of its legs, as far as they are known."""
        ...


@dataclass(frozen=True, slots=True)
class CallSettings:
    """The settings that a session reads."""

    function_limit_s: float = 10.0
    start_limit_s: float = 3.0
    silence_timeout_s: float | None = 60.0
    hold_timeout_s: float | None = 3600.0


@dataclass(frozen=True, slots=True)
class CallServices:
    """Everything a session works with."""

    sip: SipPort
    media: MediaPort
    prompts: PromptPort
    bindings: BindingPort
    store: ConversationStore
    outcomes: Outcomes
    clock: Clock
    settings: CallSettings
    media_address: Callable[[Trunk, str], str]
    """The address to write into SDP for a peer: the trunk's, the server's, or the one that routes to it."""
    observer: CallObserver
    trunk: Callable[[str], Trunk | None] = lambda name: None
    """The trunk of a name, as configured now."""
    location: LocationPort | None = None
    """Where second legs are sent to; without one no handoff by INVITE is possible."""
    provider: Provider | None = None
    """Who knows the calls that a provider gives away by its own means."""
