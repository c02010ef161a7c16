"""RTP packets: built, read, and anything else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tieline.media.rtp import build, parse

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)


@given(st.integers(0, 127), st.booleans(), U16, U32, U32, st.binary(max_size=200))
def test_reads_what_it_builds(
    payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    datagram = build(
        payload, payload_type=payload_type, sequence=sequence, timestamp=timestamp, ssrc=ssrc, marker=marker
    )
    packet = parse(datagram)
    assert packet is not None
    assert packet[:5] == (payload_type, marker, sequence, timestamp, ssrc)
    assert bytes(packet.payload) == payload


def test_numbers_wrap_when_built() -> None:
    packet = parse(build(b"", payload_type=0, sequence=65537, timestamp=2**32 + 5, ssrc=2**32 + 6))
    assert packet is not None
    assert (packet.sequence, packet.timestamp, packet.ssrc) == (1, 5, 6)


def raw(flags: int, rest: bytes = b"") -> bytes:
    return bytes([flags, 0]) + bytes(10) + rest


def payload_of(datagram: bytes) -> bytes | None:
    packet = parse(datagram)
    return None if packet is None else bytes(packet.payload)


def test_contributing_sources_extension_and_padding_are_stepped_over() -> None:
    assert payload_of(raw(0x82, bytes(8) + b"abc")) == b"abc"
    assert payload_of(raw(0x90, b"\xbe\xde\x00\x01" + bytes(4) + b"abc")) == b"abc"
    assert payload_of(raw(0xA0, b"abc" + b"\x00\x00\x03")) == b"abc"
    assert payload_of(raw(0xB1, bytes(4) + b"\xbe\xde\x00\x00" + b"abc\x01")) == b"abc"


def test_contradicting_lengths_are_no_packet() -> None:
    assert parse(b"") is None
    assert parse(bytes(12)) is None, "version 0"
    assert parse(raw(0x80)[:11]) is None
    assert parse(raw(0x8F, bytes(8))) is None, "sources beyond the end"
    assert parse(raw(0x90, b"\xbe\xde")) is None, "extension cut short"
    assert parse(raw(0x90, b"\xbe\xde\x00\x09" + bytes(4))) is None, "extension beyond the end"
    assert parse(raw(0xA0, b"abc\x00")) is None, "padding of no length"
    assert parse(raw(0xA0, b"abc\xff")) is None, "padding beyond the start"


@given(st.binary(max_size=64))
def test_garbage_is_read_or_refused(datagram: bytes) -> None:
    packet = parse(memoryview(datagram))
    assert packet is None or len(packet.payload) <= len(datagram) - 12
