"""A scripted SIP peer without I/O: bytes and the present moment in; datagrams and the next deadline out.

It is a small user agent of its own over raw messages, and not the server's stack, because it has to be able to do
what that stack refuses to do. Runners join it to a network in memory (`memory`) or to real sockets (`sockets`).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from random import Random

from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, Outgoing, Transport
from tieline.sip.message import Request, Response, parse_message
from tieline.testing.contact_center.dialog import PeerDialog
from tieline.testing.contact_center.exchanges import Asked, Came, PeerState
from tieline.testing.contact_center.peer_call import PeerCall
from tieline.testing.contact_center.steps import Header, Manners, Rule
from tieline.testing.contact_center.timeline import Timeline, call_id_of, label_of
from tieline.testing.contact_center.transfer import Transfer, read_transfer
from tieline.testing.contact_center.writing import write_response

CALLER = "+15557654321"
BASIC = frozenset(
    {
        "via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-type", "content-length",
        "user-agent", "server", "allow", "supported", "require", "route", "record-route", "accept", "expires",
        "session-expires", "min-se", "rseq", "rack", "date", "authorization", "proxy-authorization",
    }
)  # fmt: skip
"""Headers that are part of nearly every message; all others are somebody's information."""


class Centre:
    """A contact centre, SBC or telephone at one address. `server` is where Tieline listens.

    `rtp` gives the host and port to write into the SDP of a call; `on_press` is told what is pressed in RTP;
    `on_change` is called when a call has moved. `calls` are all so far, oldest first.
    """

    def __init__(
        self,
        manners: Manners | None = None,
        *,
        name: str = "contact centre",
        address: tuple[str, int] = ("192.0.2.20", 5060),
        server: tuple[str, int] = ("198.51.100.1", 5060),
        transport: Transport = Transport.UDP,
        seed: int | str = 1,
    ) -> None:
        self.manners = manners or Manners()
        self.name = name
        self.address = address
        self.server = server
        self.transport = transport
        self.timeline = Timeline()
        self.calls: list[PeerCall] = []
        self.rtp: Callable[[PeerDialog], tuple[str, int]] = lambda call: (self.address[0], 40000)
        self.on_press: Callable[[PeerDialog, str], None] = lambda call, keys: None
        self.on_change: Callable[[PeerDialog], None] = lambda call: None
        self.flow = Flow(transport, server)
        self._seed = seed
        self._random = Random(f"{seed}{address}")
        self._queue: list[Outgoing] = []
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._hits: dict[tuple[Rule, str], int] = {}
        self._asked: dict[str, Asked] = {}
        self._came: dict[tuple[str, str], Came] = {}
        self._by_call_id: dict[str, PeerCall] = {}
        self._owner: dict[str, PeerDialog] = {}

    # ------------------------------------------------------------------------------------------ bytes and time

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram, or one message of a stream. Whatever it holds, this does not fail."""
        if not data.strip(b"\r\n\x00"):
            return
        if self._meets_rule(data, "in", now, lambda at: self._take(data, flow, at)):
            return
        self._take(data, flow, now)

    def _take(self, data: bytes, flow: Flow, now: float) -> None:
        self.timeline.note(now, data, sent=False)
        try:
            message = parse_message(data)
            _ = message.call_id, message.cseq, message.via
            if isinstance(message, Request):
                self._take_request(message, flow, now)
            else:
                self._take_response(message, now)
        except MessageMalformed:
            return

    def outgoing(self) -> list[Outgoing]:
        """What is to be sent, in order; the caller owns the list."""
        queue, self._queue = self._queue, []
        return queue

    def next_deadline(self) -> float | None:
        """When `on_deadline` is wanted next; None when nothing waits."""
        return self._timers[0][0] if self._timers else None

    def on_deadline(self, now: float) -> None:
        """Do everything that is due."""
        while self._timers and self._timers[0][0] <= now:
            _, _, act = heapq.heappop(self._timers)
            act(now)

    def at(self, when: float, act: Callable[[float], None]) -> None:
        """Do something later; it is given the time."""
        heapq.heappush(self._timers, (when, next(self._order), act))

    def token(self) -> str:
        """A new name: the same ones for the same seed and address."""
        return f"{self._random.getrandbits(48):012x}"

    # ------------------------------------------------------------------------------------------ calling, and all calls

    def dial(self, number: str, now: float, headers: Sequence[Header] = (), caller: str = CALLER) -> PeerCall:
        """Call a number at the server; the headers of the manners go first."""
        call = PeerCall(self, f"{self.token()}-{self._seed}", self.flow)
        self._keep(call)
        call.dial(number, caller, [*self.manners.headers, *headers], now)
        return call

    def _keep(self, call: PeerCall) -> None:
        self.calls.append(call)
        self._by_call_id[call.call_id] = call

    @property
    def call(self) -> PeerCall:
        """The newest call. Raises `LookupError` when there was none."""
        if not self.calls:
            raise LookupError(f"{self.name}: no call yet")
        return self.calls[-1]

    @property
    def idle(self) -> bool:
        """Whether every call is over."""
        return all(call.state is PeerState.OVER for call in self.calls)

    @property
    def refers(self) -> list[Request]:
        """The REFERs that came, each once."""
        return self.timeline.requests("REFER")

    @property
    def byes(self) -> list[Request]:
        """The BYEs that came, each once."""
        return self.timeline.requests("BYE")

    @property
    def invites(self) -> list[Request]:
        """The INVITEs that came, each once."""
        return self.timeline.requests("INVITE")

    @property
    def bye_headers(self) -> dict[str, str]:
        """The informative headers of the last BYE, as far as they get through to this peer's script."""
        return self.seen_headers(self.byes[-1]) if self.byes and self.manners.reads_bye else {}

    @property
    def transfer(self) -> Transfer | None:
        """The last REFER's target as this peer's script sees it; None when there was no REFER."""
        return read_transfer(self.refers[-1]) if self.refers else None

    def seen_headers(self, request: Request) -> dict[str, str]:
        """The informative headers of a request: custom ones beyond the peer's limit are lost."""
        found: dict[str, str] = {}
        custom = 0
        for name, value in request.headers.items():
            if name.lower() in BASIC:
                continue
            if name.lower().startswith("x-"):
                custom += 1
                if self.manners.header_limit is not None and custom > self.manners.header_limit:
                    continue
            found[name] = value
        return found

    # ------------------------------------------------------------------------------------------ sending

    def send(self, data: bytes, flow: Flow, now: float) -> None:
        """Put bytes on the wire, as far as the rules let them."""
        if self._meets_rule(data, "out", now, lambda at: self._put(data, flow, at)):
            return
        self._put(data, flow, now)

    def _put(self, data: bytes, flow: Flow, now: float) -> None:
        self.timeline.note(now, data, sent=True)
        self._queue.append(Outgoing(data, flow))

    def _meets_rule(self, data: bytes, direction: str, now: float, pass_on: Callable[[float], None]) -> bool:
        """Lose, double or delay a message; whether a rule took it over."""
        label = label_of(data)
        for rule in self.manners.rules:
            if rule.direction != direction or rule.label != label:
                continue
            key = (rule, call_id_of(data))
            hits = self._hits[key] = self._hits.get(key, 0) + 1
            if not rule.skip < hits <= rule.skip + rule.count:
                continue
            if rule.action == "double":
                pass_on(now)
                return False
            if rule.action == "delay":
                self.at(now + rule.delay_s, pass_on)
            else:
                self.timeline.note(now, data, sent=direction == "out", lost=True)
            return True
        return False

    def ask(self, call: PeerDialog, asked: Asked, now: float) -> None:
        """Send a request and repeat it until it is answered."""
        self._asked[asked.branch] = asked
        self._owner[asked.branch] = call
        self.send(asked.data, asked.flow, now)
        self.at(now + asked.interval, lambda at: self._repeat(asked, at))

    def _repeat(self, asked: Asked, now: float) -> None:
        if asked.done:
            return
        if now - asked.started >= 32.0:
            asked.done = True
            self._owner[asked.branch].on_silence(asked, now)
            return
        if asked.repeats and asked.flow.transport is Transport.UDP:
            self.send(asked.data, asked.flow, now)
        longest = 16.0 if asked.method == "INVITE" else 4.0
        asked.interval = min(asked.interval * 2, longest)
        self.at(min(now + asked.interval, asked.started + 32.0), lambda at: self._repeat(asked, at))

    # ------------------------------------------------------------------------------------------ hearing

    def _take_response(self, response: Response, now: float) -> None:
        branch = response.via.branch or ""
        asked = self._asked.get(branch)
        if asked is not None and asked.method == response.cseq[1]:
            self._owner[branch].on_response(asked, response, now)

    def _take_request(self, request: Request, flow: Flow, now: float) -> None:
        call = self._by_call_id.get(request.call_id)
        if request.method == "ACK":
            if call is not None:
                call.on_ack(request, now)
            return
        key = (request.via.branch or "", request.method)
        known = self._came.get(key)
        if known is not None:
            if known.last:
                self.send(known.last, known.flow, now)
            return
        came = self._came[key] = Came(request, flow)
        if call is None:
            call = self._welcome(came, now)
        if call is not None:
            call.on_request(came, now)

    def _welcome(self, came: Came, now: float) -> PeerCall | None:
        """A request of no call that we know: a new call, a question outside of calls, or 481."""
        request = came.request
        if request.to.tag is not None:
            came.last = write_response(request, 481, self.token())
            self.send(came.last, came.flow, now)
            return None
        call = PeerCall(self, request.call_id, came.flow)
        if request.method == "INVITE":
            self._keep(call)
        else:
            call.outside = True
        return call
