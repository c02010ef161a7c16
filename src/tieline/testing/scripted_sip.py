"""A SIP peer that does as told, and the addresses of others."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tieline.calls.ports import Header
from tieline.errors import Unavailable
from tieline.model.trunk import Trunk
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    Flow,
    LegAnswered,
    LegProgress,
    LegRefused,
    ReinviteCompleted,
    SipEvent,
    Transport,
)
from tieline.sip.leg import TraceEntry
from tieline.testing.journal import Journal
from tieline.testing.peer_stories import ANSWER, Story, accept_refer, answer_invite, response


@dataclass(frozen=True, slots=True)
class SentRefer:
    """A REFER of ours."""

    refer_to: str
    headers: dict[str, str]
    referred_by: str | None


@dataclass(frozen=True, slots=True)
class SentInvite:
    """An INVITE of ours."""

    leg_id: int
    flow: Flow
    uri: str
    from_: str
    to: str
    sdp: bytes
    headers: dict[str, str]
    trunk: Trunk | None = None


class ScriptedSip:
    """A `SipPort` with a polite peer behind it, or a rude one.

    The peer acknowledges a 200 with `ack_body` after `ack_after_s` (None: never) and answers a BYE after
    `bye_after_s` (None: never). `legs` are those that are up; `byes` are the headers of our BYEs. What becomes of a
    REFER, an INVITE and a re-INVITE of ours is told by `on_refer`, `on_invite` and `on_reinvite`, see
    `tieline.testing.peer_stories`; `refers`, `invites` and `offers` hold what was sent. Further legs are numbered from
    1001.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.on_event: Callable[[SipEvent], None] = lambda event: None
        self.ack_after_s: float | None = 0.01
        self.ack_body = b""
        self.bye_after_s: float | None = 0.01
        self.legs: set[int] = set()
        self.answers: list[bytes] = []
        self.rejections: list[tuple[int, list[Header]]] = []
        self.byes: list[tuple[dict[str, str], str | None]] = []
        self.traces: dict[int, list[TraceEntry]] = {}
        self.taken: list[int] = []
        self.on_refer: Story = accept_refer(100, 180, 200)
        self.on_invite: Story = answer_invite()
        self.on_reinvite: Story = lambda leg_id: [(0.01, ReinviteCompleted(leg_id, 200, ANSWER))]
        self.refers: list[SentRefer] = []
        self.invites: list[SentInvite] = []
        self.offers: list[tuple[int, bytes]] = []
        self._further = itertools.count(1001)

    def ring(self, leg_id: int) -> None:
        """180."""
        self.journal.append("ring")

    def answer(self, leg_id: int, sdp: bytes) -> None:
        """200; the peer's ACK follows."""
        if leg_id in self.legs:
            self.journal.append("answer")
            self.answers.append(sdp)
            self._later(self.ack_after_s, AckReceived(leg_id, self.ack_body))

    def reject(
        self, leg_id: int, status: int, phrase: str | None = None, headers: Sequence[Header] = ()
    ) -> None:
        """A final refusal ends the leg."""
        if leg_id in self.legs:
            self.legs.discard(leg_id)
            self.journal.append(f"reject {status}")
            self.rejections.append((status, list(headers)))

    def bye(self, leg_id: int, headers: Sequence[Header] = (), reason: str | None = None) -> bool:
        """BYE; the peer's answer follows."""
        if leg_id not in self.legs:
            return False
        self.legs.discard(leg_id)
        self.journal.append("bye")
        self.byes.append((dict(headers), reason))
        self._later(self.bye_after_s, ByeCompleted(leg_id, 200))
        return True

    def accept_reinvite(self, leg_id: int, sdp: bytes) -> None:
        """200 to a re-INVITE."""
        self.journal.append("accept_reinvite")
        self.answers.append(sdp)

    def reject_reinvite(self, leg_id: int, status: int) -> None:
        """A refused re-INVITE."""
        self.journal.append(f"reject_reinvite {status}")

    def refer(
        self, leg_id: int, refer_to: str, headers: Sequence[Header] = (), referred_by: str | None = None
    ) -> bool:
        """REFER; `on_refer` tells what follows."""
        if leg_id not in self.legs:
            return False
        self.journal.append("refer")
        self.refers.append(SentRefer(refer_to, dict(headers), referred_by))
        self._tell(self.on_refer(leg_id))
        return True

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
        """INVITE; `on_invite` tells what follows."""
        leg_id = next(self._further)
        self.legs.add(leg_id)
        self.journal.append("invite")
        self.invites.append(SentInvite(leg_id, flow, uri, from_, to, sdp, dict(headers), trunk))
        self._tell(self.on_invite(leg_id))
        return leg_id

    def cancel(self, leg_id: int) -> None:
        """CANCEL; the 487 follows."""
        if leg_id in self.legs:
            self.journal.append("cancel")
            self._later(0.01, LegRefused(leg_id, 487, response(487, "Request Terminated")))

    def reinvite(self, leg_id: int, sdp: bytes) -> bool:
        """A re-INVITE of ours; `on_reinvite` tells what follows."""
        if leg_id not in self.legs:
            return False
        self.journal.append(f"reinvite {leg_id}")
        self.offers.append((leg_id, sdp))
        self._tell(self.on_reinvite(leg_id))
        return True

    def accept_update(self, leg_id: int, sdp: bytes) -> None:
        """200 to an UPDATE."""
        self.journal.append("accept_update")
        self.answers.append(sdp)

    def reject_update(self, leg_id: int, status: int) -> None:
        """A refused UPDATE."""
        self.journal.append(f"reject_update {status}")

    def dialog(self, leg_id: int) -> str | None:
        """A text for each leg that is up."""
        return f"dialog of leg {leg_id}" if leg_id in self.legs else None

    def call_id_of(self, leg_id: int) -> str:
        """A Call-ID made of the leg's number."""
        return f"leg-{leg_id}@tieline"

    def trace(self, leg_id: int) -> list[TraceEntry]:
        """What a test put into `traces`, which stays there."""
        return list(self.traces.get(leg_id, ()))

    def take_trace(self, leg_id: int) -> list[TraceEntry]:
        """What a test put into `traces`."""
        self.taken.append(leg_id)
        return self.traces.pop(leg_id, [])

    def _tell(self, story: Sequence[tuple[float, SipEvent]]) -> None:
        for after_s, event in story:
            self._later(after_s, event)

    def _later(self, delay_s: float | None, event: SipEvent) -> None:
        if delay_s is not None:
            asyncio.get_running_loop().call_later(delay_s, self._happen, event)

    def _happen(self, event: SipEvent) -> None:
        """The event comes, unless its leg is over; a refusal ends the leg."""
        leg_id = getattr(event, "leg_id", -1)
        if isinstance(event, LegProgress | LegAnswered) and leg_id not in self.legs:
            return
        if isinstance(event, LegRefused):
            self.legs.discard(leg_id)
        self.on_event(event)


class ScriptedLocation:
    """A `LocationPort` with fixed targets; `notes` are what was told of them."""

    def __init__(self, *hosts: str) -> None:
        self.flows = [Flow(Transport.UDP, (host, 5060)) for host in hosts or ("192.0.2.20",)]
        self.unknown = False
        self.notes: list[tuple[str, bool]] = []

    async def targets(self, trunk: Trunk, uri: str) -> list[Flow]:
        """The targets, or `Unavailable`."""
        if self.unknown:
            raise Unavailable(f"no address for {trunk.target}")
        return list(self.flows)

    def note(self, flow: Flow, *, worked: bool) -> None:
        """How a target did."""
        self.notes.append((flow.remote[0], worked))
