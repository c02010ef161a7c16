"""A call's handoffs: each is planned, committed and carried out, rung by rung, with a receipt.

The outcome is durable before the first message of a rung leaves, whatever the method: whoever asks Get Handoff at the
sight of it gets the answer. A handoff that fails as a whole is taken back, and the caller is the agent's again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tieline.calls.bridging import Bridge
from tieline.calls.call import Call
from tieline.calls.giving_back import GivingBack
from tieline.calls.live import LegSound
from tieline.calls.provider import ProviderCall
from tieline.calls.receipts import ReceiptKeeper
from tieline.calls.records import LegRecord
from tieline.calls.transfer import Transfer
from tieline.handoff.ladder import Attempt, Ladder
from tieline.handoff.policy import Ended, HandoffFailed, Side, policy_of
from tieline.handoff.receipt import as_result
from tieline.integrations.profiles import dialect_of
from tieline.model.handoff import HandoffMethod, HandoffRequest
from tieline.model.receipt import HandoffFailure, Step
from tieline.model.trunk import Trunk
from tieline.sip.events import NotifyReceived, ReferCompleted, ReinviteCompleted, SipEvent

NO_ANSWER = 408

LEG_OVER_S = 90.0
"""How long a second leg may take to be over: more than the SIP stack takes to give up."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The caller is somebody else's. `bridge` tells of an `invite`: who ended it and how long it lasted."""

    destination: str | None
    bridge: Ended | None = None


class Handing:
    """Hands one call's caller over, as often as the agent asks for it.

    Facts about the legs come in through the `on_...` methods, from the moment of `plan` until the call is closed.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._dialect = dialect_of(call.route.trunk)
        self._policy = policy_of(self._dialect)
        self._count = 0
        self._committed: HandoffMethod | None = None
        """The method that the outcome of this call tells of at present."""
        self._keeper: ReceiptKeeper | None = None
        self._ladder: Ladder | None = None
        self._attempt: Attempt | None = None
        self._transfer: Transfer | None = None
        self._giving: GivingBack | None = None
        self._bridges: list[Bridge] = []

    @property
    def tried(self) -> int:
        """How many handoffs this call has tried."""
        return self._count

    def plan(self, request: HandoffRequest) -> Ladder:
        """Make a request executable. Raises `UnplannableHandoff`."""
        call = self._call
        destinations = call.runs.agent.destinations if call.runs.agent is not None else ()
        outbound = {
            name: dialect_of(trunk)
            for name in {each.sip_config.outbound_endpoint for each in destinations}
            | {request.outbound_endpoint}
            if name is not None and (trunk := call.services.trunk(name)) is not None
        }
        return Ladder(
            request, destinations, call.record.variables(call.runs.conversation), self._dialect, outbound
        )

    # -- the walk ---------------------------------------------------------------------------------------------

    async def carry_out(self, ladder: Ladder, asked_at: datetime, *, spoken: bool) -> HandedOver | None:
        """Try rung after rung until the caller is somebody else's; None when all have failed.

        What there was to say has been said. `conv.handoff_result` is set when it returns or is cancelled.
        """
        self._keeper = ReceiptKeeper(self._call, self._count, ladder)
        self._ladder = ladder
        self._count += 1
        self._keeper.begin(ladder, asked_at, spoken=spoken)
        done: HandedOver | None = None
        try:
            done = await self._climb(ladder, self._keeper)
        except BaseException:
            self._abandon(self._keeper)
            raise
        finally:
            self._note_result(done.bridge if done is not None else None)
        if done is None:
            self._call.media.forget_keys()
            self._withdraw()
        return done

    def leave_undone(self, ladder: Ladder, asked_at: datetime, why: str, *, spoken: bool) -> None:
        """Put a handoff on a receipt that is not going to be carried out, and say why."""
        keeper = ReceiptKeeper(self._call, self._count, ladder)
        self._count += 1
        keeper.begin(ladder, asked_at, spoken=spoken)
        rung = ladder.receipt.rung(0, ladder.plan.method, ladder.plan.destination)
        failure = HandoffFailure.NOT_SUPPORTED
        rung.add(Step.SKIPPED, self._call.services.clock.utc(), failure=failure, detail=why)
        ladder.receipt.give_up()
        keeper.tell()

    async def _climb(self, ladder: Ladder, keeper: ReceiptKeeper) -> HandedOver | None:
        failed: HandoffFailed | None = None
        while (attempt := ladder.next(self._call.services.clock.utc(), failed)) is not None:
            keeper.tell()
            self._attempt = attempt
            if failed is not None and attempt.plan.utterance:
                await self._call.speaker.speak(
                    [attempt.plan.utterance], self._call.runs.conversation.language
                )
                attempt.receipt.add(Step.SPOKEN, self._call.services.clock.utc())
            # Noted before it is durable: a caller who hangs up meanwhile does not stop the write.
            revise, self._committed = self._committed is not None, attempt.plan.method
            await self._call.writes.save_outcome(self._call.runs.conversation, attempt.plan, revise=revise)
            self._call.log.info(
                "> handoff", method=attempt.plan.method.value, destination=attempt.plan.destination
            )
            tried = await self._try(attempt, keeper)
            if isinstance(tried, HandedOver):
                return tried
            keeper.settle(attempt, tried)
            failed = tried
        keeper.tell()
        keeper.store()
        return None

    async def _try(self, attempt: Attempt, keeper: ReceiptKeeper) -> HandedOver | HandoffFailed:
        """One rung."""
        if attempt.plan.method is HandoffMethod.BYE:
            self._giving = GivingBack(self._call, attempt)
            keeper.settle(attempt, None)
            return HandedOver(attempt.plan.destination)
        carried = self._carried()
        at_home = attempt.plan.config.outbound_endpoint is None
        if attempt.plan.method is HandoffMethod.REFER or (carried is not None and at_home):
            self._transfer = Transfer(self._call, attempt, self._dialect, self._policy, keeper.tell, carried)
            result = await self._transfer.run()
            if isinstance(result, HandoffFailed):
                return result
            keeper.settle(attempt, None)
            return HandedOver(attempt.plan.destination)
        return await self._bridge(attempt, keeper)

    async def _bridge(self, attempt: Attempt, keeper: ReceiptKeeper) -> HandedOver | HandoffFailed:
        trunk = self._outbound(attempt)
        if trunk is None:
            detail = f"there is no trunk {attempt.plan.config.outbound_endpoint!r}"
            failure = HandoffFailure.MISCONFIGURED
            attempt.receipt.add(Step.FAILED, self._call.services.clock.utc(), failure=failure, detail=detail)
            return HandoffFailed(failure=failure)
        name = f"callee {len(self._bridges) + 1}" if self._bridges else "callee"
        policy = policy_of(dialect_of(trunk))
        bridge = Bridge(self._call, attempt, policy, trunk, name, keeper.tell)
        self._bridges.append(bridge)
        result = await bridge.connect()
        if isinstance(result, HandoffFailed):
            return result
        keeper.settle(attempt, None)
        ended = await bridge.until_over()
        if not attempt.receipt.has(Step.ALIVE):
            keeper.die_young(attempt.plan.method)
        return HandedOver(attempt.plan.destination, ended)

    def _carried(self) -> ProviderCall | None:
        """The call at a provider that the caller's leg is of: handoffs without a trunk of their own are its affair."""
        call = self._call
        if call.services.provider is None:
            return None
        return call.services.provider.call_of(call.leg.id, call.record.sip_headers)

    def _outbound(self, attempt: Attempt) -> Trunk | None:
        """The trunk that carries the second leg: the one named, else the one that the caller came by."""
        name = attempt.plan.config.outbound_endpoint
        return self._call.services.trunk(name) if name is not None else self._call.route.trunk

    def _abandon(self, keeper: ReceiptKeeper) -> None:
        """The call ends in the middle of a handoff: because the caller is gone, or for another reason of ours."""
        for bridge in self._bridges:
            bridge.abandon()
        if self._transfer is not None:
            self._transfer.abandon()
        gone = not self._call.leg.is_open
        failure = HandoffFailure.CALLER_HUNG_UP if gone else HandoffFailure.INTERNAL_ERROR
        failed = keeper.abandon(self._attempt, failure, "" if gone else "the call was ended from our side")
        # A peer that has the caller back gets what it was to get, whoever was first to end the leg.
        if failed and self._committed is not HandoffMethod.BYE:
            self._withdraw()

    def _withdraw(self) -> None:
        if self._committed is not None:
            self._committed = None
            self._call.writes.withdraw_outcome()

    def _note_result(self, bridge: Ended | None) -> None:
        """Set `conv.handoff_result` for the runs to come."""
        if self._keeper is None or self._ladder is None:
            return
        result: dict[str, Any] = as_result(self._keeper.receipt, self._ladder.plan)
        if bridge is not None:
            result["duration_s"] = round(bridge.duration_s, 3)
            result["ended_by"] = bridge.by.value
        self._call.runs.note_handoff(result)

    # -- facts about the legs ---------------------------------------------------------------------------------

    def on_event(self, event: SipEvent) -> None:
        """An event of a further leg, or one of the caller's that only a handoff can have brought about."""
        if isinstance(event, ReferCompleted | NotifyReceived):
            if self._transfer is not None:
                self._transfer.on_event(event)
            return
        if isinstance(event, ReinviteCompleted) and self._bridges:
            self._bridges[-1].on_reinvite_completed(event)
            return
        for bridge in self._bridges:
            bridge.on_event(event)

    def on_caller_gone(self, *, broken: bool = False) -> bool:
        """The caller's leg was ended by the peer, or broke; whether that is the good end of a handoff."""
        if self._giving is not None:
            self._giving.on_leg_over()
            self._tell()
        if self._bridges and self._bridges[-1].on_caller_gone():
            return True
        return self._transfer is not None and self._transfer.on_caller_gone(broken=broken)

    def on_bye_completed(self, status: int) -> None:
        """Our BYE on the caller's leg has its answer."""
        if self._giving is not None:
            self._giving.on_completed(status)
            self._tell()

    def on_renewed(self) -> None:
        """The caller's side has renewed its session."""
        if self._bridges:
            self._bridges[-1].on_renewed(Side.CALLER)

    def on_digit(self, digit: str) -> None:
        """The caller pressed a key, told by INFO."""
        if self._bridges:
            self._bridges[-1].pass_digit(Side.CALLER, digit)

    @property
    def excuses_silence(self) -> bool:
        """Whether a caller of whom nothing is heard may be on hold, while a REFER is under way."""
        return self._transfer is not None and self._transfer.is_waiting

    def _tell(self) -> None:
        if self._keeper is not None:
            self._keeper.tell()

    # -- the end ----------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until every leg that a handoff made is over, and for the last word about a REFER.

        The caller's leg is over, or its BYE was never answered.
        """
        self.on_bye_completed(NO_ANSWER)
        for bridge in self._bridges:
            bridge.abandon()
            await self._call.patience.wait(bridge.leg.over, LEG_OVER_S)
        if self._transfer is not None:
            waiting = asyncio.ensure_future(self._transfer.wait_for_result())
            if not await self._call.patience.wait(waiting):
                waiting.cancel()

    def legs_so_far(self) -> list[LegRecord]:
        """Further legs as they are while the call is up."""
        return [bridge.leg.seen() for bridge in self._bridges]

    def sound(self) -> tuple[LegSound, ...]:
        """How the sound of the call's legs gets through, the caller's first."""
        legs = [("caller", self._call.media)]
        legs += [
            (one.leg.name, one.leg.media)
            for one in self._bridges
            if one.leg.media is not None and not one.leg.over.done()
        ]
        return tuple(found for name, media in legs if (found := media.sound(name)) is not None)

    async def legs(self) -> list[LegRecord]:
        """What is kept of further legs; nothing is waited for any more."""
        for bridge in self._bridges:
            bridge.stop()
        if self._transfer is not None:
            self._transfer.stop()
        return [await bridge.leg.record() for bridge in self._bridges]
