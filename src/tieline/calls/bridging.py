"""Handoff by INVITE: somebody else is called on a second leg, joined with the caller's, and we stay in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tieline.calls.call import Call
from tieline.calls.deadline import Deadline
from tieline.calls.renewing import Renewals, answer_renewal
from tieline.calls.second_leg import SecondLeg
from tieline.calls.speaking import Speaker
from tieline.errors import InvalidInput, TielineError
from tieline.handoff.bridge import BridgeCommand, BridgeHandoff, Commands
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.ladder import Attempt
from tieline.handoff.policy import Connected, Ended, HandoffFailed, HandoffPolicy, Side
from tieline.handoff.target import InviteTarget, invite_target
from tieline.media.dtmf import digits_of_info
from tieline.media.messages import SendDigits
from tieline.media.tones import ringback_of
from tieline.model.call import TerminationReason
from tieline.model.receipt import HandoffFailure, Step
from tieline.model.trunk import Encryption, Trunk
from tieline.sdp.description import SdpError
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    InfoReceived,
    LegAnswered,
    LegFailed,
    LegProgress,
    LegRefused,
    ReinviteCompleted,
    ReinviteReceived,
    SipEvent,
    UpdateReceived,
)

PLAIN = "UDP/RTP"
"""The `outbound_encryption` of a leg without SRTP; anything else wants it."""

UNAVAILABLE = 503


class Bridge:
    """One second leg and its joining with the caller's.

    `on_change` is told after everything that may have added to the receipt. A bridge that has failed goes on taking
    the events of its leg until `leg.over`.
    """

    def __init__(
        self,
        call: Call,
        attempt: Attempt,
        policy: HandoffPolicy,
        trunk: Trunk,
        name: str,
        on_change: Callable[[], None],
    ) -> None:
        plain = attempt.plan.config.outbound_encryption == PLAIN
        encryption = Encryption.REFUSED if plain else Encryption.REQUIRED
        self.leg = SecondLeg(call, trunk, name, encryption, self._on_media_fault)
        self._call = call
        self._attempt = attempt
        self._policy = policy
        self._trunk = trunk
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._machine: BridgeHandoff | None = None
        self._target: InviteTarget | None = None
        self._renewals: Renewals | None = None
        self._whisper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._deadline = Deadline(self._loop, self._on_deadline)

    # -- the walk ---------------------------------------------------------------------------------------------

    async def connect(self) -> Connected | Ended | HandoffFailed:
        """Call, ring, ask, join: until the two are joined, or it has failed."""
        failed = await self._begin()
        if failed is not None:
            self.leg.end()
            return failed
        assert self._machine is not None
        while self._machine.outcome is None:
            await self._next_change()
        return self._machine.outcome

    async def until_over(self) -> Ended:
        """Wait for the end of a bridge that was joined."""
        assert self._machine is not None
        while not isinstance(self._machine.outcome, Ended):
            await self._next_change()
        return self._machine.outcome

    async def _next_change(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def _begin(self) -> HandoffFailed | None:
        """Find the way, open the port and send the first INVITE; what is wrong when that cannot be done."""
        call, location = self._call, self._call.services.location
        try:
            if location is None:
                raise UnplannableHandoff("no_route", "this server places no calls")
            self._target = invite_target(self._attempt.plan, self._domain())
            flows = await location.targets(self._trunk, self._target.uri)
        except UnplannableHandoff as error:
            return self._fail(HandoffFailure.MISCONFIGURED, str(error))
        except TielineError as error:
            return self._fail(HandoffFailure.TRANSPORT_FAILED, error.message)
        if not flows:
            return self._fail(HandoffFailure.TRANSPORT_FAILED, f"trunk {self._trunk.name} has no address")
        try:
            media = await self.leg.open(flows)
        except TielineError as error:
            return self._fail(HandoffFailure.INTERNAL_ERROR, error.message)
        media.watch_keys(self._on_key)
        try:
            self._invite()
        except InvalidInput as error:
            return self._fail(HandoffFailure.MISCONFIGURED, error.message)
        self._machine = BridgeHandoff(
            self._attempt.receipt,
            self._policy,
            self._attempt.plan.config,
            call.services.clock.utc(),
            self._now(),
        )
        self._obey(self._machine.start())
        return None

    def _domain(self) -> str:
        """Where numbers are at home: the trunk's target, or for the caller's own trunk, whoever brought the call."""
        if self._trunk.target is not None:
            return self._trunk.target
        if self._trunk.name == self._call.route.trunk.name:
            return self._call.record.peer_host
        raise UnplannableHandoff("no_route", f"trunk {self._trunk.name} has no target to be called at")

    def _invite(self) -> bool:
        """Send the INVITE to the next target. Raises `InvalidInput`."""
        assert self._target is not None
        return self.leg.invite(self._target, self._attempt.plan.config.outbound_caller_id)

    def _fail(self, failure: HandoffFailure, detail: str) -> HandoffFailed:
        self._attempt.receipt.add(
            Step.FAILED, self._call.services.clock.utc(), failure=failure, detail=detail
        )
        return HandoffFailed(failure=failure)

    def _now(self) -> float:
        return self._loop.time()

    # -- what the machine wants -------------------------------------------------------------------------------

    def _obey(self, commands: Commands) -> None:
        """Carry commands out in their order, then see to the timer and whoever waits."""
        for command in commands:
            self._do(command)
        self._deadline.set(self._machine.next_deadline() if self._machine is not None else None)
        self._changed.set()
        self._on_change()

    def _do(self, command: BridgeCommand) -> None:
        ours, theirs = self._call.media, self.leg.media
        assert theirs is not None
        if command is BridgeCommand.PLAY_RINGBACK:
            ours.loop([ringback_of(self._call.route.caller).clip_id])
        elif command is BridgeCommand.STOP_RINGBACK:
            ours.stop()
        elif command is BridgeCommand.JOIN_EARLY:
            ours.join(theirs, early=True)
        elif command is BridgeCommand.PART_EARLY:
            ours.part()
        elif command is BridgeCommand.PLAY_WHISPER:
            self._whisper = asyncio.create_task(self._speak_whisper())
        elif command is BridgeCommand.STOP_WHISPER:
            theirs.stop()
        elif command is BridgeCommand.JOIN:
            self._join()
        elif command in {BridgeCommand.CANCEL, BridgeCommand.BYE_CALLEE}:
            self.leg.leave()
        # Ending the caller's leg is left to the walk of the call, which has an outcome to store before.

    def _join(self) -> None:
        ours, theirs = self._call.media, self.leg.media
        assert theirs is not None
        ours.join(theirs)
        self._renewals = Renewals(
            self._call.services.sip,
            {Side.CALLER: (self._call.leg.id, ours), Side.CALLEE: (self.leg.id, theirs)},
            self._call.log,
        )

    async def _speak_whisper(self) -> None:
        call, media = self._call, self.leg.media
        assert media is not None
        speaker = Speaker(call.services.prompts, call.route.project.id, media, call.log)
        await speaker.speak([self._attempt.plan.config.whisper or ""], call.runs.conversation.language)
        if self._machine is not None:
            self._obey(self._machine.on_whisper_done(call.services.clock.utc(), self._now()))

    # -- what happens -----------------------------------------------------------------------------------------

    def on_event(self, event: SipEvent) -> None:
        """An event of the second leg."""
        machine, at, now = self._machine, self._call.services.clock.utc(), self._now()
        if machine is None or getattr(event, "leg_id", self.leg.id) != self.leg.id:
            return
        if isinstance(event, LegProgress):
            self._on_progress(machine, event)
        elif isinstance(event, LegAnswered):
            self._on_answered(machine, event)
        elif isinstance(event, LegRefused):
            self._on_refused(machine, event)
        elif isinstance(event, ByeReceived | LegFailed):
            self._obey(machine.on_callee_gone(at, now))
            self.leg.end()
        elif isinstance(event, ByeCompleted):
            self.leg.end()
        else:
            self._on_session_event(event)

    def _on_progress(self, machine: BridgeHandoff, event: LegProgress) -> None:
        has_media = bool(event.body)
        if has_media and self.leg.media is not None:
            try:
                self.leg.media.accept(event.body)
            except SdpError as error:
                has_media = False
                self._call.log.info("< early media that cannot be used", detail=str(error))
        response = event.response
        at = self._call.services.clock.utc()
        self._obey(machine.on_progress(response.status, response.phrase, at, has_media=has_media))

    def _on_answered(self, machine: BridgeHandoff, event: LegAnswered) -> None:
        sip = self._call.services.sip
        self.leg.answered = True
        self._call.writes.keep_dialogs([sip.dialog(self._call.leg.id), sip.dialog(self.leg.id)])
        self.leg.note_target(worked=True)
        at, response = self._call.services.clock.utc(), event.response
        try:
            if self.leg.media is not None:
                self.leg.media.accept(response.sdp)
        except SdpError as error:
            self._call.log.info("< an answer that cannot be used", detail=str(error))
            self._obey(machine.on_media_failed(at, self._now()))
            self.leg.leave()
            return
        self._obey(machine.on_answered(response.status, response.phrase, at, self._now()))

    def _on_refused(self, machine: BridgeHandoff, event: LegRefused) -> None:
        """The INVITE failed: the next target is tried where this one was silent, out of reach or out of service."""
        if (event.response is None or event.status == UNAVAILABLE) and machine.outcome is None:
            self.leg.note_target(worked=False)
            try:
                if self._invite():
                    return
            except InvalidInput as error:  # pragma: no cover - the first INVITE had the same arguments
                self._call.log.error("second leg not placed", detail=error.message)
        response = event.response
        self._obey(
            machine.on_refused(
                event.status,
                response.phrase if response is not None else "",
                self._call.services.clock.utc(),
                headers=tuple(response.headers.items()) if response is not None else (),
                contact=response.headers.get("Contact") if response is not None else None,
                made_here=response is None,
            )
        )
        self.leg.end()

    def _on_session_event(self, event: SipEvent) -> None:
        """What changes nothing about the leg's life: keys, hold and resume."""
        media, sip = self.leg.media, self._call.services.sip
        if media is None:
            return
        if isinstance(event, InfoReceived):
            for digit in digits_of_info(event.content_type, event.body):
                media.press(digit)
                self.pass_digit(Side.CALLEE, digit)
        elif isinstance(event, ReinviteReceived | UpdateReceived):
            if answer_renewal(sip, self.leg.id, event, media.negotiate, self._call.log):
                media.connect()
                self.on_renewed(Side.CALLEE)
        elif isinstance(event, AckReceived) and event.body:
            try:
                media.accept(event.body)
            except SdpError as error:
                self._call.log.info(
                    "< unusable answer in an ACK, the session stays as it was", detail=str(error)
                )
        elif isinstance(event, ReinviteCompleted):
            self.on_reinvite_completed(event)

    def on_reinvite_completed(self, event: ReinviteCompleted) -> None:
        """An offer of ours, on either leg, has its answer."""
        if self._renewals is not None:
            self._renewals.on_completed(event)

    def on_renewed(self, side: Side) -> None:
        """One side has renewed its session."""
        if self._renewals is not None:
            self._renewals.on_renewed(side)

    def pass_digit(self, side: Side, digit: str) -> None:
        """A key that came by INFO; those in RTP are relayed with the audio."""
        theirs = self.leg.media
        if self.is_joined and theirs is not None:
            other = theirs if side is Side.CALLER else self._call.media
            self._call.services.media.send(SendDigits(leg_id=other.leg_id, digits=digit))

    @property
    def is_joined(self) -> bool:
        """Whether caller and callee hear each other."""
        return self._machine is not None and isinstance(self._machine.outcome, Connected)

    def on_caller_gone(self) -> bool:
        """The caller's leg is over; whether that is the end of a bridge that was joined."""
        if self._machine is None:
            return False
        self._obey(self._machine.on_caller_gone(self._call.services.clock.utc(), self._now()))
        return isinstance(self._machine.outcome, Ended)

    def _on_media_fault(self, reason: TerminationReason) -> None:
        """The second leg's media ended, or fell silent: of importance only once the two are joined."""
        if not self.is_joined:
            return
        if reason is TerminationReason.HELD_TOO_LONG:
            self._call.end(reason)
        elif self._machine is not None:
            self._obey(self._machine.on_media_failed(self._call.services.clock.utc(), self._now()))

    def abandon(self) -> None:
        """The call ends from our side: the second leg goes with it."""
        machine, at = self._machine, self._call.services.clock.utc()
        if machine is None:
            self.leg.end()
        elif self.is_joined:
            self._obey(machine.on_media_failed(at, self._now()))
        elif machine.outcome is None:
            self._obey(machine.on_caller_gone(at, self._now(), by_us=self._call.leg.is_open))

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._deadline.set(None)
        if self._renewals is not None:
            self._renewals.stop()
        if self._whisper is not None:
            self._whisper.cancel()

    def _on_key(self, digit: str) -> None:
        if self._machine is not None:
            self._obey(self._machine.on_key(digit, self._call.services.clock.utc(), self._now()))

    def _on_deadline(self, now: float) -> None:
        if self._machine is not None:
            self._obey(self._machine.on_deadline(self._call.services.clock.utc(), now))
