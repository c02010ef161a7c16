"""All calls that are up: admits or refuses INVITEs, and brings each event to the call that it belongs to."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict, deque
from collections.abc import Callable

from tieline.calls.admission import Admission
from tieline.calls.credential_use import CredentialUse
from tieline.calls.directory import Directory
from tieline.calls.endings import refusal_headers, refusal_of
from tieline.calls.ports import AgentPort, CallServices
from tieline.calls.refusals import RefusalLog
from tieline.calls.routing import Route, route_call, route_over
from tieline.calls.session import CallSession
from tieline.media.messages import TellFigures
from tieline.model.call import TerminationReason
from tieline.model.project import Project
from tieline.model.trunk import Refusal, RefusalReason, RuleResult, Trunk
from tieline.observe.logging import get_logger
from tieline.sip.events import (
    InviteReceived,
    InviteRefused,
    LegAnswered,
    LegProgress,
    LegRefused,
    SipEvent,
    StrangerRefused,
)

FindAgent = Callable[[Project], AgentPort | None]
"""The running agent of a project for one call; None when it could not be loaded."""

ReturnAgent = Callable[[AgentPort], None]
"""Told when the call is over that the agent was found for."""

EARLY_EVENTS = 256
"""Events kept of legs whose number is not known yet: an INVITE of ours may fail before it has one."""

INTERRUPT_GRACE_S = 8.0
"""How long interrupted calls may take to write their outcome and say BYE."""


class CallRegistry:
    """One per server. `directory` is replaced when the resources change; calls that are up keep their route."""

    def __init__(
        self,
        services: CallServices,
        admission: Admission,
        refusals: RefusalLog,
        find_agent: FindAgent,
        return_agent: ReturnAgent | None = None,
    ) -> None:
        self.directory = Directory.empty()
        self.admission = admission
        self.uses = CredentialUse()
        self._services = services
        self._refusals = refusals
        self._find_agent = find_agent
        self._return_agent = return_agent
        self._by_leg: dict[int, CallSession] = {}
        self._sessions: dict[str, CallSession] = {}
        self._further: defaultdict[str, list[int]] = defaultdict(list)
        self._watchers: dict[int, Callable[[SipEvent], bool]] = {}
        self._early: deque[SipEvent] = deque(maxlen=EARLY_EVENTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._log = get_logger("calls")

    def on_event(self, event: SipEvent) -> None:
        """Take one event of the SIP stack. A failure over one event is logged and concerns no other call."""
        try:
            self._take(event)
        except Exception:
            self._log.exception(
                "an event of the SIP stack could not be handled", event_kind=type(event).__name__
            )

    def _take(self, event: SipEvent) -> None:
        if isinstance(event, InviteReceived):
            self._offer(event)
            return
        if isinstance(event, InviteRefused | StrangerRefused):
            self._services.observer.offered()
            if isinstance(event, InviteRefused) and event.status == 503:
                brief = self.refuse_briefly(event.flow.remote[0])
                if brief is not None:
                    self._refusals.note_brief(event, brief[1], brief[0].name)
                    return
            trunk = self.directory.trunk_by_host(event.flow.remote[0])
            self._refusals.note_event(event, trunk.name if trunk else None)
            return
        session = self._by_leg.get(getattr(event, "leg_id", -1))
        watcher = self._watchers.get(getattr(event, "leg_id", -1)) if self._watchers else None
        if watcher is not None and watcher(event):
            return
        if session is not None:
            session.on_event(event)
        elif isinstance(event, LegProgress | LegAnswered | LegRefused):
            self._early.append(event)

    def _adopt(self, session: CallSession, leg_id: int) -> None:
        """A session has made a further leg: its events are the session's, those that came already in a moment."""
        self._by_leg[leg_id] = session
        self._further[session.call_id].append(leg_id)
        loop = asyncio.get_running_loop()
        for event in list(self._early):
            if getattr(event, "leg_id", -1) == leg_id:
                self._early.remove(event)
                loop.call_soon(self.on_event, event)

    def refuse_briefly(self, host: str) -> tuple[Trunk, Refusal] | None:
        """The trunk at an address, and why its calls are not worth a look at present; None when they are.

        Of several trunks at one address nobody knows yet which it is that calls.
        """
        trunks = self.directory.trunks_by_host(host)
        if len(trunks) != 1:
            return None
        refusal = self.admission.refuse_briefly(trunks[0], self._services.clock.monotonic())
        return None if refusal is None else (trunks[0], refusal)

    def ask_figures(self) -> None:
        """Have the media processes tell how the sound of each call gets through; `CallSession.summary` shows it."""
        self._services.media.send(TellFigures())

    def sessions(self) -> list[CallSession]:
        """The calls that are up."""
        return list(self._sessions.values())

    def session_of(self, leg_id: int) -> CallSession | None:
        """The call that a leg belongs to; None when it is over, or was never let in."""
        return self._by_leg.get(leg_id)

    def _offer(self, invite: InviteReceived) -> None:
        self._services.observer.offered()
        decision = route_call(invite.request, invite.flow.remote[0], self.directory, invite.proven)
        self._admit(invite, decision)

    def bring_in_over(self, invite: InviteReceived, trunk: Trunk, why: str) -> Refusal | None:
        """Take a call that no trunk's address brought, and route it as any other of `trunk`'s; None when it was let in.

        As with `bring_in`, the refusal has been sent and is on record.
        """
        self._services.observer.offered()
        return self._admit(invite, route_over(invite.request, trunk, self.directory, why), trunk)

    def _admit(
        self,
        invite: InviteReceived,
        decision: Route | Refusal,
        trunk: Trunk | None = None,
        make: type[CallSession] = CallSession,
    ) -> Refusal | None:
        """Let a call in that is routed and that there is room for; refuse it otherwise."""
        if isinstance(decision, Route):
            if decision.token_hash is not None:
                self.uses.note(decision.token_hash, self._services.clock.utc())
            full = self.admission.admit(decision.trunk, self._services.clock.monotonic())
            if full is None:
                return self._accept(invite, decision, make)
            decision = _after(decision.rules, full)
        self._refuse(invite, decision, trunk)
        return decision

    def bring_in(
        self, invite: InviteReceived, route: Route, make: type[CallSession] = CallSession
    ) -> Refusal | None:
        """Take a call that no trunk brought and whose route is known; None when it was let in.

        `invite` stands for it: its leg is spoken to through the `SipPort` that carries it, as any other is, and its
        events come through `on_event`. The refusal has been sent on that leg, and is on record. `make` is the kind of
        call it is.
        """
        self._services.observer.offered()
        return self._admit(invite, route, route.trunk, make)

    def watch(self, leg_id: int, take: Callable[[SipEvent], bool]) -> None:
        """Show each event of a leg to `take` before its call gets it; one that it takes the call never learns of."""
        self._watchers[leg_id] = take

    def _accept(
        self, invite: InviteReceived, route: Route, make: type[CallSession] = CallSession
    ) -> Refusal | None:
        agent = None if route.project.answer_only else self._find_agent(route.project)
        if agent is None and not route.project.answer_only:
            self.admission.leave(route.trunk.name)
            refusal = _no_agent(route)
            self._refuse(invite, refusal, route.trunk)
            return refusal
        try:
            session = make(self._services, route, agent, invite, str(uuid.uuid4()), self._adopt)
        except Exception as error:
            self._leave(route, agent)
            self._refuse(
                invite, refusal_of(TerminationReason.INTERNAL_ERROR, type(error).__name__, route), route.trunk
            )
            raise
        self._by_leg[invite.leg_id] = session
        self._sessions[session.call_id] = session
        self._idle.clear()
        task = asyncio.create_task(self._run(session, invite), name=f"session {session.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _run(self, session: CallSession, invite: InviteReceived) -> None:
        try:
            await session.run()
            if session.refusal is not None:
                self._refusals.note(invite, session.refusal, session.route.trunk.name)
        except Exception:
            self._log.exception("session failed", call_id=session.call_id)
        finally:
            del self._sessions[session.call_id]
            for leg_id in (invite.leg_id, *self._further.pop(session.call_id, ())):
                del self._by_leg[leg_id]
                self._watchers.pop(leg_id, None)
            self._leave(session.route, session.agent)
            if not self._sessions:
                self._idle.set()

    def _leave(self, route: Route, agent: AgentPort | None) -> None:
        self.admission.leave(route.trunk.name)
        if agent is not None and self._return_agent is not None:
            self._return_agent(agent)

    def _refuse(self, invite: InviteReceived, refusal: Refusal, trunk: Trunk | None = None) -> None:
        self._services.sip.reject(invite.leg_id, refusal.status, refusal.phrase, refusal_headers(refusal))
        self._services.sip.take_trace(invite.leg_id)
        trunk = trunk or self.directory.trunk_by_host(invite.flow.remote[0], invite.proven)
        self._refusals.note(invite, refusal, trunk.name if trunk else None)

    async def wait_idle(self) -> None:
        """Wait until no call is up."""
        await self._idle.wait()

    async def drain(self, timeout_s: float) -> int:
        """Take no new calls, let those that are up finish, end the rest after `timeout_s`; returns how many."""
        self.admission.draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self.wait_idle()
            return 0
        except TimeoutError:
            left = self.sessions()
            for session in left:
                session.interrupt(TerminationReason.DRAINED, "the server is shutting down")
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=INTERRUPT_GRACE_S)
            return len(left)


def _after(rules: tuple[RuleResult, ...], refusal: Refusal) -> Refusal:
    """The refusal with the routing rules that held before it."""
    return Refusal(
        status=refusal.status,
        phrase=refusal.phrase,
        reason=refusal.reason,
        rules=(*rules, *refusal.rules),
        retry_after_s=refusal.retry_after_s,
    )


def _no_agent(route: Route) -> Refusal:
    detail = f"the agent of project {route.project.slug} is not running; see `tieline project check`"
    return Refusal(
        status=503,
        phrase="Service Unavailable",
        reason=RefusalReason.AGENT_UNAVAILABLE,
        rules=(*route.rules, RuleResult(rule="agent", held=False, detail=detail)),
        retry_after_s=10,
    )
