"""How a scripted peer behaves, as data: what it does when something arrives, step by step, and what it loses.

A step's `after` is in seconds since its trigger (the request that arrived, or the moment the call was up); steps of
one trigger run in the order of their times, and equal times in the order in which they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Respond to the request that triggered the script, or to the pending INVITE when `to` says so.

    `fork` makes the response come from another branch of the callee, with a tag of its own; `reliable` sends a
    provisional response by RFC 3262 (421 to an INVITE that cannot take it); `sdp` None puts a body where it belongs;
    `then` is the status from the second time in a call on.
    """

    status: int = 200
    after: float = 0.0
    phrase: str | None = None
    headers: tuple[Header, ...] = ()
    sdp: bool | None = None
    fork: str = ""
    reliable: bool = False
    to: str = ""
    then: int | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """Demand digest credentials; the steps after it run only for a request that brings them.

    `stale` refuses the first right answer once, with a new nonce and `stale=true`.
    """

    status: int = 401
    algorithm: str = "MD5"
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """Refuse with `status` unless the request's `header` holds the regular expression `pattern`, case ignored."""

    header: str
    pattern: str
    status: int = 403


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell how a transfer stands; `status` None leaves the body out, `event` False the Event header."""

    status: int | None
    after: float = 0.0
    event: bool = True
    state: str = "active"


@dataclass(frozen=True, slots=True)
class HangUp:
    """BYE, unless the call is over already."""

    after: float = 0.0
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take our unanswered INVITE back."""

    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Reinvite:
    """Renew the session by INVITE; `direction` is that of our SDP, without `offer` the other side has to offer.

    `every` seconds it is done again until the call is over.
    """

    after: float = 0.0
    direction: str = "sendrecv"
    offer: bool = True
    every: float | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Renew the session by UPDATE (RFC 3311), with SDP when `offer`."""

    after: float = 0.0
    offer: bool = False
    every: float | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys, in RTP or by INFO as the manners have it."""

    keys: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Send:
    """Any request within the dialog."""

    method: str
    after: float = 0.0
    headers: tuple[Header, ...] = ()
    body: bytes = b""


Step = Answer | Challenge | Need | Notify | HangUp | Cancel | Reinvite | Update | Press | Send


@dataclass(frozen=True, slots=True)
class Rule:
    """What the network does to chosen messages: `drop`, `double` or `delay` (by `delay_s`).

    `label` is a method or `status method`, as in `ACK` and `200 INVITE`; `direction` is `out` for the peer's own
    messages and `in` for those that come to it. The first `skip` matches of each call pass, the `count`
    after them are hit.
    """

    action: str
    direction: str
    label: str
    skip: int = 0
    count: int = 1
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Sound:
    """What a peer's RTP is like.

    `sends` is `silence`, `tone`, `echo` (what it hears) or `nothing`; `marker` False sends digits without the marker
    bit; `keys` is `rtp` or `info`; `address` is what the SDP claims (None: the true one); `other_port` sends from a
    port that the SDP does not name; `events` False offers no telephone-event.
    """

    sends: str = "silence"
    marker: bool = True
    keys: str = "rtp"
    address: str | None = None
    other_port: bool = False
    events: bool = True


@dataclass(frozen=True, slots=True)
class Manners:
    """Everything about a peer that a call can find out.

    `invite` to `other` are what it does with requests; `reinvite` is for an INVITE within the dialog, `up` begins
    when the call is answered and acknowledged, `calling` when our INVITE has been sent. `ack_after` None never
    acknowledges. `headers` go with our INVITE; `supported` and `require` are option tags; `session_expires` and
    `min_se` are RFC 4028's, in seconds, and `refreshes` is the promise to refresh the session. `header_limit` is how
    many custom headers get through to the peer's script, which sees none of a BYE without `reads_bye`. In
    `headers`, `{id}` stands for a name that is new for each call, `{hex}` for the same in hex, `{caller}` for the
    caller's number.
    """

    invite: tuple[Step, ...] = (Answer(180, 0.1), Answer(200, 1.0))
    reinvite: tuple[Step, ...] = (Answer(200),)
    update: tuple[Step, ...] = (Answer(200),)
    refer: tuple[Step, ...] = (
        Answer(202),
        Notify(100, 0.05),
        Notify(180, 0.5),
        Notify(200, 2.0, state="terminated;reason=noresource"),
    )
    bye: tuple[Step, ...] = (Answer(200),)
    cancel: tuple[Step, ...] = (Answer(200), Answer(487, to="INVITE"))
    other: tuple[Step, ...] = (Answer(200),)
    up: tuple[Step, ...] = ()
    calling: tuple[Step, ...] = ()
    ack_after: float | None = 0.0
    headers: tuple[Header, ...] = ()
    supported: tuple[str, ...] = ("100rel", "timer")
    require: tuple[str, ...] = ()
    allow: tuple[str, ...] = (
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY",
    )  # fmt: skip
    session_expires: int | None = None
    refreshes: bool = False
    min_se: int = 90
    username: str = "tieline"
    password: str = "secret"
    header_limit: int | None = None
    reads_bye: bool = True
    rules: tuple[Rule, ...] = ()
    sound: Sound = Sound()

    def but(self, **changes: Any) -> Manners:
        """The same with some things changed."""
        return replace(self, **changes)
