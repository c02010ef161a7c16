"""Handoff by REFER: the peer is asked to call somebody else for the caller, and tells how that went, or does not.

A provider that has the call is asked by its own means, and tells in the same words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from tieline.calls.call import Call
from tieline.calls.deadline import Deadline
from tieline.calls.endings import NORMAL_CLEARING
from tieline.calls.provider import (
    ProviderCall,
    ProviderTransfer,
    Screening,
    ScreeningStep,
    follow_screening,
)
from tieline.errors import InvalidInput
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.ladder import Attempt
from tieline.handoff.policy import ByeTurn, HandoffFailed, HandoffPolicy, Referred
from tieline.handoff.refer import ReferHandoff
from tieline.handoff.target import ReferTarget, provider_target, refer_target
from tieline.media.tones import Tone
from tieline.model.handoff import SipConfig
from tieline.model.profile import Dialect
from tieline.model.receipt import HandoffFailure, Step
from tieline.model.trunk import FirstBye
from tieline.sip.events import NotifyReceived, ReferCompleted

LATE_NOTIFY_S = 5.0
"""How long the result of a REFER is still waited for after our leg has ended without one."""


RING_SLACK_S = 20.0
"""How much later than the end of the ringing a provider may tell of it."""


class Transfer:
    """One REFER on the caller's leg. `on_change` is told after everything that may have added to the receipt.

    `carried` is the call at the provider that has the caller, where one has.

    It goes on taking events after `run` has returned: NOTIFYs come late.
    """

    def __init__(
        self,
        call: Call,
        attempt: Attempt,
        dialect: Dialect,
        policy: HandoffPolicy,
        on_change: Callable[[], None],
        carried: ProviderCall | None = None,
    ) -> None:
        self._call = call
        self._attempt = attempt
        self._dialect = dialect
        self._carried = carried
        self._policy = policy if carried is None else _patient(policy, attempt)
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._machine: ReferHandoff | None = None
        self._changed = asyncio.Event()
        self._deadline = Deadline(self._loop, self._on_deadline)

    async def run(self) -> Referred | HandoffFailed:
        """Send, and wait until it is known what came of it; after a success our leg is over, or our BYE sent."""
        failed = self._send()
        if failed is not None:
            return failed
        machine = self._machine
        assert machine is not None
        self._call.media.loop([Tone.COMFORT.clip_id])
        try:
            while True:
                outcome = machine.outcome
                if isinstance(outcome, HandoffFailed):
                    self._take_back()
                    return outcome
                if outcome is not None and outcome.bye is not ByeTurn.WAIT:
                    break
                await self._changed.wait()
                self._changed.clear()
        finally:
            self._call.media.stop()
        self._call.leg.bye(reason=NORMAL_CLEARING)
        return outcome

    def _send(self) -> HandoffFailed | None:
        """Send the REFER; what is wrong with it when it cannot be sent."""
        call, receipt = self._call, self._attempt.receipt
        try:
            note = self._ask()
        except (UnplannableHandoff, InvalidInput) as error:
            failure = HandoffFailure.MISCONFIGURED
            receipt.add(Step.FAILED, call.services.clock.utc(), failure=failure, detail=str(error))
            return HandoffFailed(failure=failure)
        if note is None:
            failure = HandoffFailure.TRANSPORT_FAILED
            receipt.add(
                Step.FAILED, call.services.clock.utc(), failure=failure, detail="the leg takes no REFER"
            )
            return HandoffFailed(failure=failure)
        at, now = call.services.clock.utc(), self._loop.time()
        self._machine = ReferHandoff(receipt, self._policy, at, now, note)
        self._settle()
        return None

    def _ask(self) -> str | None:
        """Send it, by whatever means; what was not sent along, None when nothing can be sent.

        Raises `UnplannableHandoff` and `InvalidInput`.
        """
        call, plan = self._call, self._attempt.plan
        if self._carried is None:
            target = self._target()
            sent = call.services.sip.refer(call.leg.id, target.refer_to, target.headers, self._referred_by())
            return "" if sent else None
        wanted = provider_target(plan)
        note = self._carried.transfer(
            call.leg.id,
            ProviderTransfer(
                target=wanted.uri,
                headers=wanted.headers,
                caller_id=plan.config.outbound_caller_id,
                ring_timeout_s=plan.config.ring_timeout_s,
                screening=_screening(plan.config, call.runs.conversation.language),
            ),
            self._on_screening,
        )
        if note is not None:
            call.writes.keep_dialogs([call.services.sip.dialog(call.leg.id), self._carried.kept()])
        return note

    def _take_back(self) -> None:
        if self._carried is not None:
            self._carried.take_back(self._call.leg.id)
            self._call.writes.keep_dialogs([self._call.services.sip.dialog(self._call.leg.id)], only=True)

    def _target(self) -> ReferTarget:
        """The Refer-To; a bare number goes to the host of the dialog's remote target."""
        return refer_target(self._attempt.plan, self._dialect, self._call.record.peer_host)

    def _referred_by(self) -> str | None:
        """Who asks for it (RFC 3892): the number that was called, where the profile lets it through."""
        if not self._dialect.profile.refer.referred_by:
            return None
        return f"<{self._call.record.called_uri}>"

    # -- what happens -----------------------------------------------------------------------------------------

    def on_event(self, event: ReferCompleted | NotifyReceived) -> None:
        """The REFER's response or a NOTIFY."""
        machine = self._machine
        if machine is None:
            return
        at, now = self._call.services.clock.utc(), self._loop.time()
        if isinstance(event, ReferCompleted):
            machine.on_response(
                event.status,
                event.phrase,
                at,
                now,
                no_subscription=event.no_subscription,
                made_here=not event.phrase,
            )
        else:
            machine.on_notify(event.status, event.phrase, event.subscription, event.body, at, now)
        self._settle()

    def _on_screening(self, step: ScreeningStep, detail: str) -> None:
        """The provider tells of whoever it has called: before the two are joined, they are asked."""
        if self._machine is not None:
            follow_screening(self._machine, step, detail, self._call.services.clock.utc())
            self._settle()

    def on_caller_gone(self, *, broken: bool) -> bool:
        """The caller's leg was ended by the peer, or broke; whether that is the end of a REFER that worked."""
        machine = self._machine
        if machine is None:
            return False
        if self._carried is not None:
            # A provider tells of a caller who was taken over in other ways: this one has hung up.
            return isinstance(machine.outcome, Referred)
        at, now = self._call.services.clock.utc(), self._loop.time()
        (machine.on_leg_failed if broken else machine.on_peer_bye)(at, now)
        self._settle()
        return isinstance(machine.outcome, Referred)

    def abandon(self) -> None:
        """The call ends in the middle of it."""
        if self._machine is not None:
            self._machine.give_up()

    @property
    def is_waiting(self) -> bool:
        """Whether the result is still open."""
        return self._machine is not None and not isinstance(self._machine.outcome, HandoffFailed)

    async def wait_for_result(self) -> None:
        """Wait until the peer has told how it went, or a while has passed."""
        if not self._policy.sends_notify:
            return
        until = self._loop.time() + LATE_NOTIFY_S
        receipt = self._attempt.receipt
        while not (receipt.has(Step.ANSWERED) or receipt.has(Step.FAILED)):
            self._changed.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _settle(self) -> None:
        """Arm the timer for what the machine waits for next, and wake those who wait for it."""
        self._deadline.set(self._machine.next_deadline() if self._machine is not None else None)
        self._changed.set()
        self._on_change()

    def _on_deadline(self, now: float) -> None:
        if self._machine is not None:
            self._machine.on_deadline(self._call.services.clock.utc(), now)
            self._settle()

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._deadline.set(None)


def _patient(policy: HandoffPolicy, attempt: Attempt) -> HandoffPolicy:
    """The policy towards a provider, which rings as long as it is told to, tells how it goes, and never hangs up."""
    config = attempt.plan.config
    screening = _screening(config, None)
    asked_s = 0.0 if screening is None else screening.longest_s
    return msgspec.structs.replace(
        policy,
        max_wait_s=max(policy.max_wait_s, config.ring_timeout_s + asked_s + RING_SLACK_S),
        sends_notify=True,
        first_bye=FirstBye.US,
    )


def _screening(config: SipConfig, language: str | None) -> Screening | None:
    """What whoever is called is asked; None when they are joined at once."""
    if config.whisper is None and config.accept_key is None:
        return None
    return Screening(
        whisper=config.whisper,
        accept_key=config.accept_key,
        accept_timeout_s=config.accept_timeout_s,
        language=language,
    )
