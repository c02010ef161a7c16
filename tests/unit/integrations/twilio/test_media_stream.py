"""Messages of a media stream as Twilio documents them, and what else a peer might send."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.integrations.twilio import media_stream as protocol
from tieline.integrations.twilio.media_stream import BadMessage, read_message

START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": "t"},
    },
    "streamSid": "MZ1",
}


def read(message: Any) -> object:
    return read_message(json.dumps(message))


def test_a_stream_from_beginning_to_end() -> None:
    assert read({"event": "connected", "protocol": "Call", "version": "1.0.0"}) == protocol.Connected()
    assert read(START) == protocol.Started("MZ1", "CA1", "AC1", {"token": "t"})
    payload = base64.b64encode(b"\xff" * 160).decode()
    media = {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": payload}
    assert read({"event": "media", "streamSid": "MZ1", "media": media}) == protocol.Audio(b"\xff" * 160)
    assert read({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "#"}}) == protocol.Pressed("#")
    assert read({"event": "mark", "mark": {"name": "m1"}}) == protocol.Marked("m1")
    assert read({"event": "stop", "stop": {"accountSid": "AC1", "callSid": "CA1"}}) == protocol.Stopped()


def test_what_is_new_and_what_is_not_the_callers_is_passed_over() -> None:
    assert read({"event": "warmth", "warmth": {}}) is None
    assert read({"event": "media", "media": {"track": "outbound", "payload": "AA=="}}) is None


@pytest.mark.parametrize(
    "message",
    [
        [], "x", 1, {}, {"event": 1}, {"event": "media"}, {"event": "media", "media": []},
        {"event": "media", "media": {"payload": "%%%"}}, {"event": "media", "media": {"payload": ""}},
        {"event": "media", "media": {"payload": "A" * 16000}}, {"event": "dtmf", "dtmf": {"digit": "12"}},
        {"event": "dtmf", "dtmf": {}}, {"event": "mark", "mark": {"name": 7}}, {"event": "start", "start": {}},
        {"event": "start", "start": {**START["start"], "mediaFormat": {"encoding": "audio/l16", "sampleRate": 8000}}},
        {"event": "start", "start": {**START["start"], "customParameters": {"a": 1}}},
        {"event": "start", "start": {**START["start"], "customParameters": "a"}},
        {"event": "start", "start": {**START["start"], "customParameters": {str(n): "" for n in range(99)}}},
    ],
)  # fmt: skip
def test_what_breaks_the_protocol_is_told_in_words(message: Any) -> None:
    with pytest.raises(BadMessage) as bad:
        read(message)
    assert str(bad.value)


def test_a_message_is_bounded() -> None:
    with pytest.raises(BadMessage, match="too long"):
        read_message("x" * 70_000)
    with pytest.raises(BadMessage):
        read_message("[" * 60_000)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_nothing_at_all_makes_a_traceback(text: str | bytes) -> None:
    with contextlib.suppress(BadMessage):
        read_message(text)


def test_what_we_send_has_the_documented_shape() -> None:
    assert json.loads(protocol.write_audio("MZ1", b"\x00\xff")) == {
        "event": "media", "streamSid": "MZ1", "media": {"payload": "AP8="},
    }  # fmt: skip
    assert json.loads(protocol.write_mark("MZ1", "m1")) == {
        "event": "mark", "streamSid": "MZ1", "mark": {"name": "m1"},
    }  # fmt: skip
    assert json.loads(protocol.write_clear("MZ1")) == {"event": "clear", "streamSid": "MZ1"}
