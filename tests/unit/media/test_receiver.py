"""The hearing half of a leg: what counts, what is refused, which digits come out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tieline.media.receiver import Receiver
from tieline.media.rtp import build

PEER = ("192.0.2.10", 4000)
LOUD = b"\x80" * 160
QUIET = b"\xff" * 160


def connected(dtmf: int | None = 101) -> Receiver:
    receiver = Receiver()
    receiver.connect(PEER, dtmf, 10.0)
    return receiver


def feed(
    receiver: Receiver, payload: bytes, kind: int = 0, *, sequence: int = 1, timestamp: int = 160, ssrc: int = 7,
    source: tuple[str, int] = PEER, now: float = 10.0, marker: bool = False,
) -> str | None:  # fmt: skip
    datagram = build(
        payload, payload_type=kind, sequence=sequence, timestamp=timestamp, ssrc=ssrc, marker=marker
    )
    return receiver.receive(memoryview(datagram), source, now)


def test_audio_of_either_law_is_heard() -> None:
    receiver = connected()
    before = receiver.started
    feed(receiver, QUIET)
    assert (before, receiver.started) == (False, True)
    assert receiver.loudest == 0
    feed(receiver, b"\xd5" * 160, 8, sequence=2, timestamp=320, now=10.02)
    assert 0 < receiver.loudest < 100
    feed(receiver, LOUD, sequence=3, timestamp=480, now=10.04)
    assert receiver.loudest > 30000
    feed(receiver, QUIET, sequence=4, timestamp=640, now=10.06)
    assert receiver.loudest > 30000
    assert receiver.heard_at == 10.06
    assert receiver.reception.packets == 4
    assert receiver.reception.jitter_ms < 0.1


def test_garbage_and_foreign_payloads_are_refused() -> None:
    receiver = connected()
    receiver.receive(memoryview(b"OPTIONS sip:"), PEER, 11.0)
    feed(receiver, QUIET, 96, now=11.0)
    assert (receiver.refused, receiver.started, receiver.heard_at) == (2, False, 10.0)


def test_a_stranger_is_refused() -> None:
    receiver = connected()
    feed(receiver, QUIET)
    feed(receiver, LOUD, sequence=2, ssrc=8, source=("198.51.100.66", 1), now=10.1)
    assert (receiver.refused, receiver.loudest, receiver.heard_at) == (1, 0, 10.0)


def test_comfort_noise_keeps_the_call_alive() -> None:
    receiver = connected()
    assert feed(receiver, b"\x40", 13, now=12.0) is None
    assert (receiver.heard_at, receiver.refused) == (12.0, 0)


def test_a_key_press_is_told_once() -> None:
    receiver = connected()
    assert feed(receiver, b"\x05\x0a\x00\xa0", 101, sequence=1) == "5"
    assert feed(receiver, b"\x05\x0a\x01\x40", 101, sequence=2) is None
    assert feed(receiver, b"\x05\x0a\x00\xa0", 101, sequence=1) is None
    assert (receiver.digits, receiver.reception.discarded) == (1, 1)


def test_a_new_source_may_press_the_same_key_at_the_same_time() -> None:
    receiver = connected()
    assert feed(receiver, b"\x05\x0a\x00\xa0", 101, sequence=1) == "5"
    assert feed(receiver, b"\x05\x0a\x00\xa0", 101, sequence=1, ssrc=8) == "5"


def test_digits_that_were_not_negotiated_are_refused() -> None:
    receiver = connected(dtmf=None)
    assert feed(receiver, b"\x05\x0a\x00\xa0", 101) is None
    assert receiver.refused == 1


def test_a_flood_of_digits_is_dammed() -> None:
    receiver = connected()
    digits = [
        feed(
            receiver,
            bytes([number % 10, 10, 0, 160]),
            101,
            sequence=number,
            timestamp=1000 * number,
            now=10.0,
        )
        for number in range(100)
    ]
    assert sum(digit is not None for digit in digits) == receiver.digits == 20
    assert receiver.refused == 80
    assert feed(receiver, b"\x05\x0a\x00\xa0", 101, sequence=100, timestamp=200000, now=11.0) == "5"


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_garbage_raises_nothing(datagrams: list[bytes]) -> None:
    receiver = connected()
    for datagram in datagrams:
        receiver.receive(memoryview(datagram), PEER, 10.0)
    assert receiver.refused + receiver.reception.packets == len(datagrams)
