"""What a leg plays: a queue of plays, each a list of clips, given out one 20 ms frame at a time.

When nothing is queued the leg plays steady silence: it keeps the peer's address mapping open and its jitter
buffer warm, and every frame has its place on the RTP clock. A play counts as finished a few frames after its last
one was sent, when the caller's side has had time to play it, so that whoever waits to hang up cuts nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from tieline.media.g711 import FRAME_BYTES, FRAME_MS, PCMA, PCMU, SILENCE, ulaw_to_alaw

# Covers a jitter buffer of 60 ms and the last frame itself.
TAIL_FRAMES: Final = 4


class Clip:
    """Audio to play: 8 kHz µ-law, filled up to whole frames. The A-law form is made once, when first asked for."""

    __slots__ = ("_pcma", "pcmu")

    def __init__(self, pcmu: bytes) -> None:
        self.pcmu = pcmu + SILENCE[PCMU][: -len(pcmu) % FRAME_BYTES]
        self._pcma: bytes | None = None

    def audio(self, payload_type: int) -> bytes:
        """The clip in the encoding of `payload_type` (PCMU or PCMA)."""
        if payload_type != PCMA:
            return self.pcmu
        if self._pcma is None:
            self._pcma = ulaw_to_alaw(self.pcmu)
        return self._pcma


class Ended(NamedTuple):
    """A play that ended: to its end, or cut. `seconds` were played."""

    play_id: int
    finished: bool
    seconds: float


class _Play:
    __slots__ = ("clips", "frames", "loop", "play_id")

    def __init__(self, play_id: int, clips: Iterable[Clip], loop: bool) -> None:
        self.play_id = play_id
        self.clips = deque(clips)
        self.frames = 0
        # Over and over nothing would never end.
        self.loop = loop and any(clip.pcmu for clip in self.clips)

    def next_clip(self) -> None:
        """Go on to the next clip; a loop puts the present one at the end."""
        clip = self.clips.popleft()
        if self.loop:
            self.clips.append(clip)


class Playout:
    """The queue of one leg. `frame` is called once per frame; `ended` then holds what finished, to be taken."""

    __slots__ = ("_audio", "_position", "_queue", "_silence", "_tail", "ended", "payload_type")

    def __init__(self, payload_type: int = PCMU) -> None:
        self.ended: list[Ended] = []
        self._queue: deque[_Play] = deque()
        self._audio = b""
        self._position = 0
        self._tail = 0
        self.payload_type = payload_type
        self._silence = SILENCE[payload_type]

    @property
    def playing(self) -> bool:
        """Whether a play is queued or under way."""
        return bool(self._queue)

    def set_payload_type(self, payload_type: int) -> None:
        """Change the encoding, also in the middle of a clip: both have one byte a sample."""
        if payload_type == self.payload_type:
            return
        self.payload_type = payload_type
        self._silence = SILENCE[payload_type]
        if self._audio:
            self._audio = self._queue[0].clips[0].audio(payload_type)

    def enqueue(self, play_id: int, clips: Iterable[Clip], *, loop: bool = False) -> None:
        """Play `clips` after everything already queued; with `loop` over and over, until `stop`."""
        self._queue.append(_Play(play_id, clips, loop))
        if self._tail and len(self._queue) > 1:
            self._finish()

    def stop(self) -> None:
        """Cut the queue; every play in it ends unfinished."""
        for play in self._queue:
            self.ended.append(Ended(play.play_id, False, play.frames * FRAME_MS / 1000))
        self._queue.clear()
        self._audio, self._position, self._tail = b"", 0, 0

    def frame(self) -> bytes | None:
        """The next 160 bytes to play, or None in silence (`silence` is what to send then)."""
        position = self._position
        if position < len(self._audio):
            end = self._position = position + FRAME_BYTES
            self._queue[0].frames += 1
            return self._audio[position:end]
        return self._advance() if self._queue else None

    @property
    def silence(self) -> bytes:
        """One frame of silence in the present encoding."""
        return self._silence

    def _advance(self) -> bytes | None:
        """Go on to the next clip or play; the last play of the queue waits out its tail first."""
        while self._queue:
            play = self._queue[0]
            if self._audio and play.clips:
                play.next_clip()
                self._audio = b""
            while play.clips:
                audio = play.clips[0].audio(self.payload_type)
                if audio:
                    self._audio, self._position = audio, FRAME_BYTES
                    play.frames += 1
                    return audio[:FRAME_BYTES]
                play.next_clip()
            if len(self._queue) == 1 and self._tail < TAIL_FRAMES and play.frames:
                self._tail += 1
                return None
            self._finish()
        return None

    def _finish(self) -> None:
        play = self._queue.popleft()
        self._tail = 0
        self.ended.append(Ended(play.play_id, True, play.frames * FRAME_MS / 1000))
