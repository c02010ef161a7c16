"""What the server and a media process say to each other over their socket pair.

Each is one length-prefixed MessagePack value, tagged by class name. Commands flow to the media process, reports
back; the pair is ordered, so a command is carried out after all those before it.
"""

from __future__ import annotations

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all commands and reports; the tag is the class name."""


class OpenLeg(Message):
    """Bind an RTP port for a leg. Answered by `LegOpened` or `LegNotOpened`."""

    leg_id: str


class SrtpKeys(msgspec.Struct, frozen=True):
    """SDES keys of one stream (RFC 4568): `suite` is `AES_CM_128_HMAC_SHA1_80` or `_32`; 30 bytes of key and salt each.

    `ours` protects what we send, `theirs` what they send; their packets carry a key identifier of `mki_bytes`.
    """

    suite: str
    ours: bytes
    theirs: bytes
    mki_bytes: int = 0

    def __repr__(self) -> str:
        """Without the keys: a record of a command may be logged."""
        return f"SrtpKeys({self.suite})"


class ConnectLeg(Message):
    """What was negotiated. `send` and `receive` follow the SDP direction; repeated after each re-INVITE.

    `payload_type` 0 is PCMU, 8 is PCMA; `dtmf_payload_type` None when telephone-event was not agreed.
    `silence_timeout_s` ends the call when no RTP arrives for so long (None: never).
    """

    leg_id: str
    remote: tuple[str, int]
    payload_type: int
    dtmf_payload_type: int | None
    send: bool
    receive: bool
    silence_timeout_s: float | None
    srtp: SrtpKeys | None = None


class JoinLegs(Message):
    """Relay audio and keypad digits between two legs of one process, until `PartLegs` or the end of either.

    Each side hears the other; what is played to a leg goes on top of it. Codecs and payload types are translated.
    With `early`, audio flows from `other_id` to `leg_id` only (early media). Repeating it changes `early`.
    """

    leg_id: str
    other_id: str
    early: bool = False


class PartLegs(Message):
    """End the relay of a leg; both go on as before."""

    leg_id: str


class PutClip(Message):
    """Audio to be played later: 8 kHz mono µ-law. Kept until `DropClip`."""

    clip_id: str
    pcmu: bytes


class DropClip(Message):
    """Forget a clip (those being played finish)."""

    clip_id: str


class Play(Message):
    """Play clips one after another, then report `Played`. Follows whatever is still playing.

    With `loop` they are played over and over until `StopPlay`.
    """

    leg_id: str
    play_id: int
    clip_ids: list[str]
    loop: bool = False


class StopPlay(Message):
    """Cut what is playing; each play in the queue reports `Played` with `finished` false."""

    leg_id: str


class SendDigits(Message):
    """Send keypad digits to the peer as RFC 4733 events (or nothing when not negotiated)."""

    leg_id: str
    digits: str


class TellFigures(Message):
    """Tell how the sound of every leg gets through so far. Answered by `FiguresTold`, some legs in each."""


class CloseLeg(Message):
    """Close the leg's port. Answered by `LegClosed`."""

    leg_id: str


class LegOpened(Message):
    """The leg's RTP port."""

    leg_id: str
    port: int


class LegNotOpened(Message):
    """No port could be had."""

    leg_id: str
    reason: str


class Played(Message):
    """A play ended: to its end (`finished`) or cut. `seconds` is what the caller heard."""

    leg_id: str
    play_id: int
    finished: bool
    seconds: float


class Digit(Message):
    """The caller pressed a key: one of 0-9 * # A-D."""

    leg_id: str
    digit: str


class MediaStarted(Message):
    """The first RTP packet of the leg arrived, from `source` (symmetric RTP answers there)."""

    leg_id: str
    source: tuple[str, int]


class MediaTimedOut(Message):
    """No RTP for the leg's `silence_timeout_s`."""

    leg_id: str


class LegFigures(Message):
    """How the sound of a leg got through so far.

    `packets_discarded` were no RTP of this call, duplicates, or from a stranger; `packets_late` came out of order
    and still counted; `packets_unsent` were refused by the network; `packets_unauthentic` were not made with the
    peer's SRTP key; `sources` counts the peer's SSRCs. `jitter_ms` is RFC 3550's; `peak_level` is the loudest the
    caller got, 0 to 1.
    """

    leg_id: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    packets_discarded: int
    jitter_ms: float
    digits_received: int
    packets_late: int = 0
    packets_unsent: int = 0
    sources: int = 0
    peak_level: float = 0.0
    packets_unauthentic: int = 0


class LegClosed(LegFigures):
    """The leg is closed; its figures. One that was not asked for says that the media process died."""


class FiguresTold(Message):
    """Figures of some of the legs that are open."""

    legs: list[LegFigures]


class MediaReady(Message):
    """The media process is up; the first report it sends. `ports` is how many legs it can hold."""

    pid: int
    ports: int


Command = (
    OpenLeg
    | ConnectLeg
    | PutClip
    | DropClip
    | Play
    | StopPlay
    | SendDigits
    | JoinLegs
    | PartLegs
    | CloseLeg
    | TellFigures
)
LegReport = LegOpened | LegNotOpened | Played | Digit | MediaStarted | MediaTimedOut | LegFigures | LegClosed
Report = LegReport | FiguresTold | MediaReady
