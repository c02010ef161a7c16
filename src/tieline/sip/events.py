"""What the SIP stack tells its owner: past facts about legs, in the order in which they happened.

A *leg* is our side of one dialog (or of one INVITE that may become one); `leg_id` is ours and unique for the life
of the stack. Header maps are `Headers`, which keep spelling and order and look names up without regard to case.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tieline.sip.message import Headers, Request, Response


class Transport(StrEnum):
    """The transports that we speak."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a message came from or goes to.

    `connection` names the stream for TCP and TLS, None for UDP and for a stream that is yet to be opened.
    `host` is the name that a TLS peer's certificate must bear, for streams that we open.
    """

    transport: Transport
    remote: tuple[str, int]
    connection: int | None = None
    host: str | None = None


class Outgoing(NamedTuple):
    """Bytes to put on the wire of `flow`."""

    data: bytes
    flow: Flow


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """A new call is offered. `request.sdp` is the offer, empty for a late offer; 100 has been sent.

    `proven` is the digest user name that the caller has proven to be, None where nobody asked.
    """

    leg_id: int
    flow: Flow
    request: Request
    proven: str | None = None


@dataclass(frozen=True, slots=True)
class InviteCancelled:
    """The caller gave up before we answered (CANCEL); 487 has been sent and the leg is over."""

    leg_id: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class AckReceived:
    """Our 2xx to an INVITE arrived; `body` is the SDP answer when we made the offer."""

    leg_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteReceived:
    """The peer renews the session (hold, resume, new address). Owed: `accept_reinvite` or `reject_reinvite`."""

    leg_id: int
    offer: bytes


@dataclass(frozen=True, slots=True)
class ReinviteCancelled:
    """The peer took its re-INVITE back (CANCEL) before it was accepted; 487 has been sent, the call stands."""

    leg_id: int


@dataclass(frozen=True, slots=True)
class ReinviteCompleted:
    """Our re-INVITE has its final response; `body` is the SDP answer of a 2xx.

    `status` 491 is glare: try again after `retry_after_s` (RFC 3261 section 14.1). 408 and 503 may be made here.
    """

    leg_id: int
    status: int
    body: bytes
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class InfoCompleted:
    """Our INFO has its final response (408 or 503 may be made here)."""

    leg_id: int
    status: int


@dataclass(frozen=True, slots=True)
class OptionsCompleted:
    """Our OPTIONS has its final response (408 or 503 may be made here). `options_id` is what `options` returned."""

    options_id: int
    status: int


@dataclass(frozen=True, slots=True)
class InviteRefused:
    """A new INVITE that the stack itself refused; no leg exists. `why` is a short plain sentence."""

    flow: Flow
    request: Request
    status: int
    why: str


@dataclass(frozen=True, slots=True)
class StrangerRefused:
    """INVITEs from an address that is no trunk's, refused or dropped: one event per address and interval.

    The texts are those of the first message; `count` is how many INVITEs the closed interval held, or 1 when the
    event opens one.
    """

    flow: Flow
    first_line: str
    call_id: str
    from_: str
    to: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An in-dialog INFO, already answered 200 (415 when its type is not one we read)."""

    leg_id: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ByeReceived:
    """The peer ended the call; 200 has been sent."""

    leg_id: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class LegProgress:
    """A provisional response (101 to 199) to our INVITE, PRACKed already where it asked for that.

    `body` is its SDP, if any: with an offer of ours, the answer for early media.
    """

    leg_id: int
    response: Response
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """A 2xx to our INVITE. Owed: `ack` (done by the stack when the offer was ours).

    `body` is the peer's SDP, be it from the 2xx or from a reliable provisional response before it.
    """

    leg_id: int
    response: Response
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class LegRefused:
    """Our INVITE failed: a final response, or 408 / 503 made here for a timeout or a broken transport."""

    leg_id: int
    status: int
    response: Response | None


@dataclass(frozen=True, slots=True)
class ByeCompleted:
    """Our BYE has its final response (`status` 408 when none came)."""

    leg_id: int
    status: int


class LegFailure(StrEnum):
    """Why the stack itself ended a leg."""

    NO_ACK = "no_ack"
    TRANSPORT_FAILED = "transport_failed"
    PEER_GONE = "peer_gone"
    SESSION_EXPIRED = "session_expired"


@dataclass(frozen=True, slots=True)
class LegFailed:
    """The leg is over by no BYE of the peer's.

    No ACK came (BYE has been sent), its transport broke, the peer answered a request within the dialog with 481 or
    not at all (nor our reliable provisional response with PRACK), or nobody refreshed the session (BYE has been sent).
    """

    leg_id: int
    failure: LegFailure


@dataclass(frozen=True, slots=True)
class OptionsReceived:
    """An OPTIONS ping, already answered."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class ReferCompleted:
    """Our REFER has its final response (408 or 503 may be made here); a digest challenge was answered before.

    `phrase` is the reason phrase as the peer wrote it. A 2xx starts the subscription that `NotifyReceived` tells of,
    unless `no_subscription` says that the peer will send no NOTIFY (`Refer-Sub: false`, RFC 4488). A NOTIFY may
    overtake this event. Silence (408) leaves the call up: peers that drop the REFER may be well otherwise.
    """

    leg_id: int
    status: int
    phrase: str = ""
    no_subscription: bool = False


@dataclass(frozen=True, slots=True)
class NotifyReceived:
    """A NOTIFY of a REFER of ours, already answered 200 (RFC 3515 section 2.4.4).

    `status` is that of the sipfrag, None without a readable one; `subscription` is the Subscription-State's word
    (`active`, `pending`, `terminated`), None without one. It may come before `ReferCompleted` and, for 64*T1, after
    the leg is over. A NOTIFY that names a REFER before the leg's last one is answered and not told.
    """

    leg_id: int
    status: int | None
    phrase: str
    subscription: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class ReferReceived:
    """The peer asked us to transfer; refused with 603 by the stack, told for the record."""

    leg_id: int
    refer_to: str


@dataclass(frozen=True, slots=True)
class UpdateReceived:
    """The peer offers new session parameters by UPDATE. Owed: `accept_update` or `reject_update`.

    An UPDATE without a body is answered by the stack and not told. An offer in a PRACK is told in the same way.
    """

    leg_id: int
    offer: bytes


@dataclass(frozen=True, slots=True)
class UpdateCompleted:
    """Our UPDATE has its final response (408 or 503 may be made here); `body` is the SDP answer of a 2xx.

    `status` 491 is glare: try again after `retry_after_s`.
    """

    leg_id: int
    status: int
    body: bytes
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class PrackReceived:
    """A reliable provisional response of ours arrived; `body` is SDP that came with it, empty as a rule."""

    leg_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class RegisterCompleted:
    """Our REGISTER has its final response (408 or 503 may be made here), challenges and 423 answered before.

    `expires_s` is what a 2xx granted, 0 after the registration was taken back; refresh well before it ends.
    """

    register_id: int
    status: int
    phrase: str = ""
    expires_s: int | None = None


SipEvent = (
    InviteReceived
    | InviteCancelled
    | AckReceived
    | ReinviteReceived
    | InfoReceived
    | ByeReceived
    | LegProgress
    | LegAnswered
    | LegRefused
    | ByeCompleted
    | LegFailed
    | OptionsReceived
    | ReinviteCancelled
    | ReinviteCompleted
    | InfoCompleted
    | OptionsCompleted
    | InviteRefused
    | StrangerRefused
    | ReferCompleted
    | NotifyReceived
    | ReferReceived
    | UpdateReceived
    | UpdateCompleted
    | PrackReceived
    | RegisterCompleted
)
