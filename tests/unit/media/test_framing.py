"""Messages on a stream, however the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.media.framing import MAX_MESSAGE, FrameReader, FramingError, frame


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 20))
def test_messages_survive_any_cut(messages: list[bytes], size: int) -> None:
    stream = b"".join(frame(message) for message in messages)
    reader = FrameReader()
    received = [
        message
        for place in range(0, len(stream), size)
        for message in reader.feed(stream[place : place + size])
    ]
    assert received == messages


def test_a_message_beyond_all_measure_is_refused() -> None:
    with pytest.raises(FramingError):
        FrameReader().feed((MAX_MESSAGE + 1).to_bytes(4, "big"))
