"""The media of one leg: the port, what was negotiated, what is played, and the keys that were pressed.

One object serves either role. Towards a caller: `open`, `negotiate` the INVITE's offer, `acknowledge`. On a leg that
we place: `open`, `make_offer`, then `accept` each answer that comes, in a 18x or the 200. In a call that is up both
sides may renew the offer, with the same verbs. `join` lets two legs hear each other.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tieline.agent.messages import DtmfListen
from tieline.calls.listening import KeypadListener
from tieline.calls.live import LegSound, health_of
from tieline.calls.ports import MediaPort
from tieline.media.keypad import Completed
from tieline.media.messages import (
    CloseLeg,
    ConnectLeg,
    Digit,
    JoinLegs,
    LegClosed,
    LegFigures,
    MediaTimedOut,
    PartLegs,
    Play,
    Played,
    Report,
    SrtpKeys,
    StopPlay,
)
from tieline.model.call import TerminationReason
from tieline.model.trunk import Encryption
from tieline.sdp import crypto
from tieline.sdp.crypto import KEY_BYTES, SUITES
from tieline.sdp.description import SdpError, SdpReason
from tieline.sdp.negotiation import (
    PCMA,
    PCMU,
    Direction,
    LocalMedia,
    NegotiatedMedia,
    accept_answer,
    answer_inactive,
    direction_of,
    offer,
    reanswer,
)

CLOSE_TIMEOUT_S = 2.0
"""How long the figures of a closed leg are waited for."""

DISCARD_PORT = 9
"""The port named in SDP for a stream that carries nothing (RFC 863's, as is customary)."""


def _random_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


CODEC_NAMES = {PCMU: "PCMU", PCMA: "PCMA"}

OnFault = Callable[[TerminationReason], None]
OnKey = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MediaOptions:
    """How a leg is opened and what it offers.

    `beside` is the id of the leg that this one is to be joined with. `codecs` are payload types, best first, for our
    own offers: beginning with the one that the other leg has agreed on saves transcoding. `new_key` makes an SRTP key.
    `hold_timeout_s` is how long audio may flow in less than both directions without a break, None for ever: the media
    process does not listen for silence meanwhile.
    """

    beside: str | None = None
    codecs: tuple[int, ...] = (PCMU, PCMA)
    encryption: Encryption = Encryption.REFUSED
    new_key: Callable[[], bytes] = field(default=_random_key, repr=False)
    hold_timeout_s: float | None = None


_DEFAULTS = MediaOptions()


class LegMedia:
    """Opens, negotiates, plays, listens, closes. `on_fault` is told when the call cannot go on."""

    def __init__(
        self,
        leg_id: str,
        port: MediaPort,
        address: str,
        silence_timeout_s: float | None,
        on_fault: OnFault,
        options: MediaOptions = _DEFAULTS,
    ) -> None:
        self.leg_id = leg_id
        self._port = port
        self._address = address
        self._session_id = zlib.crc32(leg_id.encode())
        self._silence_timeout_s = silence_timeout_s
        self._on_fault = on_fault
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._plays: dict[int, asyncio.Future[Played]] = {}
        self._play_ids = itertools.count(1)
        self._keypad = KeypadListener(self._loop)
        self._on_key: OnKey | None = None
        self._local: LocalMedia | None = None
        self._sent = b""
        self._offered = False
        self._agreed: NegotiatedMedia | None = None
        self._interruptible = False
        self._held: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[LegClosed] | None = None
        self._figures: LegFigures | None = None
        self._figures_before: LegFigures | None = None

    @property
    def agreed(self) -> NegotiatedMedia | None:
        """What was last agreed on; None before the first answer."""
        return self._agreed

    @property
    def onward(self) -> Direction:
        """What to offer to the leg that this one is joined with, so that a hold of this peer's passes through."""
        if self._agreed is None:
            return Direction.SENDRECV
        return direction_of(sends=self._agreed.receive, receives=self._agreed.send)

    async def open(self) -> None:
        """Bind the RTP port. Raises `Unavailable` when there is none."""
        rtp_port = await self._port.open_leg(self.leg_id, self.on_report, self._options.beside)
        self._local = self._describe(rtp_port)

    def _describe(self, rtp_port: int) -> LocalMedia:
        return LocalMedia(
            address=self._address,
            port=rtp_port,
            session_id=self._session_id,
            codecs=self._options.codecs,
            encryption=crypto.Encryption(self._options.encryption.value),
            keys=self._new_keys(),
        )

    def _new_keys(self) -> tuple[bytes, ...]:
        if self._options.encryption is Encryption.REFUSED:
            return ()
        return tuple(self._options.new_key() for _ in SUITES)

    # -- offer and answer -------------------------------------------------------------------------------------

    def negotiate(self, body: bytes, direction: Direction = Direction.SENDRECV) -> bytes:
        """Our SDP for an INVITE's or UPDATE's: the answer to an offer, our own offer when there was none (late offer).

        `direction` is the most that we want: on a joined leg, the other one's `onward`. Raises `SdpError`.
        """
        if not body:
            return self.make_offer(direction)
        local = self._opened()
        negotiated = reanswer(body, local, self._sent or None, direction=direction)
        self._agreed = negotiated.media
        self._sent = negotiated.answer
        self._offered = False
        return negotiated.answer

    def make_offer(self, direction: Direction = Direction.SENDRECV) -> bytes:
        """Our offer: for an INVITE or re-INVITE of ours, or for the 200 to one that came without any.

        The answer goes to `accept`; when the offer is refused, `withdraw` it. Raises `SdpError`.
        """
        local = self._opened()
        if self._agreed is not None:
            local = _as_agreed(local, self._agreed)
        self._sent = offer(local, self._sent or None, direction=direction)
        self._offered = True
        return self._sent

    def accept(self, body: bytes) -> None:
        """An answer to our offer has come, or one more to the same offer (early media, then the 200): connect.

        An empty one leaves what an earlier answer has settled. Raises `SdpError` when it is missing or cannot be
        used; what was agreed before then stands.
        """
        if body:
            self._agreed = accept_answer(self._sent, body)
            self._offered = False
        elif self._offered:
            raise SdpError(SdpReason.EMPTY, "our offer was not answered")
        self.connect()

    def rekey(self) -> None:
        """Use new SRTP keys from our next offer or answer on; until then the same ones are kept."""
        if self._local is not None:
            self._local = replace(self._local, keys=self._new_keys())

    def withdraw(self) -> None:
        """Our offer was refused: what was agreed before stands."""
        self._offered = False

    def negotiate_without_media(self, body: bytes) -> bytes:
        """Our SDP for a call that is answered and held without any media; no port is opened. Raises `SdpError`."""
        local = self._describe(DISCARD_PORT)
        if not body:
            return offer(local, direction=Direction.INACTIVE)
        return answer_inactive(body, local).answer

    def acknowledge(self, body: bytes) -> None:
        """An ACK arrived: with the answer where the offer was ours.

        Raises `SdpError` when that is missing or unusable; what was agreed before then stands.
        """
        if self._offered:
            self._offered = False
            self._agreed = accept_answer(self._sent, body)
        self.connect()

    def connect(self) -> None:
        """Let media flow as last agreed; nothing once the leg is closed."""
        if self._agreed is None or self._local is None:
            return
        self._time_hold(self._agreed)
        self._port.send(
            ConnectLeg(
                leg_id=self.leg_id,
                remote=self._agreed.remote,
                payload_type=self._agreed.payload_type,
                dtmf_payload_type=self._agreed.dtmf_payload_type,
                send=self._agreed.send,
                receive=self._agreed.receive,
                silence_timeout_s=self._silence_timeout_s,
                srtp=_srtp_keys(self._agreed),
            )
        )

    def _time_hold(self, agreed: NegotiatedMedia) -> None:
        if self._held is not None and agreed.send and agreed.receive:
            self._held.cancel()
            self._held = None
        limit_s = self._options.hold_timeout_s
        if self._held is None and limit_s is not None and not (agreed.send and agreed.receive):
            self._held = self._loop.call_later(limit_s, self._on_fault, TerminationReason.HELD_TOO_LONG)

    def _opened(self) -> LocalMedia:
        if self._local is None:
            raise SdpError(SdpReason.NO_AUDIO, "the call is ending and has no media any more")
        return self._local

    # -- sound ------------------------------------------------------------------------------------------------

    def join(self, other: LegMedia, *, early: bool = False) -> None:
        """Let the two legs hear each other; with `early` only this one the other. Repeating it changes `early`."""
        self._port.send(JoinLegs(leg_id=self.leg_id, other_id=other.leg_id, early=early))

    def part(self) -> None:
        """End the join; both legs go on alone, and keys pressed meanwhile are no input for the agent."""
        self._keypad.forget_early()
        self._port.send(PartLegs(leg_id=self.leg_id))

    def loop(self, clip_ids: list[str]) -> None:
        """Play clips over and over, after what is playing, until `stop`."""
        play_id = next(self._play_ids)
        self._port.send(Play(leg_id=self.leg_id, play_id=play_id, clip_ids=clip_ids, loop=True))

    def stop(self) -> None:
        """Cut what is playing, also a loop; a `play` that was waited for gives False."""
        self._port.send(StopPlay(leg_id=self.leg_id))

    async def play(self, clip_ids: list[str], *, interruptible: bool) -> bool:
        """Play clips to their end; False when a key press or `stop` cut them. Keys pressed meanwhile are kept."""
        if not clip_ids:
            return True
        if interruptible and self._keypad.pressed:
            return False
        play_id = next(self._play_ids)
        done: asyncio.Future[Played] = self._loop.create_future()
        self._plays[play_id] = done
        self._interruptible = interruptible
        self._port.send(Play(leg_id=self.leg_id, play_id=play_id, clip_ids=clip_ids))
        try:
            return (await done).finished
        finally:
            self._interruptible = False
            self._plays.pop(play_id, None)

    # -- keys -------------------------------------------------------------------------------------------------

    def watch_keys(self, on_key: OnKey | None) -> None:
        """Tell `on_key` of every key from now on, beside all that keys do; None ends it."""
        self._on_key = on_key

    async def keypad_input(self, settings: DtmfListen) -> Completed:
        """The next completed keypad input, or what there was when it timed out."""
        return await self._keypad.collect(settings)

    async def ignore_keys(self, seconds: float) -> None:
        """Let time pass in which no key counts."""
        await asyncio.sleep(seconds)
        self._keypad.forget_early()

    def forget_keys(self) -> None:
        """Keys that were pressed while nobody listened are no input."""
        self._keypad.forget_early()

    def press(self, digit: str) -> None:
        """A key was pressed, in RTP or by INFO."""
        self._keypad.press(digit)
        if self._on_key is not None:
            self._on_key(digit)
        if self._interruptible:
            self._interruptible = False
            self._port.send(StopPlay(leg_id=self.leg_id))

    # -- reports and the end ----------------------------------------------------------------------------------

    def on_report(self, report: Report) -> None:
        """What the media process tells of this leg."""
        if isinstance(report, Digit):
            self.press(report.digit)
        elif isinstance(report, Played):
            done = self._plays.get(report.play_id)
            if done is not None and not done.done():
                done.set_result(report)
        elif isinstance(report, MediaTimedOut):
            self._on_fault(TerminationReason.NO_MEDIA)
        elif isinstance(report, LegClosed):
            if self._closed is None:
                self._local = None
                self._on_fault(TerminationReason.MEDIA_FAILED)
            elif not self._closed.done():
                self._closed.set_result(report)
        elif isinstance(report, LegFigures):
            self._figures, self._figures_before = report, self._figures

    def sound(self, name: str) -> LegSound | None:
        """How the sound of this leg, called `name`, got through when it was last told; None when it never was."""
        told, before, agreed = self._figures, self._figures_before, self._agreed
        if told is None or agreed is None:
            return None
        received, lost = told.packets_received, told.packets_lost
        owed = before is not None and agreed.receive and agreed.send
        if before is not None:
            received, lost = received - before.packets_received, lost - before.packets_lost
        return LegSound(
            leg=name,
            codec=CODEC_NAMES.get(agreed.payload_type, str(agreed.payload_type)),
            packets_received=told.packets_received,
            packets_sent=told.packets_sent,
            packets_lost=told.packets_lost,
            packets_late=told.packets_late,
            packets_discarded=told.packets_discarded,
            jitter_ms=told.jitter_ms,
            peak_level=told.peak_level,
            health=health_of(received, lost, told.jitter_ms, owed=owed),
        )

    async def close(self) -> LegClosed | None:
        """Give the port back; the leg's figures, or None when the media process cannot tell them."""
        if self._held is not None:
            self._held.cancel()
        if self._local is None:
            return None
        self._local = None
        self._closed = self._loop.create_future()
        self._port.send(CloseLeg(leg_id=self.leg_id))
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                return await self._closed
        except TimeoutError:
            return None


def _srtp_keys(agreed: NegotiatedMedia) -> SrtpKeys | None:
    if agreed.srtp is None:
        return None
    return SrtpKeys(agreed.srtp.suite, agreed.srtp.ours, agreed.srtp.theirs, agreed.srtp.mki_bytes)


def _as_agreed(local: LocalMedia, agreed: NegotiatedMedia) -> LocalMedia:
    """What a renewed offer says: payload types keep their meaning, the codec in use comes first (RFC 3264, 8)."""
    others = tuple(codec for codec in local.codecs if codec != agreed.payload_type)
    events = local.dtmf_payload_type if agreed.dtmf_payload_type is None else agreed.dtmf_payload_type
    return replace(local, codecs=(agreed.payload_type, *others), dtmf_payload_type=events)
