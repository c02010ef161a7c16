"""Calls without a network: a switchboard in memory whose peer, media, voice and agent do as a test tells them.

    board = Switchboard(agent=ScriptedAgent(turn=lambda run: reply(run, "Goodbye.", hangup=True)))
    leg = board.invite()                  # an INVITE arrives
    await board.hear("What can I do?")    # until the caller has heard it
    board.press("1")
    await board.idle()                    # until every call is over
    assert board.journal[-1] == "close_conversation"

Everything is deterministic; use it with `tieline.testing.virtual_time`. `journal` holds, in order, what was done:
verbs of the SIP stack (`ring`, `answer`, `bye`, ...), commands to and reports of the media (`play Hello.`,
`played Hello.`), commits of the store (`save_outcome`, ...) and runs of the agent (`run turn`, `ran turn`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tieline.calls.admission import Admission
from tieline.calls.directory import Directory
from tieline.calls.leg_switch import LegSwitch
from tieline.calls.observer import MetricsObserver
from tieline.calls.outcomes import Outcomes
from tieline.calls.ports import CallServices, CallSettings, Header
from tieline.calls.refusals import RefusalLog
from tieline.calls.registry import CallRegistry
from tieline.calls.reservations import Reservations
from tieline.media.messages import LegClosed
from tieline.model.call import Termination
from tieline.model.conversation import Conversation
from tieline.model.pool import Pool
from tieline.model.project import Account, Project
from tieline.model.receipt import ReceiptStep
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.observe.metrics import Metrics
from tieline.sip.events import (
    ByeReceived,
    Flow,
    InfoReceived,
    InviteCancelled,
    InviteReceived,
    ReinviteReceived,
    Transport,
    UpdateReceived,
)
from tieline.sip.message import Headers, Request
from tieline.store.base import ConversationFilter
from tieline.testing.call_parts import (
    JournalStore,
    ScriptedAgent,
    ScriptedMedia,
    ScriptedPrompts,
)
from tieline.testing.journal import Journal
from tieline.testing.scripted_sip import ScriptedLocation, ScriptedSip
from tieline.testing.virtual_time import LoopClock, run_virtual, settle

PEER = ("192.0.2.10", 5060)
DNI = "+15550100001"
EXTENSION = "100"
PROJECT = Project(id="PROJECT-1", slug="desk", account="ws-1", numbers=(EXTENSION,), path="/nowhere")
RESOURCES = Resources(
    accounts=(Account(id="ws-1", slug="acme"),),
    projects=(PROJECT,),
    pools=(Pool(name="main", project="PROJECT-1", numbers=(DNI, "+15550100002"), trunks=("carrier",)),),
    trunks=(Trunk(name="carrier", networks=("192.0.2.0/24",), account="ws-1"),),
)
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
"""A peer's offer; also a fit answer to ours."""


class RecordingObserver(MetricsObserver):
    """Counts into metrics and keeps the terminations and the steps of handoffs."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self.terminations: list[Termination] = []
        self.steps: list[ReceiptStep] = []

    def handoff_step(self, call_id: str, step: ReceiptStep) -> None:
        """Something became known of a handoff."""
        super().handoff_step(call_id, step)
        self.steps.append(step)

    def ended(self, termination: Termination, talk_s: float, media: Sequence[LegClosed]) -> None:
        """A call is over."""
        super().ended(termination, talk_s, media)
        self.terminations.append(termination)


class Switchboard:
    """The whole of `tieline.calls` around scripted parts. Make it in a running loop."""

    def __init__(
        self,
        *,
        agent: ScriptedAgent | None = None,
        sip: ScriptedSip | None = None,
        resources: Resources = RESOURCES,
        settings: CallSettings | None = None,
        max_calls: int = 10,
    ) -> None:
        self.journal = sip.journal if sip is not None else Journal()
        self.agent = agent or ScriptedAgent()
        self.agent.journal = self.journal
        self.sip = sip or ScriptedSip(self.journal)
        self.legs = LegSwitch(self.sip)
        self.media = ScriptedMedia(self.journal)
        self.prompts = ScriptedPrompts()
        self.location = ScriptedLocation()
        self.clock = LoopClock()
        self.store = JournalStore(self.journal)
        self.metrics = Metrics()
        self.observer = RecordingObserver(self.metrics)
        self.outcomes = Outcomes(self.store)
        self.directory = Directory(resources)
        self.reservations = Reservations(self.store, self.directory, self.clock)
        self.admission = Admission(max_calls)
        self.refusals = RefusalLog(self.store, self.clock, self.metrics)
        self.registry = CallRegistry(
            CallServices(
                sip=self.legs,
                media=self.media,
                prompts=self.prompts,
                bindings=self.reservations,
                store=self.store,
                outcomes=self.outcomes,
                clock=self.clock,
                settings=settings or CallSettings(),
                media_address=lambda trunk, host: "198.51.100.1",
                observer=self.observer,
                trunk=self._trunk,
                location=self.location,
                provider=self.legs,
            ),
            self.admission,
            self.refusals,
            lambda project: self.agent,
        )
        self.registry.directory = self.directory
        self.sip.on_event = self.registry.on_event
        self._legs = itertools.count(1)

    def _trunk(self, name: str) -> Trunk | None:
        return self.registry.directory.trunk(name)

    async def start(self) -> Switchboard:
        """Put the resources into the store, which pools need."""
        await self.store.apply(lambda _: self.directory.resources, self.clock.utc())
        return self

    def invite(
        self,
        number: str = EXTENSION,
        *headers: Header,
        body: bytes = OFFER,
        caller: str = "<sip:+15557654321@192.0.2.10>",
        call_id: str | None = None,
        from_tag: str = "from-tag",
        source: str = PEER[0],
    ) -> int:
        """An INVITE arrives; returns its leg."""
        leg = next(self._legs)
        uri = f"sip:{number}@198.51.100.1"
        lines = [
            ("From", f"{caller};tag={from_tag}"),
            ("To", f"<{uri}>"),
            ("Call-ID", call_id or f"call-{leg}@192.0.2.10"),
            ("CSeq", "1 INVITE"),
            *headers,
        ]
        self.sip.legs.add(leg)
        request = Request("INVITE", uri, Headers(lines), body)
        self.registry.on_event(InviteReceived(leg, Flow(Transport.UDP, (source, PEER[1])), request))
        return leg

    def cancel(self, leg: int) -> None:
        """The caller gives up before we answer."""
        self.sip.legs.discard(leg)
        self.registry.on_event(InviteCancelled(leg, Headers()))

    @property
    def outcomes_replaced(self) -> dict[str, int]:
        """For each conversation, how many of its outcomes were revised or withdrawn later."""
        return self.store.replaced

    def hang_up(self, leg: int, *headers: Header) -> None:
        """The caller's BYE."""
        self.sip.legs.discard(leg)
        self.registry.on_event(ByeReceived(leg, Headers(headers)))

    def reinvite(self, leg: int, offer: bytes) -> None:
        """The peer renews the session."""
        self.registry.on_event(ReinviteReceived(leg, offer))

    def update(self, leg: int, offer: bytes) -> None:
        """The peer renews the session by UPDATE."""
        self.registry.on_event(UpdateReceived(leg, offer))

    def info(self, leg: int, digit: str) -> None:
        """A key by SIP INFO."""
        body = f"Signal={digit}\r\nDuration=160\r\n".encode()
        self.registry.on_event(InfoReceived(leg, "application/dtmf-relay", body))

    def press(self, digits: str) -> None:
        """Keys in RTP."""
        self.media.press(digits)

    async def until(self, entry: str, *, times: int = 1) -> None:
        """Wait until the journal holds `entry`, so often."""
        await self.journal.until(entry, times)

    async def hear(self, text: str) -> None:
        """Wait until the caller has heard `text` to its end, and whatever follows at once."""
        await self.until(f"played {text}")
        await settle()

    async def idle(self) -> None:
        """Wait until every call is over."""
        await self.registry.wait_idle()
        await settle()

    async def conversations(self) -> list[Conversation]:
        """Every stored conversation, whole, oldest first."""
        found = await self.store.conversations(ConversationFilter(limit=1000))
        whole = [await self.store.conversation(each.opened.id) for each in reversed(found)]
        return [each for each in whole if each is not None]

    def leftovers(self) -> list[str]:
        """What is wrong after all calls are over: anything left behind, missing or done twice. Empty when all is well.

        Holds for a store that is not broken: one closing write and at most one outcome a conversation (the closing
        write makes an empty one; revised and withdrawn ones aside), `end_function` once for each `start_function`, no
        leg, port or call left.
        """
        opened = len(self.store.opened)
        outcomes = self.journal.count("save_outcome") - sum(self.outcomes_replaced.values())
        closes = self.journal.count("close_conversation")
        wrong = []
        if closes != opened or outcomes > opened:
            wrong.append(f"{outcomes} outcomes and {closes} closing writes for {opened} conversations")
        starts, ends = self.journal.count("run start"), self.journal.count("run end")
        if starts != ends:
            wrong.append(f"{starts} start functions and {ends} end functions")
        if self.registry.sessions() or self.admission.calls:
            wrong.append(f"{self.admission.calls} calls counted, {len(self.registry.sessions())} up")
        if self.sip.legs:
            wrong.append(f"SIP legs left: {sorted(self.sip.legs)}")
        if self.media.legs:
            wrong.append(f"RTP ports left: {sorted(self.media.legs)}")
        if sorted(self.sip.taken) != sorted(set(self.sip.taken)):
            wrong.append("a ladder was taken twice")
        return wrong


def play_calls(story: Callable[[Switchboard], Coroutine[Any, Any, None]], **parts: Any) -> Switchboard:
    """Run a story with a new switchboard (made of `parts`) in virtual time, until every call is over.

    Raises `AssertionError` when anything is left over.
    """

    async def whole() -> Switchboard:
        board = await Switchboard(**parts).start()
        await story(board)
        await board.idle()
        await board.refusals.close()
        return board

    board = run_virtual(whole())
    left = board.leftovers()
    if left:
        raise AssertionError(f"{left}; {list(board.journal)}")
    return board
