"""One call, from the INVITE to the last write: the walk that everything else exists for.

`run` reads from top to bottom as the call happens. Facts from outside (the peer hung up, a key, the media process)
arrive through `on_event` and the leg's reports; those that end the call note the termination and cancel the walk,
which goes on to `_finish`. Every call gets there exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import msgspec

from tieline.agent.messages import Listen, RunKind, TurnResult
from tieline.calls.call import Call
from tieline.calls.caller_leg import CallerLeg
from tieline.calls.endings import (
    FAILURE_CLEARING,
    LEG_FAILURES,
    NORMAL_CLEARING,
    CallEnded,
    CallRefused,
    clearing_of,
    reason_of,
    refusal_headers,
    refusal_of,
)
from tieline.calls.handing import HandedOver, Handing
from tieline.calls.leg_media import LegMedia, MediaOptions
from tieline.calls.live import LiveCall
from tieline.calls.patience import Patience
from tieline.calls.ports import AgentPort, CallServices, Header
from tieline.calls.records import CallRecord, LegRecord, custom_headers, handoff_request
from tieline.calls.renewing import answer_renewal
from tieline.calls.routing import Route
from tieline.calls.runs import AgentRuns
from tieline.calls.speaking import Speaker
from tieline.calls.writes import CallWrites
from tieline.errors import TielineError
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.ladder import Ladder
from tieline.integrations.profiles import dialect_of
from tieline.media.dtmf import digits_of_info
from tieline.model.call import CALL_TRANSITIONS, CallEvent, CallState, Termination, TerminationReason
from tieline.model.handoff import HandoffPlan, HandoffRequest
from tieline.model.reservation import BindRequest, BindResult
from tieline.model.trunk import Refusal
from tieline.observe.logging import get_logger
from tieline.sdp.description import SdpError
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    InfoReceived,
    InviteCancelled,
    InviteReceived,
    LegFailed,
    NotifyReceived,
    ReferCompleted,
    ReferReceived,
    ReinviteCompleted,
    ReinviteReceived,
    SipEvent,
    UpdateReceived,
)

FALLBACK_REASON = "agent_failed"
"""The handoff reason of a call whose agent failed."""

BYE_WAIT_S = 90.0
"""How long our BYE may stay unanswered: more than the SIP stack takes to give up, twice 64*T1."""

MOST_HANDOFFS = 10
"""Handoffs that one call may try; an agent that asks for more goes in circles."""

HANDOFF_EVENTS = (ReferCompleted, NotifyReceived, ReinviteCompleted)
"""Events of the caller's leg that only a handoff can have brought about."""

_Result = TypeVar("_Result")


class CallSession:
    """One call between an INVITE and an agent. `agent` None is an answer-only route: no media, nobody speaks.

    `refusal` is set once the INVITE was refused after it had been admitted; `adopt` is told of further legs.
    """

    def __init__(
        self,
        services: CallServices,
        route: Route,
        agent: AgentPort | None,
        invite: InviteReceived,
        call_id: str,
        adopt: Callable[[CallSession, int], None],
    ) -> None:
        self.call_id = call_id
        self.route = route
        self.agent = agent
        self.state = CallState.OFFERED
        self.state_since = services.clock.utc()
        self.refusal: Refusal | None = None
        self.record = record = CallRecord(call_id, route, invite, services.clock)
        self._services = services
        self._invite = invite
        self._log = log = get_logger("calls").bind(call_id=call_id, sip_call_id=record.sip_call_id)
        self._leg = CallerLeg(services.sip, invite.leg_id)
        self._patience = Patience()
        self._writes = CallWrites(services, record, call_id, log)
        self._media = LegMedia(
            call_id,
            services.media,
            services.media_address(route.trunk, invite.flow.remote[0]),
            services.settings.silence_timeout_s,
            self._on_media_fault,
            MediaOptions(
                encryption=dialect_of(route.trunk).encryption, hold_timeout_s=services.settings.hold_timeout_s
            ),
        )
        self._speaker = Speaker(services.prompts, route.project.id, self._media, log)
        self._runs = AgentRuns(services, agent, record, self._writes, self._patience, log)
        self._handing = Handing(
            Call(
                id=call_id, route=route, services=services, record=record, writes=self._writes, leg=self._leg,
                media=self._media, speaker=self._speaker, runs=self._runs, patience=self._patience, log=log,
                adopt=lambda leg_id: adopt(self, leg_id),
                end=lambda reason: self._stop(Termination.of(reason)),
            )
        )  # fmt: skip
        self._walking: asyncio.Task[None] | None = None
        self._binding: asyncio.Task[None] | None = None
        self._termination: Termination | None = None

    # -- the walk ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the call through. Returns when its last write is durable; never raises for the call's own faults."""
        if self._termination is None:  # the caller may have given up before we come to the first step
            self._walking = asyncio.create_task(self._walk(), name=f"call {self.call_id}")
            await asyncio.wait({self._walking})
            self._termination = self._verdict(self._walking)
        await self._finish(self._termination)

    def _verdict(self, walk: asyncio.Task[None]) -> Termination:
        """How the walk ended: as was noted, refused, or by a defect of ours."""
        error = None if walk.cancelled() else walk.exception()
        if self._termination is not None:
            return self._termination
        if isinstance(error, CallRefused):
            return Termination.of(error.reason, error.detail)
        self._log.error("call failed inside Tieline", exc_info=error)
        return Termination.of(TerminationReason.INTERNAL_ERROR, type(error).__name__)

    async def _walk(self) -> None:
        sdp = await self._prepare()
        started = await self._runs.run(RunKind.START)
        await self._answer(sdp)
        if self.agent is None:
            await asyncio.get_running_loop().create_future()  # held until somebody hangs up
        listen = await self._perform(started)
        while True:
            listen = await self._take_turn(listen)

    async def _prepare(self) -> bytes:
        """Ring, open the port, agree on media, bind the reservation."""
        self._services.sip.ring(self._leg.id)
        try:
            if self.agent is None:
                return self._media.negotiate_without_media(self._invite.request.sdp)
            await self._media.open()
            sdp = self._media.negotiate(self._invite.request.sdp)
        except SdpError as error:
            raise CallRefused(TerminationReason.BAD_OFFER, error) from error
        except TielineError as error:
            raise CallRefused(TerminationReason.MEDIA_FAILED, error) from error
        if self.route.pool is not None:
            self._binding = asyncio.ensure_future(self._bind(self.route.pool.name))
            await asyncio.shield(self._binding)
        return sdp

    async def _bind(self, pool: str) -> None:
        request = BindRequest(
            pool=pool,
            number=self.route.callee or "",
            caller=self.route.caller,
            sip_call_id=self.record.sip_call_id,
            from_tag=self.record.from_tag,
            conversation_id=self.call_id,
            verified_trunk=self.route.verified_trunk,
            forwarded=self.route.forwarded,
        )
        bound = await self._services.bindings.bind(request)
        self.record.note_bind(bound)
        self._runs.take_snapshot()
        self._services.observer.bound(bound.verdict)
        self._log.info("= reservation", verdict=bound.verdict.value)

    async def _unbind(self, binding: asyncio.Future[None]) -> None:
        """Take back a bind, which is made once it has been asked for, however late and whoever has left meanwhile.

        Not taken back, it would hold the number until a restart.
        """
        await asyncio.wait({binding})
        if self._reserved is not None:
            await self._attempt(self._services.bindings.unbind(self._reserved))

    async def _answer(self, sdp: bytes) -> None:
        """Store the call, send 200, wait for the ACK; only then does anybody hear anything."""
        now = self._services.clock.utc()
        # An answer-only call has no agent that it could lose: its peer hangs up whenever it likes.
        dialog = self._services.sip.dialog(self._leg.id) if self.agent is not None else None
        await self._writes.store_answered(now, dialog)
        self.record.answered_at = now
        self._move(CallEvent.ANSWER)
        self._services.sip.answer(self._leg.id, sdp)
        self._services.observer.answered(self.record.setup_s())
        body = await self._leg.acknowledged
        self._writes.claim(self.record.bound, verified_trunk=self.route.verified_trunk)
        try:
            self._media.acknowledge(body)
        except SdpError as error:
            raise self._ended(TerminationReason.BAD_OFFER, str(error)) from error
        self._move(CallEvent.GREET)

    async def _take_turn(self, listen: Listen) -> Listen:
        """Wait for one keypad input, run the agent on it, carry out what it asks for."""
        if listen.listen:
            heard = (await self._media.keypad_input(listen.dtmf)).digits
        else:
            await self._media.ignore_keys(listen.dtmf.first_digit_timeout)
            heard = ""
        result = await self._runs.run(RunKind.TURN, heard, hidden=listen.dtmf.is_pii)
        return await self._perform(result)

    async def _perform(self, result: TurnResult) -> Listen:
        """Speak, then act: nothing that the agent asked for happens before the caller has heard it out.

        A handoff that fails comes back as what the agent has to say to that. Returns what to listen for next.
        """
        while True:
            asked_at = self._services.clock.utc()
            if result.failure is not None:
                await self._fall_back(f"{result.failure.function}: {result.failure.kind.value}", asked_at)
            leaving = result.handoff is not None or result.hangup
            listen = result.listen or Listen()
            early = listen.listen and listen.dtmf.early_listening
            await self._speaker.speak(
                result.utterances, self._runs.conversation.language, interruptible=early and not leaving
            )
            if result.handoff is not None:
                result = await self._hand_off(result.handoff, asked_at, spoken=any(result.utterances))
                continue
            if result.hangup:
                await self._end_leg(NORMAL_CLEARING)
                raise self._ended(TerminationReason.AGENT_HUNG_UP)
            return listen

    async def _hand_off(self, shape: dict[str, Any], asked_at: datetime, *, spoken: bool) -> TurnResult:
        """Carry out the agent's handoff. One that fails goes back to the agent: what it says to that is returned.

        One that cannot even be tried is a failure of the agent, and so is the eleventh that fails.
        """
        try:
            if self._handing.tried >= MOST_HANDOFFS:
                raise UnplannableHandoff("too_many", f"{MOST_HANDOFFS} handoffs of this call have failed")
            ladder = self._handing.plan(handoff_request(shape))
        except (UnplannableHandoff, msgspec.ValidationError) as error:
            self._log.error("handoff cannot be carried out", detail=str(error))
            await self._fall_back(str(error), asked_at)
        await self._give_away(ladder, asked_at, TerminationReason.HANDED_OFF, spoken=spoken)
        self._move(CallEvent.HANDOFF_FAILED)
        return await self._runs.run(RunKind.HANDOFF_FAILED)

    async def _fall_back(self, detail: str, asked_at: datetime) -> NoReturn:
        """The agent cannot go on: the project's fall-back handoff, or a plain BYE where there is none that works."""
        wanted = self.route.project.fallback_handoff or "default"
        try:
            ladder = self._handing.plan(HandoffRequest(destination=wanted, reason=FALLBACK_REASON))
        except UnplannableHandoff as error:
            self._log.warning("no fall-back handoff", detail=str(error))
        else:
            await self._give_away(ladder, asked_at, TerminationReason.AGENT_FAILED, detail)
        await self._end_leg(FAILURE_CLEARING)
        raise self._ended(TerminationReason.AGENT_FAILED, detail)

    async def _give_away(
        self,
        ladder: Ladder,
        asked_at: datetime,
        reason: TerminationReason,
        detail: str = "",
        *,
        spoken: bool = False,
    ) -> None:
        """Climb the ladder; leaves the walk once the caller is somebody else's, returns when nobody takes them."""
        self._move(CallEvent.HAND_OFF)
        done = await self._carry_out(ladder, asked_at, spoken=spoken)
        if done is None:
            return
        if done.bridge is not None:
            self._leg.bye(reason=NORMAL_CLEARING)
            self._note_end(
                reason, detail or f"{done.destination or 'bridge'}: ended by the {done.bridge.by.value}"
            )
            await self._runs.run(RunKind.BRIDGE_ENDED)
        raise self._ended(reason, detail or done.destination or "")

    async def _carry_out(self, ladder: Ladder, asked_at: datetime, *, spoken: bool) -> HandedOver | None:
        """Have the handoff carried out; None when nobody takes the caller."""
        return await self._handing.carry_out(ladder, asked_at, spoken=spoken)

    async def _end_leg(
        self, clearing: str | None, plan: HandoffPlan | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """Hang up, with the outcome stored first: whoever sees the BYE may ask for it."""
        await self._writes.save_outcome(self._runs.conversation, plan)
        self._leg.bye(headers, clearing)

    # -- the end ----------------------------------------------------------------------------------------------

    async def _finish(self, termination: Termination) -> None:
        """Whatever happened: outcome, BYE, end function, figures, and the closing write.

        Every step is taken even when one before it fails, so that no caller is held by a broken disk.
        """
        closing = None if self._leg.is_open else asyncio.ensure_future(self._media.close())
        if self.record.answered_at is None:
            # First of all, for the peer's next attempt may be close behind.
            if self._binding is not None:
                await self._patience.wait(asyncio.ensure_future(self._unbind(self._binding)))
            self._refuse(termination)
        else:
            self._writes.claim(self.record.bound, verified_trunk=self.route.verified_trunk)
        await self._runs.settle()
        if self.refusal is None or self._writes.begun or self._runs.begun:
            await self._store_end()
        self._leg.bye(reason=clearing_of(termination))
        media = await self._attempt(closing or self._media.close())
        if self._runs.begun:
            await self._attempt(self._runs.run_end())
        await self._patience.wait(self._leg.over, BYE_WAIT_S)
        await self._attempt(self._handing.settle())
        self._move(CallEvent.END)
        trace = self._services.sip.take_trace(self._leg.id)
        further = await self._attempt(self._handing.legs()) or []
        if self._writes.begun:
            await self._attempt(self._writes.close(self.record.closed(termination, trace, media, further)))
            await self._writes.settle()
        figures = [each for each in (media, *(leg.media for leg in further)) if each is not None]
        self._services.observer.ended(termination, self.record.talk_s(), figures)
        self._log.info("= ended", reason=termination.reason.value, fault=termination.fault.value)

    async def _store_end(self) -> None:
        """What must be durable before anything else of the end happens: the call itself, and its outcome.

        A caller without an agent who has hung up leaves nothing to hurry for: the closing write says it all.
        """
        await self._attempt(self._writes.store_unanswered())
        if self.agent is not None or self._leg.is_open:
            await self._attempt(self._writes.save_outcome(self._runs.conversation, None))

    async def _attempt(self, step: Awaitable[_Result]) -> _Result | None:
        """One step of the end; its failure is logged and stops nothing."""
        try:
            return await step
        except Exception:
            self._log.exception("call not ended cleanly")
            return None

    def _refuse(self, termination: Termination) -> None:
        """Give the final answer to an INVITE that the caller has not taken back."""
        if self._leg.is_open:
            self.refusal = refusal_of(termination.reason, termination.detail, self.route)
            self._leg.reject(self.refusal.status, refusal_headers(self.refusal))

    # -- facts from outside -----------------------------------------------------------------------------------

    def on_event(self, event: SipEvent) -> None:
        """A SIP event of one of this call's legs."""
        if isinstance(event, HANDOFF_EVENTS) or getattr(event, "leg_id", self._leg.id) != self._leg.id:
            self._handing.on_event(event)
        elif isinstance(event, AckReceived):
            self._on_ack(event.body)
        elif isinstance(event, ByeReceived):
            self.record.peer_bye_headers = custom_headers(event.headers.items())
            self._leave(TerminationReason.CALLER_HUNG_UP, reason_of(event.headers))
        elif isinstance(event, InviteCancelled):
            self._leave(TerminationReason.CALLER_CANCELLED, reason_of(event.headers))
        elif isinstance(event, LegFailed):
            self._leave(LEG_FAILURES[event.failure], broken=True)
        elif isinstance(event, ByeCompleted):
            self._handing.on_bye_completed(event.status)
            self._leg.close()
        elif isinstance(event, InfoReceived):
            for digit in digits_of_info(event.content_type, event.body):
                self._media.press(digit)
                self._handing.on_digit(digit)
        elif isinstance(event, ReferReceived):
            self._log.info("> 603 to a REFER: transfers by the peer are not taken")
        elif isinstance(event, ReinviteReceived | UpdateReceived) and self._leg.is_open:
            self._on_renewal(event)

    def interrupt(self, reason: TerminationReason, detail: str = "") -> None:
        """End the call from our side, and soon: the server is going down."""
        self._patience.lose()
        self._stop(Termination.of(reason, detail))

    def hang_up(self, detail: str = "") -> None:
        """Somebody who watches ends the call."""
        self._stop(Termination.of(TerminationReason.OPERATOR_HUNG_UP, detail))

    def _on_ack(self, body: bytes) -> None:
        """The ACK to our 200, or to a later one: that of a re-INVITE in which the offer was ours."""
        if not self._leg.acknowledged.done():
            self._leg.acknowledged.set_result(body)
            return
        try:
            self._media.acknowledge(body)
        except SdpError as error:
            self._log.info("< unusable answer in an ACK, the session stays as it was", detail=str(error))

    def _on_renewal(self, event: ReinviteReceived | UpdateReceived) -> None:
        negotiate = self._media.negotiate if self.agent is not None else self._media.negotiate_without_media
        if answer_renewal(self._services.sip, self._leg.id, event, negotiate, self._log):
            self._media.connect()
            self._handing.on_renewed()

    def _on_media_fault(self, reason: TerminationReason) -> None:
        """The caller's media ended, or nothing came for too long; one who is being transferred may be on hold."""
        if reason is TerminationReason.NO_MEDIA and self._handing.excuses_silence:
            self._media.connect()
            return
        self._stop(Termination.of(reason))

    def _leave(self, reason: TerminationReason, detail: str = "", *, broken: bool = False) -> None:
        """The leg is over; no request of ours may follow on it. That may be how a handoff succeeds."""
        self._leg.close()
        if not self._handing.on_caller_gone(broken=broken):
            self._stop(Termination.of(reason, detail))

    def _stop(self, termination: Termination) -> None:
        """End the walk wherever it is; the first reason to do so stands."""
        if self._termination is None:
            self._termination = termination
            if self._walking is not None:
                self._walking.cancel()

    def _note_end(self, reason: TerminationReason, detail: str = "") -> None:
        """Note how the call ended; the first to do so stands."""
        self._termination = self._termination or Termination.of(reason, detail)

    def _ended(self, reason: TerminationReason, detail: str = "") -> CallEnded:
        """Note how the call ended, and give the exception that leaves the walk."""
        self._note_end(reason, detail)
        return CallEnded(reason)

    @property
    def _reserved(self) -> BindResult | None:
        """The bind, when a reservation came of it."""
        bound = self.record.bound
        return bound if bound is not None and bound.reservation is not None else None

    def _move(self, event: CallEvent) -> None:
        self.state = CALL_TRANSITIONS[self.state, event]
        self.state_since = self._services.clock.utc()

    def ladder(self) -> tuple[dict[str, Any], ...]:
        """The SIP messages of all legs so far, as `ConversationClosed.ladder` has them at the end."""
        own = LegRecord("caller", self._services.sip.trace(self._leg.id), None)
        return self.record.ladder([own, *self._handing.legs_so_far()])

    def summary(self) -> LiveCall:
        """The call as it is now, for those who watch."""
        runs, route, record = self._runs, self.route, self.record
        return LiveCall(
            id=self.call_id,
            account=route.project.account,
            project=route.project.id,
            env=route.project.env.value,
            channel=route.channel,
            trunk=route.trunk.name,
            caller=route.caller,
            callee=route.callee,
            sip_call_id=record.sip_call_id,
            shared_id=record.current_shared_id(runs.conversation),
            state=self.state,
            started_at=record.started_at,
            state_since=self.state_since,
            answered_at=record.answered_at,
            flow=runs.conversation.current_flow,
            step=runs.conversation.current_step,
            said=runs.said,
            heard=runs.heard,
            sound=self._handing.sound(),
        )
