"""Key presses as real networks and real peers deliver them: each is reported once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.media.dtmf import KEYS, EventReceiver, EventSender, digits_of_info

Press = list[tuple[bytes, int, int, bool]]


def press(
    digit: str, *, at: int, sequence: int, packets: int = 8, ends: int = 3, marker: bool = True
) -> Press:
    """The packets of one press as (payload, timestamp, sequence, marker)."""
    event = KEYS.index(digit)
    durations = [min(number, packets) * 160 for number in range(1, packets + ends + 1)]
    return [
        (bytes([event, 0x80 | 10 if number >= packets else 10, *duration.to_bytes(2, "big")]), at, sequence + number,
         marker and number == 0)
        for number, duration in enumerate(durations)
    ]  # fmt: skip


def heard(packets: Iterable[tuple[bytes, int, int, bool]]) -> str:
    receiver = EventReceiver()
    digits = [
        receiver.receive(payload, timestamp & 0xFFFFFFFF, sequence & 0xFFFF, marker=marker)
        for payload, timestamp, sequence, marker in packets
    ]
    return "".join(digit for digit in digits if digit)


def keyed(digits: str, *, start: int = 0xFFFFF000, sequence: int = 65500, **how: object) -> list[Press]:
    """Presses of 160 ms, 320 ms apart; the numbers wrap on the way."""
    return [
        press(digit, at=start + 2560 * place, sequence=sequence + 16 * place, **how)  # type: ignore[arg-type]
        for place, digit in enumerate(digits)
    ]


def flat(presses: Iterable[Press]) -> Press:
    return list(itertools.chain.from_iterable(presses))


def test_every_key() -> None:
    assert heard(flat(keyed(KEYS))) == KEYS


def test_without_marker_bits() -> None:
    assert heard(flat(keyed("1123", marker=False))) == "1123"


def test_with_the_first_packets_lost() -> None:
    assert heard(flat(run[5:] for run in keyed("1123"))) == "1123"


def test_with_only_one_end_packet_left() -> None:
    assert heard(flat(run[-1:] for run in keyed("1123"))) == "1123"


def test_with_all_three_end_packets_lost() -> None:
    assert heard(flat(run[:-3] for run in keyed("1123", marker=False))) == "1123"


def test_duplicates_and_reordering_add_nothing() -> None:
    run = flat(keyed("12"))
    swapped = [*run[:9], run[13], *run[9:13], *run[14:]]
    assert heard(packet for packet in swapped for _ in range(2)) == "12"


def test_a_straggler_of_an_earlier_press_adds_nothing() -> None:
    first, second = keyed("12")
    assert heard([*first, *second[:3], first[4], *second[3:]]) == "12"


def test_a_press_longer_than_the_duration_field_is_one_press() -> None:
    first = press("5", at=1000, sequence=0, packets=409, ends=0)
    second = press("5", at=1000 + 0xFFFF, sequence=409, packets=100, marker=False)
    again = press("5", at=1000 + 0xFFFF + 20000, sequence=600)
    assert heard([*first, *second, *again]) == "55"


def test_a_short_press_far_ahead_is_no_continuation() -> None:
    assert (
        heard([*press("5", at=0, sequence=0, ends=0), *press("5", at=0xFFFF, sequence=9, marker=False)])
        == "55"
    )


def test_a_peer_whose_timestamp_moves_with_every_packet() -> None:
    moving = [
        (payload, timestamp + 160 * number, sequence, marker)
        for number, (payload, timestamp, sequence, marker) in enumerate(press("7", at=5000, sequence=1))
    ]
    assert heard(moving) == "7"
    later = [(payload, stamp + 4000, sequence + 40, marker) for payload, stamp, sequence, marker in moving]
    assert heard([*moving, *later]) == "77"


def test_a_peer_that_marks_every_packet() -> None:
    assert heard((*packet[:3], True) for packet in flat(keyed("12"))) == "12"


def test_a_peer_whose_timestamp_stands_still() -> None:
    standing = flat(press(digit, at=77, sequence=20 * place) for place, digit in enumerate("1122"))
    assert heard(standing) == "1122"


def test_a_restarted_clock_is_a_new_press() -> None:
    assert heard([*press("1", at=900000, sequence=1), *press("1", at=5, sequence=20)]) == "11"


@pytest.mark.parametrize("payload", [b"", b"\x01\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff\xff\xff\xff"])
def test_what_is_no_key_is_ignored(payload: bytes) -> None:
    assert EventReceiver().receive(payload, 0, 0) is None


@given(
    st.text(KEYS, min_size=1, max_size=8),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFF),
    st.booleans(),
    st.data(),
)
def test_any_loss_short_of_the_whole_press_is_survived(
    digits: str, start: int, sequence: int, marker: bool, data: st.DataObject
) -> None:
    kept: Press = []
    for run in keyed(digits, start=start, sequence=sequence, marker=marker):
        keep = data.draw(st.lists(st.booleans(), min_size=len(run), max_size=len(run)).filter(any))
        kept += [packet for packet, stays in zip(run, keep, strict=True) if stays]
    assert heard(kept) == digits


@given(
    st.lists(
        st.tuples(st.binary(max_size=6), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFF), st.booleans())
    )
)
def test_garbage_raises_nothing(packets: list[tuple[bytes, int, int, bool]]) -> None:
    assert set(heard(packets)) <= set(KEYS)


def send(digits: str, *, steps: int = 200) -> Press:
    sender = EventSender()
    sender.enqueue(digits)
    packets: Press = []
    for number in range(steps):
        packet = sender.step(1000 + 160 * number)
        if packet is not None:
            packets.append((packet.payload, packet.timestamp, number, packet.marker))
    assert not sender
    return packets


def test_the_sender_marks_the_start_and_repeats_the_end() -> None:
    packets = send("5")
    assert [marker for *_, marker in packets] == [True] + [False] * 9
    assert {timestamp for _, timestamp, _, _ in packets} == {1000}
    assert [payload.hex() for payload, *_ in packets[-4:]] == ["050a0460", "058a0500", "058a0500", "058a0500"]


def test_the_receiver_hears_the_sender() -> None:
    assert heard(send("5501*#abcD")) == "5501*#ABCD"


def test_the_sender_leaves_out_what_is_no_key() -> None:
    assert heard(send("1-x2 ")) == "12"
    assert send("") == []


@pytest.mark.parametrize(
    ("content_type", "body", "digits"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("Application/DTMF-Relay; charset=x", b"signal = #\nduration=9", "#"),
        ("application/dtmf-relay", b"Duration=160\r\nSignal= 10 \r\n", "*"),
        ("application/dtmf-relay", b"Signal=11", "#"),
        ("application/dtmf-relay", b"Signal=a", "A"),
        ("application/dtmf-relay", b"Signal=x", ""),
        ("application/dtmf-relay", b"Signal=\xff", ""),
        ("application/dtmf-relay", b"", ""),
        ("application/dtmf-relay", b"Signal=5\r\n" + b" " * 600, ""),
        ("application/dtmf", b"9", "9"),
        ("application/dtmf", b" * \r\n", "*"),
        ("application/dtmf", b"16", ""),
        ("application/dtmf", b"99", ""),
        ("application/dtmf", b"12", "A"),
        ("application/dtmf", b"123", ""),
        ("application/sdp", b"Signal=5", ""),
    ],
)
def test_info(content_type: str, body: bytes, digits: str) -> None:
    assert digits_of_info(content_type, body) == digits


@given(st.sampled_from(["application/dtmf", "application/dtmf-relay", ""]), st.binary(max_size=40))
def test_info_garbage(content_type: str, body: bytes) -> None:
    digit = digits_of_info(content_type, body)
    assert digit == "" or digit in KEYS
