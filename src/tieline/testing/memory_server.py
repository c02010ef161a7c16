"""A whole server without sockets, and the SBC of a contact centre at the other end of a network in memory.

Real are the HTTP application, the SIP stacks, routing, sessions, the lease rules and the customer's project, which
runs in this process; in memory are the store, the network and the media.

    async with MemoryServer.open(Path("examples/front_desk")) as server:
        dni = (await server.reserve({"shared_id": "s-1"})).json()["dni"]
        call = server.dial(dni)
        await server.hear("...")
        server.press("0")
        await server.idle()

To be run in virtual time. The journal of the switchboard also holds the wire: `> 200 INVITE` is sent by the server,
`< INVITE` by its peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx

from tieline.agent.memory import InMemoryAgent
from tieline.calls.ports import Header
from tieline.config import Settings
from tieline.http.app import create_app
from tieline.http.services import Health, Services
from tieline.model.project import ApiKey, Scope, hash_secret
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.net.sip_endpoint import SipEndpoint
from tieline.net.sip_legs import SipLegs
from tieline.sip.events import ByeReceived, Flow, LegAnswered, LegRefused, SipEvent, Transport
from tieline.sip.leg import TraceEntry
from tieline.sip.stack import SipStack
from tieline.testing.call_parts import ScriptedAgent
from tieline.testing.calls import OFFER, PEER, RESOURCES, Switchboard
from tieline.testing.journal import Journal
from tieline.testing.loopback import Endpoint, Loopback
from tieline.testing.scripted_sip import ScriptedSip
from tieline.testing.virtual_time import settle

_Result = TypeVar("_Result")

HOST = "198.51.100.1"
HUMAN = ("192.0.2.30", 5060)
"""Where second legs go: a `MemoryCentre` at this address gets them."""
KEY = "tl_everything"
"""An API key with every scope."""


class WireSip(ScriptedSip):
    """A `SipPort` on a real stack: verbs become messages on a loopback network, and what comes in becomes events."""

    def __init__(self, journal: Journal, network: Loopback, ours: Endpoint, peer: Endpoint) -> None:
        super().__init__(journal)
        self.network = network
        self.ours = ours
        self._ends = {"<": peer, ">": ours}
        self._noted = {"<": 0, ">": 0}
        self._verbs = SipLegs(cast("SipEndpoint", self))
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False

    @property
    def stack(self) -> SipStack:
        """Our stack."""
        return self.ours.stack

    def act(self, verb: Callable[[SipStack, float], _Result]) -> _Result:
        """Use a verb of our stack, and let the network carry what comes of it."""
        return self.use(self.stack, verb)

    def use(self, stack: SipStack, verb: Callable[[SipStack, float], _Result]) -> _Result:
        """Use a verb of either stack now."""
        self.pump()
        try:
            return verb(stack, asyncio.get_running_loop().time())
        finally:
            self.pump()

    def pump(self) -> None:
        """Carry the network to the present time, hand events over, and come back when something is due."""
        if self._pumping:
            return
        self._pumping = True
        loop = asyncio.get_running_loop()
        try:
            self.network.run_for(loop.time() - self.network.now)
            self._note()
            for event in self.network.take(self.ours):
                self.on_event(event)
                self.network.flush()
                self._note()
        finally:
            self._pumping = False
        if self._timer is not None:
            self._timer.cancel()
        due = self.network.next_due()
        if due is not None:
            self._timer = loop.call_at(due, self.pump)

    def _note(self) -> None:
        """Put what was sent into the journal: the method, or the status and method of a response."""
        for direction, end in self._ends.items():
            for data in end.sent[self._noted[direction] :]:
                lines = data.decode("utf-8", "replace").split("\r\n")
                words = lines[0].split(" ")
                cseq = next(line for line in lines if line.lower().startswith("cseq:")).split(" ")[-1]
                shown = f"{words[1]} {cseq}" if words[0].startswith("SIP/") else words[0]
                self.journal.append(f"{direction} {shown}")
            self._noted[direction] = len(end.sent)

    def stop(self) -> None:
        """Let no more time pass on the network."""
        if self._timer is not None:
            self._timer.cancel()

    def ring(self, leg_id: int) -> None:
        """180."""
        self._verbs.ring(leg_id)

    def answer(self, leg_id: int, sdp: bytes) -> None:
        """200."""
        self._verbs.answer(leg_id, sdp)

    def reject(
        self, leg_id: int, status: int, phrase: str | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """A final refusal."""
        self._verbs.reject(leg_id, status, phrase, headers)

    def bye(self, leg_id: int, headers: Sequence[Header] = (), reason: str | None = None) -> bool:
        """BYE."""
        return self._verbs.bye(leg_id, headers, reason)

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """200 to a re-INVITE."""
        self._verbs.accept_reinvite(leg_id, sdp)

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """A refused re-INVITE."""
        self._verbs.reject_reinvite(leg_id, status)

    def accept_update(self, leg_id: int, sdp: bytes) -> None:
        """200 to an UPDATE."""
        self._verbs.accept_update(leg_id, sdp)

    def reject_update(self, leg_id: int, status: int) -> None:
        """A refused UPDATE."""
        self._verbs.reject_update(leg_id, status)

    def refer(
        self, leg_id: int, refer_to: str, headers: Sequence[Header] = (), referred_by: str | None = None
    ) -> bool:
        """REFER."""
        return self._verbs.refer(leg_id, refer_to, headers, referred_by)

    def invite(
        self,
        flow: Flow,
        uri: str,
        from_: str,
        to: str,
        sdp: bytes,
        headers: Sequence[Header] = (),
        trunk: Trunk | None = None,
    ) -> int:
        """INVITE."""
        return self._verbs.invite(flow, uri, from_, to, sdp, headers, trunk)

    def cancel(self, leg_id: int) -> None:
        """CANCEL."""
        self._verbs.cancel(leg_id)

    def reinvite(self, leg_id: int, sdp: bytes) -> bool:
        """A re-INVITE."""
        return self._verbs.reinvite(leg_id, sdp)

    def dialog(self, leg_id: int) -> str | None:
        """What a later process would need."""
        return self._verbs.dialog(leg_id)

    def call_id_of(self, leg_id: int) -> str:
        """The leg's Call-ID."""
        return self._verbs.call_id_of(leg_id)

    def trace(self, leg_id: int) -> list[TraceEntry]:
        """The leg's messages so far."""
        return list(self._verbs.trace(leg_id))

    def take_trace(self, leg_id: int) -> list[TraceEntry]:
        """The leg's messages."""
        self.taken.append(leg_id)
        return self._verbs.take_trace(leg_id)


class FolderAgent(ScriptedAgent):
    """A customer's project folder, run in this process."""

    def __init__(self, path: Path) -> None:
        inner = InMemoryAgent(path)
        report = inner.load()
        if not report.ok:
            raise ValueError("; ".join(str(finding) for finding in report.errors))
        run = inner.run_now
        super().__init__(
            start=run,
            turn=run,
            end=run,
            handoff_failed=run,
            bridge_ended=run,
            destinations=inner.destinations,
        )


class MemoryServer:
    """The server, its peer and a client of its API. Made by `open`."""

    def __init__(self, agent: ScriptedAgent, resources: Resources) -> None:
        self.network = Loopback()
        self.ours = self.network.add(HOST)
        self.peer = self.network.add(PEER[0], PEER[1])
        self.sip = WireSip(Journal(), self.network, self.ours, self.peer)
        key = ApiKey(
            name="all", account="ws-1", project="PROJECT-1", scopes=frozenset(Scope),
            key_hash=hash_secret(KEY), prefix="tl_eve",
        )  # fmt: skip
        self.board = Switchboard(
            agent=agent,
            sip=self.sip,
            resources=Resources(
                accounts=resources.accounts, projects=resources.projects, pools=resources.pools,
                trunks=resources.trunks, sip_tokens=resources.sip_tokens, api_keys=(key,),
            ),
        )  # fmt: skip
        self.board.location.flows = [Flow(Transport.UDP, HUMAN)]
        services = Services(
            reservations=self.board.reservations,
            outcomes=self.board.outcomes,
            conversations=self.board.store,
            directory=self.board.directory,
            health=Health(),
            metrics=self.board.metrics,
            clock=self.board.clock,
            settings=Settings(),
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(services)),
            base_url="http://tieline",
            headers={"x-api-key": KEY},
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, project: Path | ScriptedAgent, resources: Resources = RESOURCES
    ) -> AsyncIterator[MemoryServer]:
        """A server for one project folder; at the end every call must be over."""
        agent = FolderAgent(project) if isinstance(project, Path) else project
        server = cls(agent, resources)
        await server.board.start()
        async with server.client:
            yield server
            await server.board.refusals.close()
        server.sip.stop()
        left = server.board.leftovers()
        if left:
            raise AssertionError(f"{left}; {list(server.journal)}")

    @property
    def journal(self) -> Journal:
        """What was done, in order, wire and all."""
        return self.board.journal

    async def reserve(
        self, attributes: object, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Reserve DNI."""
        body = {"attributes": attributes, **more}
        return await self.client.post("/v1/conversations/dni-reservation", json=body, headers=headers)

    async def handoff_state(self, **query: Any) -> httpx.Response:
        """Get Handoff."""
        return await self.client.get("/v1/acme/desk/handoff_state", params=query)

    def dial(self, number: str, *headers: Header, caller: str = "+15557654321") -> int:
        """The peer calls; returns its leg."""
        flow = self.network.flow(self.peer, self.ours)
        from_, to = f"<sip:{caller}@{PEER[0]}>", f"<sip:{number}@{HOST}>"
        return self.sip.use(
            self.peer.stack,
            lambda stack, now: stack.invite(flow, f"sip:{number}@{HOST}", from_, to, OFFER, now, headers),
        )

    def hang_up(self, leg: int, *headers: Header) -> None:
        """The peer's BYE."""
        self.sip.use(self.peer.stack, lambda stack, now: stack.bye(leg, now, headers))

    def cancel(self, leg: int) -> None:
        """The peer gives up before we answer."""
        self.sip.use(self.peer.stack, lambda stack, now: stack.cancel(leg, now))

    def send(self, datagram: bytes, host: str = PEER[0]) -> None:
        """Anything, as it is."""
        flow = Flow(Transport.UDP, (host, PEER[1]))
        self.sip.use(self.ours.stack, lambda stack, now: stack.receive(datagram, flow, now))

    def press(self, digits: str) -> None:
        """Keys in RTP, on every call that is up."""
        self.board.media.press(digits)

    async def until(self, entry: str, *, times: int = 1) -> None:
        """Wait until the journal holds `entry`, so often."""
        await self.journal.until(entry, times)

    async def hear(self, text: str) -> None:
        """Wait until the caller has heard `text`."""
        await self.board.hear(text)

    async def idle(self) -> None:
        """Wait until every call is over and the network is quiet."""
        await self.board.idle()
        await asyncio.sleep(1.0)
        await settle()

    def events(self, kind: type[SipEvent]) -> list[Any]:
        """What the peer's stack has told of one kind."""
        return [event for event in self.peer.events if isinstance(event, kind)]

    def answered(self) -> list[LegAnswered]:
        """200s that the peer got."""
        return self.events(LegAnswered)

    def refused(self) -> list[LegRefused]:
        """Refusals that the peer got."""
        return self.events(LegRefused)

    def byes(self) -> list[ByeReceived]:
        """BYEs that the peer got."""
        return self.events(ByeReceived)
