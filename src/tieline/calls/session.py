"""One call, from the INVITE to the last write: the walk that everything else exists for.

`run` reads from top to bottom as the call happens. Facts from outside (the peer hung up, a key, the media process)
arrive through `on_event` and the leg's reports; those that end the call note the termination and cancel the walk,
which goes on to `_finish`. Every call gets there exactly once.
"""

from __future__ import annotations

import asyncio
import itertools

from tieline.agent.messages import Listen, Run, RunKind, TurnResult
from tieline.calls.leg_media import LegMedia
from tieline.calls.ports import AgentPort, CallServices
from tieline.calls.records import CallRecord, custom_headers, handoff_request
from tieline.calls.routing import PHRASES, Route
from tieline.errors import TielineError
from tieline.handoff.plan import UnplannableHandoff, plan_handoff
from tieline.media.dtmf import digits_of_info
from tieline.model.call import CALL_TRANSITIONS, CallEvent, CallState, Termination, TerminationReason
from tieline.model.handoff import HandoffPlan, HandoffRequest
from tieline.model.reservation import BindResult
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
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
    LegFailure,
    ReinviteReceived,
    SipEvent,
)

FALLBACK_REASON = "agent_failed"
"""The handoff reason of a call whose agent failed."""

NORMAL_CLEARING = 'Q.850;cause=16;text="Normal call clearing"'
FAILURE_CLEARING = 'Q.850;cause=41;text="Temporary failure"'
LEG_FAILURES = {
    LegFailure.NO_ACK: TerminationReason.NO_ACK,
    LegFailure.TRANSPORT_FAILED: TerminationReason.TRANSPORT_FAILED,
    LegFailure.PEER_GONE: TerminationReason.PEER_GONE,
}


class CallEnded(Exception):
    """Leaves the walk; the termination has been noted."""


class CallRefused(Exception):
    """The call cannot be set up; nothing has been answered yet."""

    def __init__(self, status: int, reason: TerminationReason, error: Exception) -> None:
        super().__init__(str(error))
        self.status = status
        self.reason = reason
        self.detail = str(error).replace('"', "'")

    def refusal(self, route: Route) -> Refusal:
        """The record of it."""
        bad_offer = self.reason is TerminationReason.BAD_OFFER
        return Refusal(
            status=self.status,
            phrase=PHRASES[self.status],
            reason=RefusalReason.BAD_OFFER if bad_offer else RefusalReason.INTERNAL_ERROR,
            rules=(*route.rules, RuleResult(rule="media", held=False, detail=self.detail)),
        )


class CallSession:
    """One call between an INVITE and an agent. `agent` None is an answer-only route: no media, nobody speaks."""

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
        self.state = CallState.OFFERED
        self.record = CallRecord(call_id, route, invite, services.clock)
        self._services = services
        self._agent = agent
        self._invite = invite
        self._leg = invite.leg_id
        self._log = get_logger("calls").bind(call_id=call_id, sip_call_id=self.record.sip_call_id)
        self._media = LegMedia(
            call_id,
            services.media,
            services.media_address(route.trunk, invite.flow.remote[0]),
            services.settings.silence_timeout_s,
            self._on_media_fault,
        )
        self._conversation = self.record.snapshot()
        self._run_ids = itertools.count(1)
        self._running: asyncio.Task[TurnResult] | None = None
        self._acknowledged: asyncio.Future[bytes] = loop.create_future()
        self._bye_done: asyncio.Future[int] | None = None
        self._termination: Termination | None = None
        self.refusal: Refusal | None = None
        self._leg_open = True
        self._walking: asyncio.Task[None] | None = None

    # -- the walk ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the call through. Returns when its last write is durable; never raises for the call's own faults."""
        self._walking = asyncio.create_task(self._walk(), name=f"call {self.call_id}")
        await asyncio.wait({self._walking})
        verdict = self._verdict(self._walking)
        await self._finish(self._termination or verdict)

    def _verdict(self, walk: asyncio.Task[None]) -> Termination:
        """How a walk ended that nobody stopped: it was refused, or it is our defect."""
        error = None if walk.cancelled() else walk.exception()
        if self._termination is not None:
            return self._termination
        if isinstance(error, CallRefused):
            self._leg_open = False
            self.refusal = error.refusal(self.route)
            warning = ("Warning", f'399 tieline "{error.detail}"')
            self._services.sip.reject(self._leg, error.status, None, [warning])
            return Termination.of(error.reason, error.detail)
        self._log.error("call failed inside Tieline", exc_info=error)
        return Termination.of(TerminationReason.INTERNAL_ERROR, type(error).__name__)

    async def _walk(self) -> None:
        sdp = await self._prepare()
        started = await self._start_agent()
        await self._answer(sdp)
        if self._agent is None:
            await asyncio.get_running_loop().create_future()  # held until somebody hangs up
        await self._perform(started)
        listen = started.listen
        while True:
            listen = await self._take_turn(listen or Listen())

    async def _prepare(self) -> bytes:
        """Ring, bind the reservation, open the port, agree on media."""
        self._services.sip.ring(self._leg)
        try:
            if self._agent is None:
                return self._media.negotiate_without_media(self._invite.request.body)
            await self._media.open()
            sdp = self._media.negotiate(self._invite.request.body)
        except SdpError as error:
            raise CallRefused(488, TerminationReason.BAD_OFFER, error) from error
        except TielineError as error:
            raise CallRefused(503, TerminationReason.MEDIA_FAILED, error) from error
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
        """The conversation is stored and the start function run, side by side."""
        opening = asyncio.ensure_future(self._services.store.open_conversation(self.record.opened()))
        if self._agent is None:
            await opening
            return TurnResult(run_id=0, conversation=self._conversation)
        try:
            return await self._run_agent(RunKind.START)
        finally:
            await opening

    async def _answer(self, sdp: bytes) -> None:
        """Claim the number, send 200, wait for the ACK; only then does anybody hear anything."""
        now = self._services.clock.utc()
        answered = asyncio.ensure_future(self._services.store.mark_answered(self.call_id, now))
        if self._reserved is not None:
            await self._services.bindings.claim(self._reserved, verified_trunk=self.route.verified_trunk)
        await answered
        self.record.answered_at = now
        self._move(CallEvent.ANSWER)
        self._services.sip.answer(self._leg, sdp)
        self._services.observer.answered(self.record.setup_s())
        body = await self._acknowledged
        try:
            self._media.acknowledge(body)
        except SdpError as error:
            raise self._ended(TerminationReason.BAD_OFFER, str(error)) from error
        self._move(CallEvent.GREET)

    async def _take_turn(self, listen: Listen) -> Listen | None:
        """Wait for one keypad input, run the agent on it, carry out what it asks for."""
        heard = await self._media.keypad_input(listen.dtmf)
        if listen.dtmf.is_pii:
            self.record.hide_digits = True
        result = await self._run_agent(RunKind.TURN, heard.digits, hidden=listen.dtmf.is_pii)
        await self._perform(result)
        return result.listen

    async def _run_agent(
        self, kind: RunKind, user_input: str | None = None, *, hidden: bool = False
    ) -> TurnResult:
        """One run. A caller who hangs up does not stop it: `_finish` waits for its state."""
        assert self._agent is not None
        settings = self._services.settings
        run = Run(
            run_id=next(self._run_ids),
            kind=kind,
            conversation=self._conversation,
            user_input=user_input,
            limit_s=settings.start_limit_s if kind is RunKind.START else settings.function_limit_s,
        )
        self._running = asyncio.ensure_future(self._recorded(self._agent, run, hidden))
        return await asyncio.shield(self._running)

    async def _recorded(self, agent: AgentPort, run: Run, hidden: bool) -> TurnResult:
        result = await agent.run(run)
        self._conversation = result.conversation
        self._services.observer.agent_ran(run.kind, result)
        if result.failure is not None:
            self._log.warning(
                "agent function failed", function=result.failure.function, kind=result.failure.kind.value
            )
        turn = self.record.turn(run, result, hidden=hidden)
        await self._services.store.save_turn(self.call_id, turn)
        return result

    async def _perform(self, result: TurnResult) -> None:
        """Speak, then act: nothing that the agent asked for happens before the caller has heard it out."""
        if result.failure is not None:
            await self._fall_back(result.failure.message)
        leaving = result.handoff is not None or result.hangup
        early = (result.listen or Listen()).dtmf.early_listening
        await self._speak(result.utterances, interruptible=early and not leaving)
        if result.handoff is not None:
            await self._hand_off(handoff_request(result.handoff))
        if result.hangup:
            await self._save_outcome(None)
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

    async def _hand_off(self, request: HandoffRequest, *, fallback: bool = False) -> None:
        """Plan, speak, commit, send: in that order, whatever the method."""
        destinations = self._agent.destinations if self._agent is not None else ()
        try:
            plan = plan_handoff(request, destinations, self.record.variables(self._conversation))
        except UnplannableHandoff as error:
            self._log.error("handoff cannot be carried out", reason=error.reason, detail=str(error))
            if fallback:
                raise
            await self._fall_back(str(error))
            return
        self._move(CallEvent.HAND_OFF)
        await self._speak([plan.utterance or ""], interruptible=False)
        await self._save_outcome(plan)
        self._log.info("> handoff", method=plan.method.value, destination=plan.destination)
        self._end_leg(plan.headers, None if plan.has_header("Reason") else NORMAL_CLEARING)
        reason = TerminationReason.AGENT_FAILED if fallback else TerminationReason.HANDED_OFF
        raise self._ended(reason, plan.destination or "")

    async def _fall_back(self, detail: str) -> None:
        """The agent cannot go on: the project's fall-back handoff, or a plain BYE where there is none."""
        request = HandoffRequest(
            destination=self.route.project.fallback_handoff or "default", reason=FALLBACK_REASON
        )
        try:
            await self._hand_off(request, fallback=True)
        except UnplannableHandoff:
            await self._save_outcome(None)
            self._end_leg(reason=FAILURE_CLEARING)
            raise self._ended(TerminationReason.AGENT_FAILED, detail) from None

    async def _save_outcome(self, plan: HandoffPlan | None) -> None:
        """Commit what Get Handoff answers; the first outcome of a call stands."""
        if not self.record.outcome_saved:
            self.record.outcome_saved = True
            await self._services.outcomes.save(self.record.outcome(self._conversation, plan))

    # -- the end ----------------------------------------------------------------------------------------------

    async def _finish(self, termination: Termination) -> None:
        """Whatever happened: outcome, end function, figures, and the closing write."""
        await self._settle_running()
        answered = self.record.answered_at is not None
        if not answered and self._reserved is not None:
            await self._services.bindings.unbind(self._reserved)
        if self.record.is_open:
            await self._save_outcome(None)
        if self._leg_open:
            self._end_leg(reason=FAILURE_CLEARING)
        media = await self._media.close()
        if self._agent is not None and self.record.is_open:
            await self._run_agent(RunKind.END)
        if self._bye_done is not None:
            await self._bye_done
        self.state = CallState.ENDED
        ladder = self._services.sip.take_trace(self._leg)
        if self.record.is_open:
            await self._services.outcomes.close(self.record.closed(termination, ladder, media))
        self._services.observer.ended(termination, self.record.talk_s(), media)
        self._log.info("= ended", reason=termination.reason.value, fault=termination.fault.value)

    async def _settle_running(self) -> None:
        """A function that was running when the caller hung up still counts: its state is part of the outcome."""
        if self._running is not None and not self._running.done():
            await self._running

    def _end_leg(self, headers: tuple[tuple[str, str], ...] = (), reason: str | None = None) -> None:
        """BYE an answered leg, refuse one that is not; once."""
        if not self._leg_open:
            return
        self._leg_open = False
        if self.record.answered_at is None:
            self._services.sip.reject(self._leg, 500)
            return
        self._bye_done = asyncio.get_running_loop().create_future()
        if not self._services.sip.bye(self._leg, headers, reason):
            self._bye_done.set_result(0)

    # -- facts from outside -----------------------------------------------------------------------------------

    def on_event(self, event: SipEvent) -> None:
        """A SIP event of this call's leg."""
        if isinstance(event, AckReceived):
            if not self._acknowledged.done():
                self._acknowledged.set_result(event.body)
        elif isinstance(event, ByeReceived):
            self.record.peer_bye_headers = custom_headers(event.headers.items())
            self._leave(TerminationReason.CALLER_HUNG_UP)
        elif isinstance(event, InviteCancelled):
            self._leave(TerminationReason.CALLER_CANCELLED)
        elif isinstance(event, LegFailed):
            self._leave(LEG_FAILURES[event.failure])
        elif isinstance(event, ByeCompleted):
            if self._bye_done is not None and not self._bye_done.done():
                self._bye_done.set_result(event.status)
        elif isinstance(event, InfoReceived):
            for digit in digits_of_info(event.content_type, event.body):
                self._media.press(digit)
        elif isinstance(event, ReinviteReceived):
            self._renew(event.offer)

    def interrupt(self, reason: TerminationReason, detail: str = "") -> None:
        """End the call from our side: drain, shutdown."""
        self._stop(Termination.of(reason, detail))

    def _renew(self, offer: bytes) -> None:
        """Hold, resume, a new address: agree or keep what there was (RFC 3261 section 14.2)."""
        sip = self._services.sip
        try:
            if self._agent is None:
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
        self._leg_open = False
        if self._bye_done is not None and not self._bye_done.done():
            self._bye_done.set_result(0)
        self._stop(Termination.of(reason))

    def _on_media_fault(self, reason: TerminationReason) -> None:
        self._stop(Termination.of(reason))

    def _stop(self, termination: Termination) -> None:
        """End the walk wherever it is; a termination that is already noted stands."""
        self._note(termination)
        if self._walking is not None:
            self._walking.cancel()

    def _note(self, termination: Termination) -> None:
        self._termination = self._termination or termination

    def _ended(self, reason: TerminationReason, detail: str = "") -> CallEnded:
        """Note how the call ended, and give the exception that leaves the walk."""
        self._note(Termination.of(reason, detail))
        return CallEnded(reason)

    @property
    def _reserved(self) -> BindResult | None:
        """The bind, when a reservation came of it."""
        bound = self.record.bound
        return bound if bound is not None and bound.reservation is not None else None

    def _move(self, event: CallEvent) -> None:
        self.state = CALL_TRANSITIONS[self.state, event]
