"""The runs of one call's agent: one at a time, each recorded, the state of each carried over to the next."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec

from tieline.agent.messages import CLOSING, Run, RunKind, TurnResult
from tieline.calls.patience import HURRY_S, Patience
from tieline.calls.ports import AgentPort, CallServices
from tieline.calls.records import HIDDEN, CallRecord
from tieline.calls.writes import CallWrites
from tieline.observe.logging import FilteringBoundLogger

OWN_TURN = frozenset({RunKind.TURN, RunKind.HANDOFF_FAILED})
"""Runs whose turn is stored at once; the others go with the write that follows them."""


class AgentRuns:
    """Runs the agent of a call. `conversation` is `conv` as the last run that succeeded has left it.

    `said` and `heard` are the last utterance, and the last input unless it is personal, for those who watch.
    """

    def __init__(
        self,
        services: CallServices,
        agent: AgentPort | None,
        record: CallRecord,
        writes: CallWrites,
        patience: Patience,
        log: FilteringBoundLogger,
    ) -> None:
        self.agent = agent
        self.conversation = record.snapshot()
        self.said: str | None = None
        self.heard: str | None = None
        self._services = services
        self._record = record
        self._writes = writes
        self._patience = patience
        self._log = log
        self._ids = itertools.count(1)
        self._running: asyncio.Task[TurnResult] | None = None

    @property
    def begun(self) -> bool:
        """Whether the agent has been run at all."""
        return self._running is not None

    def take_snapshot(self) -> None:
        """Begin `conv` anew from the call's record, before the first run."""
        self.conversation = self._record.snapshot()

    def note_handoff(self, result: dict[str, Any]) -> None:
        """How a handoff went, for the runs to come."""
        self.conversation = msgspec.structs.replace(self.conversation, handoff_result=result)

    async def run(self, kind: RunKind, user_input: str | None = None, *, hidden: bool = False) -> TurnResult:
        """One run; nothing happens where nobody speaks. Cancelling the wait does not stop the run: see `settle`."""
        if self.agent is None:
            return TurnResult(run_id=0, conversation=self.conversation)
        settings = self._services.settings
        run = Run(
            run_id=next(self._ids),
            kind=kind,
            conversation=self.conversation,
            user_input=user_input,
            input_is_pii=hidden,
            limit_s=settings.start_limit_s if kind is RunKind.START else settings.function_limit_s,
        )
        self._running = asyncio.ensure_future(self._recorded(self.agent, run))
        return await asyncio.shield(self._running)

    async def _recorded(self, agent: AgentPort, run: Run) -> TurnResult:
        """Run, take the new state over unless the run failed, and store the turn."""
        result = await agent.run(run)
        self._services.observer.agent_ran(run.kind, result)
        if result.failure is None:
            self.conversation = result.conversation
            # From here on, not from the first key: keys pressed while the prompt is spoken count too.
            if result.listen is not None and result.listen.dtmf.is_pii:
                self._record.hide_digits = True
        else:
            failure = result.failure
            self._log.warning("agent function failed", function=failure.function, kind=failure.kind.value)
        if run.kind not in CLOSING or result.function_runs or result.failure is not None:
            turn = self._record.turn(run, result, self.conversation)
            self.said = turn.utterance or self.said
            if run.user_input is not None:
                self.heard = HIDDEN if turn.user_input is None else turn.user_input
            self._writes.add_turn(turn, self._record.messages(turn, result))
        if run.kind in OWN_TURN:
            self._writes.store_turns()
        return result

    async def run_end(self) -> None:
        """`end_function`, as long as there is time for it."""
        ending = asyncio.ensure_future(self.run(RunKind.END))
        if await self._patience.wait(ending):
            ending.result()
            return
        ending.cancel()
        await self.settle()

    async def settle(self) -> None:
        """A function that was running when the caller hung up still counts: its state is part of the outcome."""
        running = self._running
        if running is None or running.done():
            return
        if not await self._patience.wait(running):
            running.cancel()
            await asyncio.wait({running}, timeout=HURRY_S)
        if running.done() and not running.cancelled() and running.exception() is not None:
            self._log.error("the last run failed inside Tieline", exc_info=running.exception())
