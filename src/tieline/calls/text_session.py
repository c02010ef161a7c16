"""A call without sound: somebody types, the agent's words are read, and everything else is as in any call.

It is the walk of `CallSession` with media that only pretend to be there. Handoffs are planned, committed and put on a
receipt, but nobody is called: a text cannot be given to a telephone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import msgspec

from tieline.agent.messages import Listen, RunKind
from tieline.calls.endings import NORMAL_CLEARING
from tieline.calls.handing import HandedOver
from tieline.calls.ports import AgentPort, CallServices
from tieline.calls.routing import Route
from tieline.calls.session import CallSession
from tieline.handoff.ladder import Ladder
from tieline.media.messages import CloseLeg, Command, LegClosed, Play, Played, Report
from tieline.model.call import TerminationReason
from tieline.model.handoff import HandoffMethod, HandoffPlan
from tieline.sip.events import InviteReceived

NOT_CARRIED_OUT = "not carried out: text"
"""What a receipt says of a handoff in a call without sound."""

TEXT_PORT = 9
"""The port that stands for no media (RFC 863's, as is customary)."""

PATIENCE_S = 1800.0
"""How long nothing may be typed before the call is ended."""

_WITHOUT_END_S = 7 * 86400.0


class TextSession(CallSession):
    """One call by text. `planned` are the handoffs that would have been carried out, the last one last."""

    def __init__(
        self,
        services: CallServices,
        route: Route,
        agent: AgentPort | None,
        invite: InviteReceived,
        call_id: str,
        adopt: Callable[[CallSession, int], None],
    ) -> None:
        quiet = replace(services, media=NoMedia(), prompts=Unspoken(), location=None)
        super().__init__(quiet, route, agent, invite, call_id, adopt)
        self.record.input_channel = "text"
        self.planned: list[HandoffPlan] = []
        self._typed: asyncio.Queue[str] = asyncio.Queue()

    def type_text(self, text: str) -> None:
        """The caller has typed a line."""
        self._typed.put_nowait(text)

    def press_keys(self, digits: str) -> None:
        """The caller presses keys."""
        for digit in digits:
            self._media.press(digit)

    async def _take_turn(self, listen: Listen) -> Listen:
        """Wait for a line or for complete keypad input; whoever reads is not hurried."""
        heard = await self._next_input(listen) if listen.listen else ""
        result = await self._runs.run(RunKind.TURN, heard, hidden=listen.dtmf.is_pii)
        return await self._perform(result)

    async def _next_input(self, listen: Listen) -> str:
        patient = msgspec.structs.replace(listen.dtmf, first_digit_timeout=_WITHOUT_END_S)
        keys = asyncio.ensure_future(self._media.keypad_input(patient))
        typed = asyncio.ensure_future(self._typed.get())
        try:
            done, _ = await asyncio.wait(
                {keys, typed}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            keys.cancel()
            typed.cancel()
            await asyncio.gather(keys, typed, return_exceptions=True)
        if not done:
            raise self._ended(TerminationReason.HELD_TOO_LONG, "nothing was typed")
        return typed.result() if typed in done else keys.result().digits

    async def _carry_out(self, ladder: Ladder, asked_at: datetime, *, spoken: bool) -> HandedOver:
        """Plan the handoff, and end the call where it would be carried out."""
        plan = ladder.plan
        self.planned.append(plan)
        self._handing.leave_undone(ladder, asked_at, NOT_CARRIED_OUT, spoken=spoken)
        given = plan.headers if plan.method is HandoffMethod.BYE else ()
        clearing = None if plan.has_header("Reason") and given else NORMAL_CLEARING
        await self._end_leg(clearing, plan, given)
        return HandedOver(f"{plan.destination or plan.method.value}: {NOT_CARRIED_OUT}")


class NoMedia:
    """A `MediaPort` of legs without sound: what is played is over at once."""

    def __init__(self) -> None:
        self._listeners: dict[str, Callable[[Report], None]] = {}

    async def open_leg(
        self, leg_id: str, listener: Callable[[Report], None], _beside: str | None = None
    ) -> int:
        """A port that is none."""
        self._listeners[leg_id] = listener
        return TEXT_PORT

    def send(self, command: Command) -> None:
        """Answer what is waited for."""
        loop = asyncio.get_running_loop()
        if isinstance(command, Play) and not command.loop:
            loop.call_soon(self._report, Played(command.leg_id, command.play_id, True, 0.0))
        elif isinstance(command, CloseLeg):
            loop.call_soon(self._report, LegClosed(command.leg_id, 0, 0, 0, 0, 0.0, 0))

    def _report(self, report: Played | LegClosed) -> None:
        listener = self._listeners.get(report.leg_id)
        if isinstance(report, LegClosed):
            self._listeners.pop(report.leg_id, None)
        if listener is not None:
            listener(report)


class Unspoken:
    """A `PromptPort` that has nothing to play: the words are in the record."""

    async def clips(self, _project: str, _text: str, _language: str | None) -> list[str]:
        """None."""
        return []
