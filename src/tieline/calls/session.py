"""One call, from the INVITE to the last write: the walk that everything else exists for.

`run` reads from top to bottom as the call happens. Facts from outside (the peer hung up, a key, the media process)
arrive through `on_event` and the leg's reports; those that end the call note the termination and cancel the walk,
which goes on to `_finish`. Every call gets there exactly once.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar

import msgspec

from tieline.agent.messages import Listen, Run, RunKind, TurnResult
from tieline.calls.endings import (
    FAILURE_CLEARING,
    LEG_FAILURES,
    NORMAL_CLEARING,
    CallEnded,
    CallRefused,
    refusal_headers,
    refusal_of,
)
from tieline.calls.leg_media import LegMedia
from tieline.calls.ports import AgentPort, CallServices
from tieline.calls.records import CallRecord, custom_headers, handoff_request
from tieline.calls.routing import Route
from tieline.calls.writes import CallWrites
from tieline.errors import TielineError
from tieline.handoff.plan import UnplannableHandoff, plan_handoff
from tieline.media.dtmf import digits_of_info
from tieline.model.call import CALL_TRANSITIONS, CallEvent, CallState, Termination, TerminationReason
from tieline.model.handoff import HandoffPlan, HandoffRequest
from tieline.model.reservation import BindResult
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
    ReinviteReceived,
    SipEvent,
)

FALLBACK_REASON = "agent_failed"
"""The handoff reason of a call whose agent failed."""

BYE_WAIT_S = 90.0
"""How long our BYE may stay unanswered: more than the SIP stack takes to give up, twice 64*T1."""

HURRY_S = 1.0
"""How long each thing may still take that an interrupted call waits for."""

_Result = TypeVar("_Result")


class CallSession:
    """One call between an INVITE and an agent. `agent` None is an answer-only route: no media, nobody speaks.

    `refusal` is set once the INVITE was refused after it had been admitted.
    """

    def __init__(
        self,
        services: CallServices,
        route: Route,
        agent: AgentPort | None,
        invite: InviteReceived,
        call_id: str,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.call_id = call_id
        self.route = route
        self.agent = agent
        self.state = CallState.OFFERED
        self.refusal: Refusal | None = None
        self.record = CallRecord(call_id, route, invite, services.clock)
        self._services = services
        self._invite = invite
        self._leg = invite.leg_id
        self._log = get_logger("calls").bind(call_id=call_id, sip_call_id=self.record.sip_call_id)
        self._writes = CallWrites(services, self.record, call_id, self._log)
        self._media = LegMedia(
            call_id,
            services.media,
            services.media_address(route.trunk, invite.flow.remote[0]),
            services.settings.silence_timeout_s,
            lambda reason: self._stop(Termination.of(reason)),
        )
        self._conversation = self.record.snapshot()
        self._run_ids = itertools.count(1)
        self._running: asyncio.Task[TurnResult] | None = None
        self._walking: asyncio.Task[None] | None = None
        self._acknowledged: asyncio.Future[bytes] = loop.create_future()
        self._hurry: asyncio.Future[None] = loop.create_future()
        self._bye_done: asyncio.Future[None] = loop.create_future()
        self._termination: Termination | None = None
        self._leg_open = True

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
        started = await self._start_agent()
        await self._answer(sdp)
        if self.agent is None:
            await asyncio.get_running_loop().create_future()  # held until somebody hangs up
        await self._perform(started)
        listen = started.listen
        while True:
            listen = await self._take_turn(listen or Listen())

    async def _prepare(self) -> bytes:
        """Ring, open the port, agree on media, bind the reservation."""
        self._services.sip.ring(self._leg)
        try:
            if self.agent is None:
                return self._media.negotiate_without_media(self._invite.request.body)
            await self._media.open()
            sdp = self._media.negotiate(self._invite.request.body)
        except SdpError as error:
            raise CallRefused(TerminationReason.BAD_OFFER, error) from error
        except TielineError as error:
            raise CallRefused(TerminationReason.MEDIA_FAILED, error) from error
        if self.route.pool is not None:
            await self._bind(self.route.pool.name)
        return sdp

    async def _bind(self, pool: str) -> None:
        bound = await self._services.bindings.bind(
            pool,
            self.route.callee or "",
            caller=self.route.caller,
            sip_call_id=self.record.sip_call_id,
            from_tag=self.record.from_tag,
            conversation_id=self.call_id,
            verified_trunk=self.route.verified_trunk,
            forwarded=self.route.forwarded,
        )
        self.record.note_bind(bound)
        self._conversation = self.record.snapshot()
        self._services.observer.bound(bound.verdict)
        self._log.info("= reservation", verdict=bound.verdict.value)

    async def _start_agent(self) -> TurnResult:
        if self.agent is None:
            return TurnResult(run_id=0, conversation=self._conversation)
        return await self._run_agent(self.agent, RunKind.START)

    async def _answer(self, sdp: bytes) -> None:
        """Store the call, send 200, wait for the ACK; only then does anybody hear anything."""
        now = self._services.clock.utc()
        await self._writes.store_answered(now)
        self.record.answered_at = now
        self._move(CallEvent.ANSWER)
        self._services.sip.answer(self._leg, sdp)
        self._services.observer.answered(self.record.setup_s())
        body = await self._acknowledged
        self._writes.claim(self.record.bound, verified_trunk=self.route.verified_trunk)
        try:
            self._media.acknowledge(body)
        except SdpError as error:
            raise self._ended(TerminationReason.BAD_OFFER, str(error)) from error
        self._move(CallEvent.GREET)

    async def _take_turn(self, listen: Listen) -> Listen | None:
        """Wait for one keypad input, run the agent on it, carry out what it asks for."""
        assert self.agent is not None
        if listen.listen:
            heard = (await self._media.keypad_input(listen.dtmf)).digits
        else:
            await self._media.ignore_keys(listen.dtmf.first_digit_timeout)
            heard = ""
        result = await self._run_agent(self.agent, RunKind.TURN, heard, hidden=listen.dtmf.is_pii)
        await self._perform(result)
        return result.listen

    async def _run_agent(
        self, agent: AgentPort, kind: RunKind, user_input: str | None = None, *, hidden: bool = False
    ) -> TurnResult:
        """One run. A caller who hangs up does not stop it: `_finish` waits for its state."""
        settings = self._services.settings
        run = Run(
            run_id=next(self._run_ids),
            kind=kind,
            conversation=self._conversation,
            user_input=user_input,
            input_is_pii=hidden,
            limit_s=settings.start_limit_s if kind is RunKind.START else settings.function_limit_s,
        )
        self._running = asyncio.ensure_future(self._recorded(agent, run))
        return await asyncio.shield(self._running)

    async def _recorded(self, agent: AgentPort, run: Run) -> TurnResult:
        """Run, take the new state over unless the run failed, and store the turn."""
        result = await agent.run(run)
        self._services.observer.agent_ran(run.kind, result)
        if result.failure is None:
            self._conversation = result.conversation
            # From here on, not from the first key: keys pressed while the prompt is spoken count too.
            if result.listen is not None and result.listen.dtmf.is_pii:
                self.record.hide_digits = True
        else:
            failure = result.failure
            self._log.warning("agent function failed", function=failure.function, kind=failure.kind.value)
        if run.kind is not RunKind.END or result.function_runs or result.failure is not None:
            self._writes.add_turn(self.record.turn(run, result, self._conversation))
        if run.kind is RunKind.TURN:
            self._writes.store_turns()
        return result

    async def _perform(self, result: TurnResult) -> None:
        """Speak, then act: nothing that the agent asked for happens before the caller has heard it out."""
        if result.failure is not None:
            await self._fall_back(f"{result.failure.function}: {result.failure.kind.value}")
        leaving = result.handoff is not None or result.hangup
        listen = result.listen or Listen()
        early = listen.listen and listen.dtmf.early_listening
        await self._speak(result.utterances, interruptible=early and not leaving)
        if result.handoff is not None:
            await self._hand_off(result.handoff)
        if result.hangup:
            await self._writes.save_outcome(self._conversation, None)
            self._end_leg(reason=NORMAL_CLEARING)
            raise self._ended(TerminationReason.AGENT_HUNG_UP)

    async def _speak(self, utterances: list[str], *, interruptible: bool) -> None:
        for text in utterances:
            if not text:
                continue
            try:
                clips = await self._services.prompts.clips(
                    self.route.project.id, text, self._conversation.language
                )
            except TielineError as error:
                # A caller who hears nothing can still press keys and be handed over; the call goes on.
                self._log.error("prompt not spoken", error=error.message, code=error.code)
                continue
            if not await self._media.play(clips, interruptible=interruptible):
                return

    async def _hand_off(self, shape: dict[str, Any]) -> NoReturn:
        """Carry out the agent's handoff; one that cannot be carried out is a failure of the agent."""
        try:
            plan = self._plan(handoff_request(shape))
        except (UnplannableHandoff, msgspec.ValidationError) as error:
            self._log.error("handoff cannot be carried out", detail=str(error))
            await self._fall_back(str(error))
        await self._give_away(plan, TerminationReason.HANDED_OFF)

    async def _fall_back(self, detail: str) -> NoReturn:
        """The agent cannot go on: the project's fall-back handoff, or a plain BYE where there is none."""
        wanted = self.route.project.fallback_handoff or "default"
        try:
            plan = self._plan(HandoffRequest(destination=wanted, reason=FALLBACK_REASON))
        except UnplannableHandoff as error:
            self._log.warning("no fall-back handoff", detail=str(error))
            await self._writes.save_outcome(self._conversation, None)
            self._end_leg(reason=FAILURE_CLEARING)
            raise self._ended(TerminationReason.AGENT_FAILED, detail) from None
        await self._give_away(plan, TerminationReason.AGENT_FAILED, detail)

    def _plan(self, request: HandoffRequest) -> HandoffPlan:
        destinations = self.agent.destinations if self.agent is not None else ()
        return plan_handoff(request, destinations, self.record.variables(self._conversation))

    async def _give_away(self, plan: HandoffPlan, reason: TerminationReason, detail: str = "") -> NoReturn:
        """Commit, then send: in that order, whatever the method. What there was to say has been said."""
        self._move(CallEvent.HAND_OFF)
        await self._writes.save_outcome(self._conversation, plan)
        self._log.info("> handoff", method=plan.method.value, destination=plan.destination)
        self._end_leg(plan.headers, None if plan.has_header("Reason") else NORMAL_CLEARING)
        raise self._ended(reason, detail or plan.destination or "")

    # -- the end ----------------------------------------------------------------------------------------------

    async def _finish(self, termination: Termination) -> None:
        """Whatever happened: outcome, BYE, end function, figures, and the closing write.

        Every step is taken even when one before it fails, so that no caller is held by a broken disk.
        """
        closing = None if self._leg_open else asyncio.ensure_future(self._media.close())
        if self.record.answered_at is None:
            # First of all, for the peer's next attempt may be close behind.
            if self._reserved is not None:
                await self._attempt(self._services.bindings.unbind(self._reserved))
            self._refuse(termination)
        else:
            self._writes.claim(self.record.bound, verified_trunk=self.route.verified_trunk)
        await self._settle_running()
        if self.refusal is None or self._writes.begun or self._running is not None:
            await self._store_end()
        self._end_leg(reason=FAILURE_CLEARING)
        media = await self._attempt(closing or self._media.close())
        if self.agent is not None and self._running is not None:
            await self._attempt(self._run_end(self.agent))
        await self._patiently(self._bye_done, BYE_WAIT_S)
        self._move(CallEvent.END)
        ladder = self._services.sip.take_trace(self._leg)
        if self._writes.begun:
            await self._attempt(self._writes.close(self.record.closed(termination, ladder, media)))
            await self._writes.settle()
        self._services.observer.ended(termination, self.record.talk_s(), media)
        self._log.info("= ended", reason=termination.reason.value, fault=termination.fault.value)

    async def _store_end(self) -> None:
        """What must be durable before anything else of the end happens: the call itself, and its outcome.

        A caller without an agent who has hung up leaves nothing to hurry for: the closing write says it all.
        """
        await self._attempt(self._writes.store_unanswered())
        if self.agent is not None or self._leg_open:
            await self._attempt(self._writes.save_outcome(self._conversation, None))

    async def _attempt(self, step: Awaitable[_Result]) -> _Result | None:
        """One step of the end; its failure is logged and stops nothing."""
        try:
            return await step
        except Exception:
            self._log.exception("call not ended cleanly")
            return None

    async def _run_end(self, agent: AgentPort) -> None:
        """`end_function`, as long as there is time for it."""
        ending = asyncio.ensure_future(self._run_agent(agent, RunKind.END))
        if await self._patiently(ending):
            ending.result()
            return
        ending.cancel()
        await self._settle_running()

    async def _settle_running(self) -> None:
        """A function that was running when the caller hung up still counts: its state is part of the outcome."""
        running = self._running
        if running is None or running.done():
            return
        if not await self._patiently(running):
            running.cancel()
            await asyncio.wait({running}, timeout=HURRY_S)
        if running.done() and not running.cancelled() and running.exception() is not None:
            self._log.error("the last run failed inside Tieline", exc_info=running.exception())

    async def _patiently(self, awaited: asyncio.Future[Any], limit_s: float | None = None) -> bool:
        """Wait for it, but only a moment more once the call has been interrupted; whether it came."""
        if awaited.done():
            return True
        wanted: set[asyncio.Future[Any]] = {awaited, self._hurry}
        await asyncio.wait(wanted, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done() and self._hurry.done():
            await asyncio.wait({awaited}, timeout=HURRY_S)
        return awaited.done()

    def _refuse(self, termination: Termination) -> None:
        """Give the final answer to an INVITE that the caller has not taken back."""
        if not self._leg_open:
            return
        self._leg_closed()
        refusal = refusal_of(termination.reason, termination.detail, self.route)
        self.refusal = refusal
        self._services.sip.reject(self._leg, refusal.status, None, refusal_headers(refusal))

    def _end_leg(self, headers: tuple[tuple[str, str], ...] = (), reason: str | None = None) -> None:
        """BYE, once."""
        if not self._leg_open:
            return
        self._leg_open = False
        if not self._services.sip.bye(self._leg, headers, reason):
            self._leg_closed()

    # -- facts from outside -----------------------------------------------------------------------------------

    def on_event(self, event: SipEvent) -> None:
        """A SIP event of this call's leg."""
        if isinstance(event, AckReceived):
            self._on_ack(event.body)
        elif isinstance(event, ByeReceived):
            self.record.peer_bye_headers = custom_headers(event.headers.items())
            self._leave(TerminationReason.CALLER_HUNG_UP)
        elif isinstance(event, InviteCancelled):
            self._leave(TerminationReason.CALLER_CANCELLED)
        elif isinstance(event, LegFailed):
            self._leave(LEG_FAILURES[event.failure])
        elif isinstance(event, ByeCompleted):
            self._leg_closed()
        elif isinstance(event, InfoReceived):
            for digit in digits_of_info(event.content_type, event.body):
                self._media.press(digit)
        elif isinstance(event, ReinviteReceived):
            self._renew(event.offer)

    def interrupt(self, reason: TerminationReason, detail: str = "") -> None:
        """End the call from our side, and soon: the server is going down."""
        if not self._hurry.done():
            self._hurry.set_result(None)
        self._stop(Termination.of(reason, detail))

    def _on_ack(self, body: bytes) -> None:
        """The ACK to our 200, or to a later one: that of a re-INVITE in which the offer was ours."""
        if not self._acknowledged.done():
            self._acknowledged.set_result(body)
            return
        try:
            self._media.acknowledge(body)
        except SdpError as error:
            self._log.info("< unusable answer in an ACK, the session stays as it was", detail=str(error))

    def _renew(self, offer: bytes) -> None:
        """Hold, resume, a new address: agree or keep what there was (RFC 3261 section 14.2)."""
        if not self._leg_open:
            return
        sip = self._services.sip
        try:
            if self.agent is None:
                sip.accept_reinvite(self._leg, self._media.negotiate_without_media(offer))
                return
            sdp = self._media.negotiate(offer)
        except SdpError as error:
            self._log.info("> 488 to a re-INVITE", detail=str(error))
            sip.reject_reinvite(self._leg, 488)
            return
        sip.accept_reinvite(self._leg, sdp)
        self._media.connect()

    def _leave(self, reason: TerminationReason) -> None:
        """The leg is over; no request of ours may follow on it."""
        self._leg_closed()
        self._stop(Termination.of(reason))

    def _leg_closed(self) -> None:
        self._leg_open = False
        if not self._bye_done.done():
            self._bye_done.set_result(None)

    def _stop(self, termination: Termination) -> None:
        """End the walk wherever it is; the first reason to do so stands."""
        if self._termination is None:
            self._termination = termination
            if self._walking is not None:
                self._walking.cancel()

    def _ended(self, reason: TerminationReason, detail: str = "") -> CallEnded:
        """Note how the call ended, and give the exception that leaves the walk."""
        self._termination = self._termination or Termination.of(reason, detail)
        return CallEnded(reason)

    @property
    def _reserved(self) -> BindResult | None:
        """The bind, when a reservation came of it."""
        bound = self.record.bound
        return bound if bound is not None and bound.reservation is not None else None

    def _move(self, event: CallEvent) -> None:
        self.state = CALL_TRANSITIONS[self.state, event]
