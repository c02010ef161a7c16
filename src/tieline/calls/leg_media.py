"""The media of one leg: the port, what was negotiated, what is played, and the keys that were pressed."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Callable

from tieline.agent.messages import DtmfListen
from tieline.calls.listening import KeypadListener
from tieline.calls.ports import MediaPort
from tieline.media.keypad import Completed
from tieline.media.messages import (
    CloseLeg,
    ConnectLeg,
    Digit,
    LegClosed,
    MediaTimedOut,
    Play,
    Played,
    Report,
    StopPlay,
)
from tieline.model.call import TerminationReason
from tieline.sdp.description import SdpError, SdpReason
from tieline.sdp.negotiation import (
    Direction,
    LocalMedia,
    NegotiatedMedia,
    accept_answer,
    answer,
    answer_inactive,
    offer,
    reanswer,
)

CLOSE_TIMEOUT_S = 2.0
"""How long the figures of a closed leg are waited for."""

DISCARD_PORT = 9
"""The port named in SDP for a stream that carries nothing (RFC 863's, as is customary)."""

OnFault = Callable[[TerminationReason], None]


class LegMedia:
    """Opens, negotiates, plays, listens, closes. `on_fault` is told when the call cannot go on."""

    def __init__(
        self, leg_id: str, port: MediaPort, address: str, silence_timeout_s: float | None, on_fault: OnFault
    ) -> None:
        self._leg_id = leg_id
        self._port = port
        self._address = address
        self._session_id = zlib.crc32(leg_id.encode())
        self._silence_timeout_s = silence_timeout_s
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._plays: dict[int, asyncio.Future[Played]] = {}
        self._play_ids = itertools.count(1)
        self._keypad = KeypadListener(self._loop)
        self._local: LocalMedia | None = None
        self._sent = b""
        self._offered = False
        self._agreed: NegotiatedMedia | None = None
        self._interruptible = False
        self._closed: asyncio.Future[LegClosed] | None = None

    async def open(self) -> None:
        """Bind the RTP port. Raises `Unavailable` when there is none."""
        rtp_port = await self._port.open_leg(self._leg_id, self.on_report)
        self._local = LocalMedia(address=self._address, port=rtp_port, session_id=self._session_id)

    def negotiate(self, body: bytes) -> bytes:
        """Our SDP for the INVITE's: the answer to an offer, our own offer when there was none (late offer).

        Raises `SdpError`.
        """
        local = self._opened()
        if not body:
            self._sent = offer(local, self._sent or None)
            self._offered = True
            return self._sent
        negotiated = reanswer(body, local, self._sent) if self._sent else answer(body, local)
        self._agreed = negotiated.media
        self._sent = negotiated.answer
        self._offered = False
        return negotiated.answer

    def negotiate_without_media(self, body: bytes) -> bytes:
        """Our SDP for a call that is answered and held without any media; no port is opened. Raises `SdpError`."""
        local = LocalMedia(address=self._address, port=DISCARD_PORT, session_id=self._session_id)
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
        self._port.send(
            ConnectLeg(
                leg_id=self._leg_id,
                remote=self._agreed.remote,
                payload_type=self._agreed.payload_type,
                dtmf_payload_type=self._agreed.dtmf_payload_type,
                send=self._agreed.send,
                receive=self._agreed.receive,
                silence_timeout_s=self._silence_timeout_s,
            )
        )

    def _opened(self) -> LocalMedia:
        if self._local is None:
            raise SdpError(SdpReason.NO_AUDIO, "the call is ending and has no media any more")
        return self._local

    async def play(self, clip_ids: list[str], *, interruptible: bool) -> bool:
        """Play clips to their end; False when a key press cut them. Keys pressed meanwhile are kept."""
        if not clip_ids:
            return True
        if interruptible and self._keypad.pressed:
            return False
        play_id = next(self._play_ids)
        done: asyncio.Future[Played] = self._loop.create_future()
        self._plays[play_id] = done
        self._interruptible = interruptible
        self._port.send(Play(leg_id=self._leg_id, play_id=play_id, clip_ids=clip_ids))
        try:
            return (await done).finished
        finally:
            self._interruptible = False
            self._plays.pop(play_id, None)

    async def keypad_input(self, settings: DtmfListen) -> Completed:
        """The next completed keypad input, or what there was when it timed out."""
        return await self._keypad.collect(settings)

    async def ignore_keys(self, seconds: float) -> None:
        """Let time pass in which no key counts."""
        await asyncio.sleep(seconds)
        self._keypad.forget_early()

    def press(self, digit: str) -> None:
        """A key was pressed, in RTP or by INFO."""
        self._keypad.press(digit)
        if self._interruptible:
            self._interruptible = False
            self._port.send(StopPlay(leg_id=self._leg_id))

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

    async def close(self) -> LegClosed | None:
        """Give the port back; the leg's figures, or None when the media process cannot tell them."""
        if self._local is None:
            return None
        self._local = None
        self._closed = self._loop.create_future()
        self._port.send(CloseLeg(leg_id=self._leg_id))
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                return await self._closed
        except TimeoutError:
            return None
