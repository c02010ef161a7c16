"""A handoff that a provider went on with when the process that had asked for it died.

The call stays open: Get Handoff answers what was committed before the handoff was asked for, as it did. Once it is
known what became of it, the receipt says so and the call is closed, once: as handed off, or as interrupted, with what
its last turn exposed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tieline.calls.directory import Directory
from tieline.calls.outcomes import Outcomes, outcome_of
from tieline.calls.provider import ScreeningStep, follow_screening
from tieline.clock import Clock
from tieline.handoff.policy import HandoffPolicy, Referred
from tieline.handoff.receipt import ReceiptBuilder
from tieline.handoff.refer import ReferHandoff
from tieline.model.call import Termination, TerminationReason
from tieline.model.conversation import Conversation, ConversationClosed
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, Step
from tieline.observe.logging import get_logger
from tieline.sip.events import NotifyReceived, ReferCompleted, SipEvent
from tieline.store.base import Store

RESTARTED = "the server stopped during the handoff"


@dataclass(frozen=True, slots=True)
class LostPorts:
    """What it takes to settle a lost handoff. `begin` runs a write beside everything else."""

    store: Store
    outcomes: Outcomes
    clock: Clock
    directory: Callable[[], Directory]
    begin: Callable[[Coroutine[Any, Any, None]], object]


def open_receipt(conversation: Conversation) -> Receipt | None:
    """The receipt of the handoff that was under way; None where the call was with its agent."""
    receipt = conversation.receipts[-1] if conversation.receipts else None
    if receipt is None or conversation.outcome is None or not conversation.outcome.handed_off:
        return None
    if receipt.state is ReceiptState.FAILED or not receipt.steps:
        return None
    return None if receipt.steps[-1].step in {Step.FAILED, Step.SKIPPED} else receipt


class LostHandoff:
    """Takes what the provider tells, as a running call would. Its owner gives up when that takes too long."""

    def __init__(self, ports: LostPorts, conversation: Conversation, receipt: Receipt) -> None:
        self._ports = ports
        self._conversation = conversation
        self._loop = asyncio.get_running_loop()
        self._builder = ReceiptBuilder(receipt)
        last = receipt.steps[-1]
        self._rung = self._builder.rung(last.rung, last.method, last.destination)
        self._done = False
        self._log = get_logger("calls").bind(call_id=conversation.opened.id)
        now = self._loop.time()
        self._machine = ReferHandoff(self._rung, HandoffPolicy(), ports.clock.utc(), now)
        # It rings, for all that is known: a provider tells of the end in any case, and of no more than that.
        self._machine.on_notify(100, "Trying", "active", b"", ports.clock.utc(), now)
        self._worked = receipt.state is ReceiptState.DONE
        if self._worked:
            self._settle()

    @property
    def is_settled(self) -> bool:
        """Whether it is known what became of it."""
        return self._done

    @property
    def sent_at(self) -> float:
        """When this try was sent, in seconds of UTC."""
        sent = [step.at for step in self._builder.receipt().steps if step.step is Step.SENT]
        return sent[-1].timestamp() if sent else 0.0

    def on_event(self, event: SipEvent) -> None:
        """How the transfer goes, in the words of a REFER."""
        at, now = self._ports.clock.utc(), self._loop.time()
        if isinstance(event, ReferCompleted):
            self._machine.on_response(event.status, event.phrase, at, now)
        elif isinstance(event, NotifyReceived):
            self._machine.on_notify(event.status, event.phrase, event.subscription, event.body, at, now)
        self._note()

    def on_screening(self, step: ScreeningStep, detail: str) -> None:
        """How far the asking of whoever was called is."""
        follow_screening(self._machine, step, detail, self._ports.clock.utc())
        self._note()

    def on_caller_gone(self) -> None:
        """The caller hung up before anybody had taken them."""
        self._fail(HandoffFailure.CALLER_HUNG_UP, "")

    def give_up(self) -> None:
        """Nothing more is to be learnt of it."""
        self._fail(HandoffFailure.NO_NOTIFY, "nothing was heard of it after the restart")

    def _fail(self, failure: HandoffFailure, detail: str) -> None:
        if self._machine.outcome is None:
            self._machine.give_up()
            self._rung.add(Step.FAILED, self._ports.clock.utc(), failure=failure, detail=detail)
            self._note()

    def _note(self) -> None:
        """Keep what is new, and settle the call once it is known how it ended."""
        steps = self._builder.new_steps()
        for step in steps:
            self._log.info("= handoff", step=step.step.value, rung=step.rung, method=step.method.value)
        outcome = self._machine.outcome
        if outcome is not None and not self._done:
            self._worked = isinstance(outcome, Referred)
            self._settle()
        elif steps:
            self._ports.begin(self._save_receipt())

    def _settle(self) -> None:
        self._done = True
        if not self._worked:
            self._builder.give_up()
        self._ports.begin(self._close())

    async def _save_receipt(self) -> None:
        index = len(self._conversation.receipts) - 1
        await self._ports.store.save_receipt(self._conversation.opened.id, index, self._builder.receipt())

    async def _close(self) -> None:
        call, now = self._conversation, self._ports.clock.utc()
        await self._save_receipt()
        if not self._worked:
            await self._ports.outcomes.withdraw(call.opened.id, now)
            await self._ports.outcomes.save(outcome_of(call, self._ports.directory(), now))
        reason = TerminationReason.HANDED_OFF if self._worked else TerminationReason.INTERRUPTED
        destination = self._builder.receipt().steps[-1].destination or ""
        await self._ports.outcomes.close(
            ConversationClosed(
                conversation_id=call.opened.id,
                termination=Termination.of(reason, destination if self._worked else RESTARTED),
                # The first turn is stored with the answer.
                answered_at=call.turns[0].at if call.turns else None,
                ended_at=now,
                ladder=(),
                media=None,
                metrics=(),
                peer_bye_headers={},
            )
        )
        self._log.warning("a handoff of the previous run is settled", reason=reason.value)
