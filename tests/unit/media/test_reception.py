"""Counting what arrives: loss, order, duplicates, jitter and new sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.media.reception import Reception


def receive(sequences: list[int], ssrc: int = 1) -> tuple[Reception, list[bool]]:
    reception = Reception()
    return reception, [reception.receive(sequence & 0xFFFF, ssrc) for sequence in sequences]


def test_a_clean_stream_over_the_wrap() -> None:
    reception, new = receive(list(range(65500, 65600)))
    assert all(new)
    assert (reception.packets, reception.lost, reception.late, reception.discarded) == (100, 0, 0, 0)
    assert (reception.sources, reception.ssrc) == (1, 1)


def test_loss() -> None:
    reception, new = receive([1, 2, 5, 6, 106])
    assert all(new)
    assert reception.lost == 2 + 99


def test_late_packets_count_once() -> None:
    reception, new = receive([1, 2, 4, 3, 3, 4, 5])
    assert new == [True, True, True, True, False, False, True]
    assert (reception.lost, reception.late, reception.discarded) == (0, 1, 2)


def test_packets_older_than_the_window_are_discarded() -> None:
    reception, new = receive([1, 101, 2, 40])
    assert new == [True, True, False, False]
    assert (reception.lost, reception.discarded) == (99, 2)


def test_a_packet_older_than_the_first_is_new_but_fills_no_gap() -> None:
    reception, new = receive([10, 9])
    assert new == [True, True]
    assert (reception.lost, reception.late) == (0, 1)


def test_a_jump_of_the_sequence_number_is_a_new_stream() -> None:
    reception, new = receive([1, 2, 30000, 30001])
    assert all(new)
    assert reception.lost == 0


def test_a_new_source_starts_over() -> None:
    reception, _ = receive([1, 2, 4])
    assert reception.receive(900, 2)
    assert reception.receive(901, 2)
    assert (reception.sources, reception.ssrc, reception.lost) == (2, 2, 1)


def test_jitter_follows_the_standard() -> None:
    reception, _ = receive([1])
    assert reception.ssrc == 1
    assert reception.jitter_ms == 0.0
    reception.measure(1000, 5000)
    reception.measure(1160, 5160)
    assert reception.jitter_ms == 0.0
    reception.measure(1320, 5480)
    assert reception.jitter_ms == pytest.approx(160 / 16 / 8)
    reception.measure(1480, 5640)
    assert reception.jitter_ms == pytest.approx(160 / 16 * 15 / 16 / 8)
    reception.measure(1000000, 5800)
    assert reception.jitter_ms == pytest.approx(160 / 16 * 15 / 16 / 8), "a clock that was set is no jitter"


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 2)), max_size=80))
def test_counters_stay_sane(packets: list[tuple[int, int]]) -> None:
    reception = Reception()
    new = sum(reception.receive(*packet) for packet in packets)
    assert reception.packets == len(packets)
    assert new + reception.discarded == len(packets)
    assert reception.lost >= 0


@given(st.sets(st.integers(0, 59), min_size=2), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_change_the_loss(sequences: set[int], random: object) -> None:
    arrived = sorted(sequences)
    first, *rest = arrived
    random.shuffle(rest)  # type: ignore[attr-defined]
    reception, new = receive([first, *rest])
    assert all(new)
    assert reception.lost == arrived[-1] - first + 1 - len(arrived)
