"""The speaking half of a leg: silence, speech and digits on one running clock."""

from __future__ import annotations

from tieline.media.g711 import PCMA, SILENCE
from tieline.media.playout import Clip
from tieline.media.rtp import Packet, parse
from tieline.media.sender import Sender

START = 0xFFFFFF00


def connected(payload_type: int = 0, dtmf: int | None = 101) -> Sender:
    sender = Sender(ssrc=7, sequence=0xFFFE, timestamp=START)
    sender.connect(payload_type, dtmf)
    return sender


def packets(sender: Sender, count: int, frames: int = 1) -> list[Packet]:
    read = [parse(bytes(sender.packet(frames))) for _ in range(count)]
    return [packet for packet in read if packet is not None]


def test_silence_is_sent_steadily() -> None:
    sent = packets(connected(), 3)
    assert [packet.sequence for packet in sent] == [0xFFFF, 0, 1]
    assert [packet.timestamp for packet in sent] == [(START + 160 * n) & 0xFFFFFFFF for n in (1, 2, 3)]
    assert {(packet.ssrc, packet.payload_type, packet.marker) for packet in sent} == {(7, 0, False)}
    assert {bytes(packet.payload) for packet in sent} == {b"\xff" * 160}


def test_the_marker_begins_each_stretch_of_speech() -> None:
    sender = connected(PCMA)
    packets(sender, 2)
    sender.playout.enqueue(1, [Clip(b"\x01" * 320)])
    sent = packets(sender, 10)
    sender.playout.enqueue(2, [Clip(b"\x01" * 160)])
    sent += packets(sender, 2)
    assert [packet.marker for packet in sent] == [True, False, *[False] * 8, True, False]
    assert bytes(sent[2].payload) == SILENCE[PCMA]


def test_time_that_passed_unsent_shows_in_the_timestamp_only() -> None:
    sender = connected()
    (first,) = packets(sender, 1)
    sender.skip(50)
    (second,) = packets(sender, 1, frames=3)
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 53 * 160
    assert (second.sequence - first.sequence) & 0xFFFF == 1


def test_digits_go_first_and_speech_waits() -> None:
    sender = connected()
    sender.playout.enqueue(1, [Clip(b"\x01" * 320)])
    packets(sender, 1)
    sender.send_digits("5")
    sent = packets(sender, 14)
    assert [packet.payload_type for packet in sent] == [101] * 10 + [0] * 4
    assert len({packet.timestamp for packet in sent[:10]}) == 1
    assert [bytes(packet.payload[:1]) for packet in sent[10:]] == [b"\xff", b"\xff", b"\x01", b"\xff"]
    assert sent[12].marker
    assert [packet.sequence for packet in sent] == [(sent[0].sequence + n) & 0xFFFF for n in range(14)]


def test_digits_that_were_not_negotiated_are_not_sent() -> None:
    sender = connected(dtmf=None)
    sender.send_digits("5")
    assert [packet.payload_type for packet in packets(sender, 2)] == [0, 0]


def test_digits_queued_before_events_were_given_up_are_not_sent() -> None:
    sender = connected()
    sender.send_digits("5")
    sender.connect(0, None)
    assert [packet.payload_type for packet in packets(sender, 3)] == [0, 0, 0]
