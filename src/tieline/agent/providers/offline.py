"""The offline voice: eSpeak NG in a process of its own, needing neither key nor network.

The process is started when it is first needed and again after it died. One request is under way at a time, so a
process that dies or hangs is charged to the text it was speaking; that text is tried once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from typing import Final

import msgspec

from tieline.agent.providers.voice_messages import Answer, NotSpoken, Speak, Spoken, VoiceMissing, VoiceReady
from tieline.agent.voice import VoiceFailed
from tieline.errors import ConfigurationError
from tieline.media.framing import frame

_ATTEMPTS: Final = 2
_STOP_TIMEOUT_S: Final = 2.0
_log = logging.getLogger(__name__)


class VoiceNotInstalled(ConfigurationError):
    """The extra `offline` is missing; the message says how to install it."""

    code = "voice_not_installed"


class _Lost(Exception):
    """The process died or did not answer in time."""


class OfflineVoice:
    """A `Voice`. `language` is used where a request names none; `variant` is an eSpeak NG speaker such as `f2`."""

    def __init__(self, *, language: str = "en-us", variant: str = "", timeout_s: float = 10.0) -> None:
        self._language = language
        self._variant = variant
        self._timeout_s = timeout_s
        self._one_at_a_time = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

    @property
    def name(self) -> str:
        """The key of this voice for caches."""
        return f"espeak-ng/{self._language}/{self._variant}"

    @property
    def pid(self) -> int | None:
        """The voice process's id while one runs."""
        return None if self._child is None else self._child.pid

    async def start(self) -> None:
        """Start the process now rather than at the first text.

        Raises `VoiceNotInstalled` when the extra `offline` is missing, `VoiceFailed` when the process will not run.
        """
        async with self._one_at_a_time:
            try:
                await self._ensure_running()
            except _Lost as lost:
                await self._end_process()
                raise VoiceFailed(f"the voice process does not start: {lost}") from None

    async def stop(self) -> None:
        """End the process."""
        async with self._one_at_a_time:
            await self._end_process()

    async def speak(self, text: str, language: str | None = None) -> bytes:
        """The text as 8 kHz mono µ-law. Raises `VoiceFailed`, `VoiceNotInstalled`."""
        request = self._encoder.encode(Speak(text, language or self._language, self._variant))
        async with self._one_at_a_time:
            for attempt in range(_ATTEMPTS):
                try:
                    await self._ensure_running()
                    answer = await self._exchange(request)
                except _Lost as lost:
                    _log.warning(
                        "the voice process is gone (%s); attempt %d of %d", lost, attempt + 1, _ATTEMPTS
                    )
                    await self._end_process()
                    continue
                except asyncio.CancelledError:
                    # The answer would be taken for that of the next request.
                    await asyncio.shield(self._end_process())
                    raise
                if isinstance(answer, Spoken):
                    return answer.pcmu
                raise VoiceFailed(
                    answer.message if isinstance(answer, NotSpoken) else "the voice is out of step"
                )
        raise VoiceFailed("the voice process died or hung over this text")

    async def _ensure_running(self) -> None:
        if self._writer is not None:
            return
        ours, theirs = socket.socketpair()
        try:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tieline.agent.providers.voice_process", str(theirs.fileno()),
                pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise _Lost(str(error)) from error
        finally:
            theirs.close()
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        answer = await self._read()
        if isinstance(answer, VoiceMissing):
            await self._end_process()
            raise VoiceNotInstalled(answer.message)
        if not isinstance(answer, VoiceReady):
            raise _Lost("it does not speak our protocol")

    async def _exchange(self, request: bytes) -> Answer:
        if self._writer is None:
            raise _Lost("it is not running")
        self._writer.write(frame(request))
        return await self._read()

    async def _read(self) -> Answer:
        if self._reader is None:
            raise _Lost("it is not running")
        try:
            async with asyncio.timeout(self._timeout_s):
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                return self._decoder.decode(await self._reader.readexactly(length))
        except TimeoutError:
            raise _Lost(f"no answer within {self._timeout_s} s") from None
        except (asyncio.IncompleteReadError, OSError):
            raise _Lost("it ended") from None
        except msgspec.DecodeError:
            raise _Lost("it does not speak our protocol") from None

    async def _end_process(self) -> None:
        writer, child = self._writer, self._child
        self._reader = self._writer = self._child = None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await child.wait()
