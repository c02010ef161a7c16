"""Messages between server, host and runners: four bytes of length, big-endian, then msgpack.

Whole numbers beyond 64 bits, which msgpack does not have, travel as extension type 1: two's complement, big-endian.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one message; a longer one is taken for garbage."""
HEADER = 4
BIG_INTEGER = 1

M = TypeVar("M")

_encoder = msgspec.msgpack.Encoder()


class BadFrame(ValueError):
    """What arrived is not a message of ours."""


def encode(message: Any) -> bytearray:
    """One framed message, ready to be sent."""
    frame = bytearray(HEADER)
    try:
        _encoder.encode_into(message, frame, HEADER)
    except OverflowError:
        del frame[HEADER:]
        _encoder.encode_into(_widen(msgspec.to_builtins(message)), frame, HEADER)
    size = len(frame) - HEADER
    if size > MAX_FRAME:
        raise BadFrame(f"A message of {size} bytes is larger than {MAX_FRAME}.")
    frame[:HEADER] = size.to_bytes(HEADER, "big")
    return frame


def _widen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _widen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_widen(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        size = value.bit_length() // 8 + 1
        return msgspec.msgpack.Ext(BIG_INTEGER, value.to_bytes(size, "big", signed=True))
    return value


def _narrow(code: int, data: memoryview) -> Any:
    if code != BIG_INTEGER:
        raise BadFrame(f"The extension type {code} is unknown.")
    return int.from_bytes(data, "big", signed=True)


class Inbox(Generic[M]):
    """Cuts a byte stream into messages of one type (or union of types)."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind, ext_hook=_narrow)
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[M]:
        """Take what was read; the messages that are complete with it. Raises `BadFrame`."""
        if not self._pending and len(data) >= HEADER:
            size = int.from_bytes(data[:HEADER], "big")
            if len(data) == HEADER + size:
                return [self._decode(data[HEADER:])]
        self._pending += data
        messages: list[M] = []
        while len(self._pending) >= HEADER:
            size = int.from_bytes(self._pending[:HEADER], "big")
            if size > MAX_FRAME:
                raise BadFrame(f"A message of {size} bytes is larger than {MAX_FRAME}.")
            end = HEADER + size
            if len(self._pending) < end:
                break
            messages.append(self._decode(bytes(self._pending[HEADER:end])))
            del self._pending[:end]
        return messages

    def _decode(self, data: bytes) -> M:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadFrame(f"A message could not be read: {error}") from None
