"""Relaying: what the hearing side gets, number by number."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.test_dtmf import Press, press
from tieline.media.g711 import PCMA, PCMU, decode, ulaw_to_alaw
from tieline.media.playout import Clip
from tieline.media.relay import Relay
from tieline.media.rtp import Packet, build, parse
from tieline.media.sender import Sender

OURS, THEIRS = 7, 99
START, FIRST = 0xFFFFFE00, 0x7FFE
SPEECH = bytes(range(160))


class Line:
    """A talker with numbers of its own, and what the hearing side gets of it."""

    def __init__(self, payload_type: int = PCMU, dtmf: int | None = 101) -> None:
        self.sender = Sender(OURS, FIRST, START)
        self.sender.connect(payload_type, dtmf)
        self.relay = Relay(self.sender)
        self.buffer = memoryview(bytearray(2048))
        self.at = 50_000
        self.number = 65_530

    def tick(self, frames: int = 1) -> None:
        """Time in which the hearing side is given nothing of ours."""
        self.sender.skip(frames)

    def own(self, frames: int = 1) -> Packet:
        packet = parse(bytes(self.sender.packet(frames)))
        assert packet is not None
        return packet

    def talk(
        self, payload: bytes = SPEECH, kind: int = PCMU, ssrc: int = THEIRS, marker: bool = False
    ) -> Packet:
        """One frame later, the talker's next packet."""
        self.tick()
        self.at += 160
        self.number += 1
        packet = self.pass_on(self.number, self.at, payload, kind, ssrc, marker)
        assert packet is not None
        return packet

    def pass_on(
        self,
        number: int,
        at: int,
        payload: bytes = SPEECH,
        kind: int = PCMU,
        ssrc: int = THEIRS,
        marker: bool = False,
    ) -> Packet | None:
        datagram = build(payload, payload_type=kind, sequence=number, timestamp=at, ssrc=ssrc, marker=marker)
        self.buffer[: len(datagram)] = datagram
        packet = parse(self.buffer[: len(datagram)])
        assert packet is not None
        length = self.relay.write(packet, self.buffer)
        return parse(bytes(self.buffer[:length])) if length else None

    def press(self, packets: Press) -> list[Packet | None]:
        sent = []
        for payload, timestamp, _, marker in packets:
            self.number += 1
            sent.append(self.pass_on(self.number, timestamp, payload, 101, marker=marker))
        return sent


def steps(packets: list[Packet]) -> list[tuple[int, int]]:
    """Sequence and time from packet to packet."""
    return [
        ((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF)
        for a, b in itertools.pairwise(packets)
    ]


def test_the_hearing_side_hears_one_stream_of_ours() -> None:
    line = Line()
    packets = [line.own(), line.own(), *(line.talk() for _ in range(20)), line.own(), line.own()]
    assert {packet.ssrc for packet in packets} == {OURS}
    assert steps(packets) == [(1, 160)] * 23
    assert [packet.marker for packet in packets] == [False, False, True, *[False] * 21]
    assert bytes(packets[5].payload) == SPEECH


def test_markers_are_kept() -> None:
    line = Line()
    line.talk()
    assert [line.talk(marker=marker).marker for marker in (False, True, False)] == [False, True, False]


def test_loss_and_reordering_stay_visible() -> None:
    line = Line()
    first = line.talk()
    line.number += 2
    line.at += 320
    later = line.talk()
    assert steps([first, later]) == [(3, 480)]
    late = line.pass_on(line.number - 1, line.at - 160)
    assert late is not None
    assert steps([first, late, later]) == [(2, 320), (1, 160)]
    assert steps([later, line.talk()]) == [(1, 160)]


def test_a_packet_from_before_our_own_is_not_sent_after_it() -> None:
    line = Line()
    line.talk()
    line.talk()
    line.own()
    line.talk()
    assert line.pass_on(line.number - 1, line.at - 160) is None


@pytest.mark.parametrize("change", ["ssrc", "sequence"])
def test_a_new_stream_goes_on_from_the_old(change: str) -> None:
    line = Line()
    first = line.talk()
    line.at += 123_456_789
    line.number += 10_000
    second = line.talk(ssrc=1 if change == "ssrc" else THEIRS)
    assert steps([first, second]) == [(1, 160)]
    assert second.marker


def test_another_leg_is_told_from_the_one_before() -> None:
    line = Line()
    first = line.talk()
    line.relay.restart()
    line.at -= 700
    line.number -= 20
    assert steps([first, line.talk()]) == [(1, 160)]


@pytest.mark.parametrize("jump", [100_000, -100_000])
def test_a_clock_that_was_set_does_not_move_ours(jump: int) -> None:
    line = Line()
    first = line.talk()
    line.at += jump
    second = line.talk()
    assert steps([first, second, line.talk()]) == [(1, 160), (1, 160)]
    assert second.marker


def test_a_clock_that_stood_still_is_caught_up() -> None:
    line = Line()
    first = line.talk()
    line.tick(500)
    assert steps([first, line.talk()]) == [(1, 160 * 501)]


def test_audio_that_ran_ahead_of_our_clock_is_followed_by_ours() -> None:
    line = Line()
    line.talk()
    burst = [line.pass_on(line.number + n, line.at + 160 * n) for n in (1, 2, 3)]
    assert burst[-1] is not None
    own = line.own()
    assert steps([burst[-1], own, line.own()]) == [(1, 160), (1, 160)]
    line.number += 3
    line.at += 480
    assert steps([own, line.talk()]) == [(2, 320)]


@pytest.mark.parametrize(("kind", "wanted"), [(PCMU, PCMA), (PCMA, PCMU)])
def test_audio_is_transcoded(kind: int, wanted: int) -> None:
    line = Line(wanted)
    payload = SPEECH if kind == PCMU else ulaw_to_alaw(SPEECH)
    packet = line.talk(payload, kind)
    assert packet.payload_type == wanted
    heard, said = (
        struct.unpack("160h", decode(bytes(each), of))
        for each, of in ((packet.payload, wanted), (payload, kind))
    )
    assert all(abs(a - b) <= max(64, abs(a) // 8) for a, b in zip(heard, said, strict=True))


def test_header_extensions_are_left_behind() -> None:
    line = Line()
    datagram = bytearray(build(b"", payload_type=0, sequence=1, timestamp=2, ssrc=THEIRS))
    datagram[0] = 0x91
    datagram += b"\x00\x00\x00\x05\xbe\xde\x00\x01\x10\xff\x00\x00" + SPEECH
    line.buffer[: len(datagram)] = bytes(datagram)
    packet = parse(line.buffer[: len(datagram)])
    assert packet is not None
    length = line.relay.write(packet, line.buffer)
    assert bytes(line.buffer[12:length]) == SPEECH
    assert line.buffer[0] == 0x80


def test_a_key_press_keeps_its_length_and_gets_our_numbers() -> None:
    line = Line(dtmf=96)
    before = line.talk()
    pressed = press("5", at=line.at + 160, sequence=0)
    sent = [packet for packet in line.press(pressed) if packet is not None]
    assert len(sent) == len(pressed)
    assert {packet.payload_type for packet in sent} == {96}
    assert {packet.timestamp for packet in sent} == {before.timestamp + 160 & 0xFFFFFFFF}
    assert [bytes(packet.payload) for packet in sent] == [payload for payload, *_ in pressed]
    assert [packet.marker for packet in sent] == [marker for *_, marker in pressed]
    assert [packet.sequence for packet in sent] == [
        (before.sequence + n) & 0xFFFF for n in range(1, len(sent) + 1)
    ]


def test_a_press_is_one_press_also_among_packets_of_ours() -> None:
    line = Line()
    line.talk()
    line.sender.playout.enqueue(1, [Clip(SPEECH * 20)])
    times, numbers = set(), []
    for payload, timestamp, _, marker in press("1", at=line.at + 160, sequence=0):
        line.number += 1
        numbers.append(line.own().sequence)
        packet = line.pass_on(line.number, timestamp, payload, 101, marker=marker)
        assert packet is not None
        times.add(packet.timestamp)
        numbers.append(packet.sequence)
    assert len(times) == 1
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]


def test_keys_on_a_clock_of_their_own_are_put_on_ours() -> None:
    line = Line()
    before = line.talk()
    line.number += 1
    packet = line.pass_on(line.number, line.at + 1_000_000, struct.pack("!BBH", 5, 10, 160), 101)
    assert packet is not None
    assert steps([before, packet]) == [(1, 160)]


def test_a_late_packet_of_a_press_does_not_turn_numbers_back() -> None:
    line = Line()
    line.talk()
    line.number += 1
    missing, at = line.number, line.at + 160
    line.number += 1
    newest = line.pass_on(line.number, at, struct.pack("!BBH", 5, 10, 320), 101)
    late = line.pass_on(missing, at, struct.pack("!BBH", 5, 10, 160), 101)
    assert newest is not None
    assert late is not None
    assert (newest.sequence - late.sequence) & 0xFFFF == 1
    assert line.sender.sequence == newest.sequence


def test_keys_stay_away_from_a_side_without_telephone_events() -> None:
    line = Line(dtmf=None)
    assert set(line.press(press("5", at=line.at, sequence=0))) == {None}


@pytest.mark.parametrize("payload", [b"\x05\x0a\x00", b"\x10\x0a\x00\xa0"])
def test_what_is_no_key_is_not_passed_on(payload: bytes) -> None:
    line = Line()
    assert line.pass_on(1, 1, payload, 101) is None


ACTS = st.sampled_from(["talk", "own", "quiet", "late", "jump", "key"])


@given(st.lists(st.tuples(ACTS, st.integers(1, 50))))
def test_no_number_is_used_twice_and_time_does_not_stand_still(acts: list[tuple[str, int]]) -> None:
    """Whatever comes, in any order, with anything of ours in between. (Duplicates are taken out before the relay.)"""
    line = Line()
    sent: list[Packet] = [line.own()]
    taken: set[int] = set()
    for act, amount in acts:
        if act == "own":
            sent.append(line.own(amount))
        elif act == "quiet":
            line.tick(amount)
        elif act == "late":
            number = line.number - amount
            if number not in taken:
                taken.add(number)
                sent += filter(None, [line.pass_on(number, line.at - 160 * amount)])
        elif act == "key":
            line.tick()
            line.number += 1
            line.at += 160
            taken.add(line.number)
            payload = struct.pack("!BBH", amount % 16, 10, 160)
            sent += filter(None, [line.pass_on(line.number, line.at, payload, 101)])
        else:
            line.number += amount
            line.at += 160 * amount * (100_000 if act == "jump" else 1)
            sent.append(line.talk())
            taken.add(line.number)
    numbers = [packet.sequence for packet in sent]
    assert len(set(numbers)) == len(numbers)
    assert {packet.ssrc for packet in sent} == {OURS}
    in_order = sorted(sent, key=lambda packet: (packet.sequence - FIRST) & 0xFFFF)
    audio = [packet for packet in in_order if packet.payload_type == PCMU]
    assert all(0 < (b.timestamp - a.timestamp) & 0xFFFFFFFF < 1 << 31 for a, b in itertools.pairwise(audio))
