"""Whether trunks are there: OPTIONS at an interval, and registrations kept alive.

Each trunk that asks for it has a task of its own. A trunk is *up* once anything of it answers as a SIP server that
takes calls, and *down* once every one of its targets has stayed silent or said 503 in a row of attempts; before the
first verdict its state is unknown. Nothing is refused because of it: the state is for people, metrics and webhooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

from tieline.calls.ports import LocationPort
from tieline.errors import TielineError
from tieline.model.trunk import Trunk
from tieline.observe.logging import get_logger
from tieline.sip.events import Flow, OptionsCompleted, RegisterCompleted, SipEvent

RETRY_S = 10.0
"""Between attempts at a trunk that is down, unless its interval is shorter."""

LONGEST_RETRY_S = 300.0
"""Between attempts to register that keep failing."""

REFRESH_AT = 0.8
"""The part of a registration's time after which it is refreshed."""

ATTEMPTS = 2
"""Rounds without an answer after which a trunk is down: one lost datagram is no outage."""

_SILENT = frozenset({408, 503})


class TrunkState(StrEnum):
    """What is known of a trunk."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class TrunkHealth:
    """A trunk's state, and whether we are registered there (None: not asked for)."""

    state: TrunkState = TrunkState.UNKNOWN
    registered: bool | None = None
    detail: str = ""


class WatchSip(Protocol):
    """The verbs that watching needs; what follows comes back as events, by number."""

    def options(self, flow: Flow, uri: str, trunk: Trunk | None = None) -> int:
        """Ping; `OptionsCompleted` follows."""
        ...

    def register(
        self, flow: Flow, registrar: str, aor: str, user: str, expires_s: int, trunk: Trunk | None = None
    ) -> int:
        """Register or refresh, with 0 take back; `RegisterCompleted` follows. Raises `TielineError`."""
        ...


OnChange = Callable[[Trunk, TrunkHealth, TrunkHealth], None]
"""Told of a trunk, its health, and its health before."""


class TrunkWatch:
    """One per server. `on_change` is told when a trunk's health changes."""

    def __init__(self, sip: WatchSip, location: LocationPort, on_change: OnChange) -> None:
        self._sip = sip
        self._location = location
        self._on_change = on_change
        self._health: dict[str, TrunkHealth] = {}
        self._tasks: dict[Trunk, list[asyncio.Task[None]]] = {}
        self._registered: dict[str, Callable[[], object]] = {}
        self._waiting: dict[int, asyncio.Future[OptionsCompleted | RegisterCompleted]] = {}
        self._log = get_logger("trunks")

    def health(self, trunk: str) -> TrunkHealth:
        """What is known of a trunk by its name."""
        return self._health.get(trunk, TrunkHealth())

    def states(self) -> dict[str, TrunkHealth]:
        """What is known of each watched trunk, by name."""
        return {name: self.health(name) for name in sorted(trunk.name for trunk in self._tasks)}

    def count(self) -> dict[TrunkState, int]:
        """How many watched trunks are in each state."""
        states = [self.health(trunk.name).state for trunk in self._tasks]
        return {state: states.count(state) for state in TrunkState}

    def sync(self, trunks: Sequence[Trunk]) -> None:
        """Watch these trunks; those that changed or went are let go of, those that stayed as they were go on."""
        wanted = {trunk for trunk in trunks if trunk.options_interval_s or trunk.register}
        for trunk in [trunk for trunk in self._tasks if trunk not in wanted]:
            for task in self._tasks.pop(trunk):
                task.cancel()
            self._health.pop(trunk.name, None)
            self._unregister(trunk)
        for trunk in wanted - set(self._tasks):
            loops = [self._ping(trunk)] if trunk.options_interval_s else []
            if trunk.register:
                loops.append(self._stay_registered(trunk))
            self._tasks[trunk] = [asyncio.create_task(loop, name=f"trunk {trunk.name}") for loop in loops]

    def on_event(self, event: SipEvent) -> None:
        """Take an event of the SIP stack; those that are not of our requests are ignored."""
        if isinstance(event, OptionsCompleted):
            waiting = self._waiting.pop(event.options_id, None)
        elif isinstance(event, RegisterCompleted):
            waiting = self._waiting.pop(event.register_id, None)
        else:
            return
        if waiting is not None and not waiting.done():
            waiting.set_result(event)

    async def close(self) -> None:
        """Stop watching and take registrations back, without waiting for the answers."""
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        self.sync(())
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- pinging ----------------------------------------------------------------------------------------------

    async def _ping(self, trunk: Trunk) -> None:
        interval_s = trunk.options_interval_s or RETRY_S
        silent = 0
        while True:
            answered, detail = await self._round(trunk)
            silent = 0 if answered else silent + 1
            if answered:
                self._note(trunk, TrunkState.UP, detail)
            elif silent >= ATTEMPTS:
                self._note(trunk, TrunkState.DOWN, detail)
            await asyncio.sleep(interval_s if answered else min(interval_s, RETRY_S))

    async def _round(self, trunk: Trunk) -> tuple[bool, str]:
        """Ask the trunk's targets, best first, until one answers; whether one did, and what was heard."""
        uri = _uri_of(trunk)
        detail = "it has no target"
        try:
            flows = await self._location.targets(trunk, uri)
        except TielineError as error:
            return False, error.message
        for flow in flows:
            answer = await self._answer(partial(self._sip.options, flow, uri, trunk))
            answered = answer is not None and answer.status not in _SILENT
            self._location.note(flow, worked=answered)
            status = answer.status if answer is not None else "nothing"
            detail = f"{flow.remote[0]}:{flow.remote[1]} answered {status}"
            if answered:
                return True, detail
        return False, detail

    async def _answer(self, send: Callable[[], int]) -> OptionsCompleted | RegisterCompleted | None:
        """Send, and wait for what comes back; None where it cannot even be sent."""
        waiting: asyncio.Future[OptionsCompleted | RegisterCompleted] = (
            asyncio.get_running_loop().create_future()
        )
        try:
            number = send()
        except TielineError as error:
            self._log.warning("a trunk cannot be asked", detail=error.message)
            return None
        self._waiting[number] = waiting
        try:
            return await waiting
        finally:
            self._waiting.pop(number, None)

    # -- registering ------------------------------------------------------------------------------------------

    async def _stay_registered(self, trunk: Trunk) -> None:
        failures = 0
        while True:
            granted_s = await self._register(trunk)
            if granted_s is not None:
                failures = 0
                await asyncio.sleep(max(1.0, granted_s * REFRESH_AT))
            else:
                failures += 1
                await asyncio.sleep(min(RETRY_S * 2 ** min(failures - 1, 10), LONGEST_RETRY_S))

    async def _register(self, trunk: Trunk) -> float | None:
        """Register at the first target that grants it; for how many seconds, None when none does."""
        registrar, aor, user = _uri_of(trunk), _aor_of(trunk), trunk.username or ""
        detail = "it has no target"
        try:
            flows = await self._location.targets(trunk, registrar)
        except TielineError as error:
            flows, detail = [], error.message
        for flow in flows:
            ask = partial(self._sip.register, flow, registrar, aor, user, trunk=trunk)
            answer = await self._answer(partial(ask, trunk.register_expires_s))
            status = answer.status if answer is not None else 503
            self._location.note(flow, worked=status not in _SILENT)
            detail = f"the registrar {flow.remote[0]}:{flow.remote[1]} answered {status}"
            if isinstance(answer, RegisterCompleted) and 200 <= status < 300:
                self._registered[trunk.name] = partial(ask, 0)
                self._note_registered(trunk, detail, registered=True)
                return float(answer.expires_s or trunk.register_expires_s)
            if status not in _SILENT:
                break
        self._note_registered(trunk, detail, registered=False)
        return None

    def _unregister(self, trunk: Trunk) -> None:
        take_back = self._registered.pop(trunk.name, None)
        if take_back is not None:
            with suppress(TielineError):
                take_back()

    # -- telling ----------------------------------------------------------------------------------------------

    def _note(self, trunk: Trunk, state: TrunkState, detail: str) -> None:
        known = self.health(trunk.name)
        self._change(trunk, TrunkHealth(state, known.registered, detail))

    def _note_registered(self, trunk: Trunk, detail: str, *, registered: bool) -> None:
        known = self.health(trunk.name)
        state = known.state
        if not trunk.options_interval_s:
            state = TrunkState.UP if registered else TrunkState.DOWN
        self._change(trunk, TrunkHealth(state, registered, detail))

    def _change(self, trunk: Trunk, health: TrunkHealth) -> None:
        known = self.health(trunk.name)
        self._health[trunk.name] = health
        if (known.state, known.registered) == (health.state, health.registered):
            return
        log = (
            self._log.warning
            if TrunkState.DOWN is health.state or health.registered is False
            else self._log.info
        )
        log(
            "= trunk",
            trunk=trunk.name,
            state=health.state.value,
            registered=health.registered,
            detail=health.detail,
        )
        self._on_change(trunk, health, known)


def _uri_of(trunk: Trunk) -> str:
    """The trunk's own URI: its target, as a SIP URI without a user."""
    target = trunk.target or ""
    return target if target.startswith(("sip:", "sips:")) else f"sip:{target}"


def _aor_of(trunk: Trunk) -> str:
    """The address of record: the trunk's user name at its target's host."""
    scheme, _, rest = _uri_of(trunk).partition(":")
    host = rest.rpartition("@")[2].partition(";")[0]
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return f"{scheme}:{trunk.username}@{name}"
