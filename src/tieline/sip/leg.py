"""A leg: one INVITE of or to us, and the dialog that it makes (RFC 3261 section 12). State only."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tieline.sip.config import PeerOptions
from tieline.sip.events import Flow
from tieline.sip.tables import LegState

if TYPE_CHECKING:
    from tieline.sip.digest_client import DigestSession
    from tieline.sip.reliable import Reliability
    from tieline.sip.session_timer import SessionClock
    from tieline.sip.timers import Timer
    from tieline.sip.transaction import Transaction


class TraceEntry(NamedTuple):
    """One message of a leg: monotonic seconds, `in` or `out`, the bytes, the flow."""

    at: float
    direction: str
    data: bytes
    flow: Flow


class LegInfo(NamedTuple):
    """What the owner may want to know of a leg beside its events."""

    leg_id: int
    state: str
    sip_call_id: str
    local_tag: str
    remote_tag: str | None
    flow: Flow


class AckWait:
    """A 2xx of ours that no ACK has met yet (RFC 3261 section 13.3.1.4)."""

    __slots__ = ("cseq", "interval", "leg", "started", "timer", "transaction")

    def __init__(
        self, leg: Leg, cseq: int, transaction: Transaction, interval: float, started: float
    ) -> None:
        self.leg = leg
        self.cseq = cseq
        self.transaction = transaction
        self.interval = interval
        self.started = started
        self.timer: Timer = []


class Sending(NamedTuple):
    """What an INVITE of ours is made of, as long as it may have to be sent again with another CSeq."""

    uri: str
    routes: str
    sdp: bytes
    lines: str
    flow: Flow
    purpose: str


class Leg:
    """One leg.

    `local` and `remote` are the header values with their tags; `target` is the remote target URI; `routes` is the
    route set in the order of use. `invite` is the INVITE transaction that has no final response yet, either way;
    `reinviting` is set while it is one within the dialog. `referring` is set while a REFER of ours is unanswered;
    `refer_cseq` is the CSeq of the last one. `session` holds the digest challenges met so far, `proof` the credentials
    of the last INVITE, which its ACK repeats (section 13.2.2.4).

    `made`: the call is ours, and so is its Call-ID. `sdp` and `remote_sdp` are what either side said last of the
    session; `offered`: the offer in the last INVITE was ours; `answered`: it was answered before the 2xx. `update` is
    an UPDATE (or PRACK) of the peer's whose offer waits for the owner, `update_sent` the SDP of ours under way,
    `updating` whether that is an offer. `clock` is the session timer,
    `min_se_raises` how often a 422 raised its least interval. `early` are the early dialogs of a call that we
    make, by To tag.
    """

    __slots__ = (
        "ack",
        "ack_waits",
        "answered",
        "bye_text",
        "call_id",
        "clock",
        "contact",
        "early",
        "flow",
        "forks",
        "id",
        "invite",
        "invite_cseq",
        "local",
        "local_cseq",
        "local_tag",
        "made",
        "min_se_raises",
        "min_se_s",
        "offered",
        "options",
        "peer_methods",
        "pending_sdp",
        "pending_target",
        "proof",
        "quiet",
        "refer_cseq",
        "referring",
        "reinviting",
        "reliable",
        "remote",
        "remote_cseq",
        "remote_sdp",
        "remote_tag",
        "routes",
        "rseq",
        "sdp",
        "sending",
        "session",
        "state",
        "target",
        "trace",
        "trace_room",
        "update",
        "update_offer",
        "update_sent",
        "updating",
        "via_differs",
    )

    def __init__(self, leg_id: int, state: LegState, flow: Flow, call_id: str, local_tag: str) -> None:
        self.id = leg_id
        self.state = state
        self.flow = flow
        self.call_id = call_id
        self.local_tag = local_tag
        self.remote_tag: str | None = None
        self.local = ""
        self.remote = ""
        self.local_cseq = 0
        self.remote_cseq = 0
        self.target = ""
        self.pending_target = ""
        self.routes: tuple[str, ...] = ()
        self.contact = ""
        self.session: DigestSession | None = None
        self.proof = ""
        self.invite: Transaction | None = None
        self.invite_cseq = 0
        self.reinviting = False
        self.made = False
        self.offered = False
        self.answered = False
        self.sdp = b""
        self.remote_sdp = b""
        self.pending_sdp = b""
        self.sending: Sending | None = None
        self.peer_methods: frozenset[str] = frozenset()
        self.clock: SessionClock | None = None
        self.min_se_s = 0
        self.min_se_raises = 0
        self.reliable: Reliability | None = None
        self.rseq = 0
        self.update: Transaction | None = None
        self.update_offer = b""
        self.update_sent: bytes | None = None
        self.updating = False
        self.early: dict[str, Leg] = {}
        self.options = PeerOptions()
        self.ack = b""
        self.ack_waits: dict[int, AckWait] = {}
        self.bye_text = ""
        self.forks: dict[str, Leg] = {}
        self.quiet = False
        self.refer_cseq = 0
        self.referring = False
        self.via_differs = False
        self.trace: list[TraceEntry] | None = []
        self.trace_room = 0
