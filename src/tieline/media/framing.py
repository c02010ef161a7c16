"""Length-prefixed messages on a stream: four bytes of length, then so many bytes."""

from __future__ import annotations

import struct
from typing import Final

MAX_MESSAGE: Final = 32 * 1024 * 1024
_LENGTH: Final = struct.Struct("!I")


class FramingError(Exception):
    """The stream announces a message beyond `MAX_MESSAGE`: it is not one of ours, or it is out of step."""


def frame(message: bytes) -> bytes:
    """The message with its length in front."""
    return _LENGTH.pack(len(message)) + message


class FrameReader:
    """Collects chunks of a stream and gives back whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk; every message that is now whole. Raises `FramingError`."""
        buffer = self._buffer
        buffer += chunk
        messages: list[bytes] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MAX_MESSAGE:
                raise FramingError(f"a message of {length} bytes")
            end = start + _LENGTH.size + length
            if end > len(buffer):
                break
            messages.append(bytes(buffer[start + _LENGTH.size : end]))
            start = end
        del buffer[:start]
        return messages
