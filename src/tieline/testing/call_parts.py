"""The world around calls, scripted: a SIP peer, a media process, a voice, an agent and a disk that do as told.

`tieline.testing.calls.Switchboard` puts them together. Each notes in a shared `Journal` what is done to it.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieline.agent.messages import (
    FailureKind,
    FunctionFailure,
    FunctionRun,
    Listen,
    Metric,
    Run,
    RunKind,
    TurnResult,
)
from tieline.errors import TielineError, Unavailable
from tieline.media.messages import (
    CloseLeg,
    Command,
    ConnectLeg,
    Digit,
    JoinLegs,
    LegClosed,
    LegFigures,
    MediaTimedOut,
    PartLegs,
    Play,
    Played,
    Report,
    SendDigits,
    StopPlay,
    TellFigures,
)
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, Turn
from tieline.model.handoff import Destination, HandoffMethod, SipConfig
from tieline.model.receipt import Receipt
from tieline.model.reservation import BindRequest, BindResult
from tieline.model.sms import SmsMessage
from tieline.store.memory import MemoryStore
from tieline.testing.journal import Journal

Act = Callable[[Run], TurnResult | Awaitable[TurnResult]]
"""One entry of a scripted agent."""

DESK = Destination(name="desk", is_default=True, sip_config=SipConfig(method=HandoffMethod.BYE))
"""The destination that scripted agents have."""


class ScriptedMedia:
    """A `MediaPort`: each clip plays for `clip_s` seconds, keys are pressed by the test, and it dies on demand."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clip_s = 1.0
        self.open_after_s = 0.0
        self.no_ports = False
        self.closes_after_s: float | None = 0.0
        self.connected: list[ConnectLeg] = []
        self.legs: dict[str, Callable[[Report], None]] = {}
        self.beside: dict[str, str | None] = {}
        self._playing: dict[str, list[tuple[Play, asyncio.TimerHandle | None]]] = {}
        self._free_at: dict[str, float] = {}
        self._ports = itertools.count(30000, 2)

    async def open_leg(
        self, leg_id: str, listener: Callable[[Report], None], beside: str | None = None
    ) -> int:
        """A port, or `Unavailable`."""
        await asyncio.sleep(self.open_after_s)
        if self.no_ports:
            raise Unavailable("no RTP port: none is free")
        self.legs[leg_id] = listener
        self.beside[leg_id] = beside
        self.journal.append("open_leg")
        return next(self._ports)

    def send(self, command: Command) -> None:
        """Act as the media process would; a command for a leg that is gone is dropped."""
        if isinstance(command, TellFigures):
            for leg_id, tell in list(self.legs.items()):
                tell(LegFigures(leg_id, 50, 60, 0, 0, 0.5, 0))
        listener = self.legs.get(getattr(command, "leg_id", ""))
        if listener is None:
            return
        if isinstance(command, ConnectLeg):
            self.connected.append(command)
        elif isinstance(command, Play):
            self._play(command)
        elif isinstance(command, JoinLegs):
            early = " early" if command.early else ""
            self.journal.append(f"join {command.leg_id} {command.other_id}{early}")
        elif isinstance(command, PartLegs):
            self.journal.append(f"part {command.leg_id}")
        elif isinstance(command, SendDigits):
            self.journal.append(f"digits {command.digits} {command.leg_id}")
        elif isinstance(command, StopPlay):
            self._cut(command.leg_id)
        elif isinstance(command, CloseLeg):
            self._cut(command.leg_id)
            del self.legs[command.leg_id]
            self.journal.append("close_leg")
            if self.closes_after_s is not None:
                report = LegClosed(command.leg_id, 100, 200, 0, 0, 0.5, 3)
                asyncio.get_running_loop().call_later(self.closes_after_s, listener, report)

    def _play(self, command: Play) -> None:
        loop = asyncio.get_running_loop()
        begin = max(loop.time(), self._free_at.get(command.leg_id, 0.0))
        end = begin + self.clip_s * len(command.clip_ids)
        self._free_at[command.leg_id] = end
        self.journal.append(f"{'loop' if command.loop else 'play'} {'|'.join(command.clip_ids)}")
        timer = None if command.loop else loop.call_at(end, self._played, command)
        self._playing.setdefault(command.leg_id, []).append((command, timer))

    def _played(self, command: Play) -> None:
        self._playing[command.leg_id].pop(0)
        self._report(command, finished=True)

    def _cut(self, leg_id: str) -> None:
        self._free_at.pop(leg_id, None)
        for command, timer in self._playing.pop(leg_id, []):
            if timer is not None:
                timer.cancel()
            self._report(command, finished=False)

    def _report(self, command: Play, *, finished: bool) -> None:
        self.journal.append(f"{'played' if finished else 'cut'} {'|'.join(command.clip_ids)}")
        self.legs[command.leg_id](Played(command.leg_id, command.play_id, finished, 0.0))

    def press(self, digits: str, leg: str = "") -> None:
        """Keys are pressed on every open leg, or on those whose name ends with `leg`."""
        for leg_id, listener in list(self.legs.items()):
            if leg_id.endswith(leg):
                for digit in digits:
                    listener(Digit(leg_id, digit))

    def fall_silent(self, leg: str = "") -> None:
        """No RTP came for the time that the call allows, on every leg or on those whose name ends with `leg`."""
        for leg_id, listener in list(self.legs.items()):
            if leg_id.endswith(leg):
                listener(MediaTimedOut(leg_id))

    def die(self) -> None:
        """The process ends: each leg gets a `LegClosed` that nobody asked for, and no command is heard."""
        legs, self.legs = self.legs, {}
        for plays in self._playing.values():
            for _, timer in plays:
                if timer is not None:
                    timer.cancel()
        self._playing.clear()
        for leg_id, listener in legs.items():
            listener(LegClosed(leg_id, 0, 0, 0, 0, 0.0, 0))


class ScriptedPrompts:
    """A `PromptPort` whose clip ids are the texts; those in `unspeakable` raise."""

    def __init__(self) -> None:
        self.unspeakable: set[str] = set()

    async def clips(self, project: str, text: str, language: str | None) -> list[str]:
        """One clip, named as its text."""
        if text in self.unspeakable:
            raise TielineError("the voice cannot say this")
        return [text]


class ScriptedAgent:
    """An `AgentPort` made of callables, one for each kind of run; each may be asynchronous.

    Without `start` it greets with "Welcome.", without `turn` it hangs up, without `handoff_failed` it says "Sorry."
    and hangs up, without `bridge_ended` and `end` it does nothing.
    """

    def __init__(
        self,
        *,
        start: Act | None = None,
        turn: Act | None = None,
        end: Act | None = None,
        handoff_failed: Act | None = None,
        bridge_ended: Act | None = None,
        destinations: Sequence[Destination] = (DESK,),
    ) -> None:
        self.destinations = tuple(destinations)
        self.journal = Journal()
        self.runs: list[Run] = []
        self._acts: dict[RunKind, Act] = {
            RunKind.START: start or (lambda run: reply(run, "Welcome.")),
            RunKind.TURN: turn or (lambda run: reply(run, hangup=True)),
            RunKind.HANDOFF_FAILED: handoff_failed or (lambda run: reply(run, "Sorry.", hangup=True)),
            RunKind.BRIDGE_ENDED: bridge_ended or reply,
            RunKind.END: end or reply,
        }

    async def run(self, run: Run) -> TurnResult:
        """Run the entry that the run names."""
        self.runs.append(run)
        self.journal.append(f"run {run.kind.value}")
        result = self._acts[run.kind](run)
        if inspect.isawaitable(result):
            result = await result
        self.journal.append(f"ran {run.kind.value}")
        return result

    def count(self, kind: RunKind) -> int:
        """How many runs of a kind have begun."""
        return sum(run.kind is kind for run in self.runs)


def reply(
    run: Run,
    *utterances: str,
    state: dict[str, Any] | None = None,
    handoff: dict[str, Any] | None = None,
    hangup: bool = False,
    listen: Listen | None = None,
    metrics: Iterable[Metric] = (),
) -> TurnResult:
    """A turn's result: what is said, what `state` adds to the conversation's, and what follows."""
    conversation = msgspec.structs.replace(
        run.conversation, state={**run.conversation.state, **(state or {})}
    )
    return TurnResult(
        run_id=run.run_id,
        conversation=conversation,
        utterances=list(utterances),
        handoff=handoff,
        hangup=hangup,
        listen=listen,
        metrics=list(metrics),
        function_runs=[FunctionRun(name=f"{run.kind.value}_function", duration_ms=1.0)],
    )


def fail(run: Run, kind: FailureKind = FailureKind.RAISED, message: str = "it broke") -> TurnResult:
    """A run that failed."""
    failure = FunctionFailure(kind=kind, function="turn_function", message=message)
    return TurnResult(run_id=run.run_id, conversation=run.conversation, failure=failure)


class JournalStore(MemoryStore):
    """The memory store with a journal of its commits, and a disk that is slow (`delays`, seconds) or `broken`.

    Both are by the name of the verb. A commit is in the journal when it is durable. `replaced` counts the outcomes of
    a conversation that were revised or withdrawn.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal
        self.delays: dict[str, float] = {}
        self.broken: set[str] = set()
        self.opened: set[str] = set()
        self.replaced: dict[str, int] = {}
        self._writer = asyncio.Lock()

    async def _commit(self, verb: str) -> None:
        """Wait for the writer, who takes one after another as they came, and for the disk."""
        async with self._writer:
            delay_s = self.delays.get(verb, 0.0)
            if delay_s:
                await asyncio.sleep(delay_s)
            if verb in self.broken:
                raise OSError(f"{verb}: no space left on device")
            self.journal.append(verb)

    async def bind(self, request: BindRequest, now: datetime) -> BindResult:
        """INVITE seen."""
        await self._commit("bind")
        return await super().bind(request, now)

    async def claim(self, reservation_id: str, epoch: int, now: datetime, *, verified: bool) -> bool:
        """Answered."""
        await self._commit("claim")
        return await super().claim(reservation_id, epoch, now, verified=verified)

    async def unbind(self, reservation_id: str, epoch: int, now: datetime) -> bool:
        """Not answered."""
        await self._commit("unbind")
        return await super().unbind(reservation_id, epoch, now)

    async def open_conversation(self, opened: ConversationOpened) -> None:
        """The first write of a call."""
        await self._commit("open_conversation")
        self.opened.add(opened.id)
        await super().open_conversation(opened)

    async def mark_answered(self, conversation_id: str, now: datetime, dialogs: Sequence[str] = ()) -> None:
        """Answered."""
        await self._commit("mark_answered")
        await super().mark_answered(conversation_id, now, dialogs)

    async def save_turn(self, conversation_id: str, turn: Turn, messages: Sequence[SmsMessage] = ()) -> None:
        """One turn, and what it sends."""
        await self._commit("save_turn")
        await super().save_turn(conversation_id, turn, messages)

    async def save_outcome(self, outcome: Outcome) -> None:
        """What Get Handoff will answer."""
        await self._commit("save_outcome")
        if outcome.revision:
            self.replaced[outcome.conversation_id] = outcome.revision
        await super().save_outcome(outcome)

    async def withdraw_outcome(self, conversation_id: str, now: datetime) -> None:
        """The call goes on."""
        await self._commit("withdraw_outcome")
        await super().withdraw_outcome(conversation_id, now)

    async def save_receipt(self, conversation_id: str, index: int, receipt: Receipt) -> None:
        """A receipt as it is now; not in the journal, for it is written with every step."""
        if "save_receipt" in self.broken:
            raise OSError("save_receipt: no space left on device")
        await super().save_receipt(conversation_id, index, receipt)

    async def close_conversation(self, closed: ConversationClosed) -> None:
        """The last write of a call."""
        await self._commit("close_conversation")
        await super().close_conversation(closed)
