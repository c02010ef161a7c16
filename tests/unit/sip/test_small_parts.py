"""Timers, header rules, phrases, framing and the tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.sip.errors import HeaderRefused
from tieline.sip.framing import StreamFramer, Unframed
from tieline.sip.header_rules import header_lines
from tieline.sip.message import Limits
from tieline.sip.phrases import phrase_of
from tieline.sip.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    LEG,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    LegState,
    State,
    Table,
)
from tieline.sip.timers import TimerHeap


class TestTimers:
    def test_cancelled_entries_do_not_pile_up(self) -> None:
        heap = TimerHeap()
        fired: list[int] = []
        timers = [heap.set(float(at), lambda what, _: fired.append(what), at) for at in range(5_000)]
        for timer in timers[1_000:]:
            heap.cancel(timer)
            heap.cancel(timer)
        heap.cancel([])
        assert len(heap) == 1_000
        assert len(heap._heap) < 3_000
        heap.fire(4_999.0)
        assert fired == list(range(1_000))
        assert heap.next_deadline() is None

    def test_order_and_cancel(self) -> None:
        heap = TimerHeap()
        fired: list[tuple[str, float]] = []
        heap.set(2.0, lambda name, now: fired.append((name, now)), "late")
        gone = heap.set(1.0, lambda name, now: fired.append((name, now)), "gone")
        heap.set(2.0, lambda name, now: fired.append((name, now)), "later")
        heap.cancel(gone)
        assert len(heap) == 2
        assert heap.next_deadline() == 2.0
        heap.fire(1.5)
        assert fired == []
        heap.fire(3.0)
        assert fired == [("late", 3.0), ("later", 3.0)]
        assert heap.next_deadline() is None

    def test_a_cancelled_entry_is_passed_over_when_due(self) -> None:
        heap = TimerHeap()
        heap.cancel(heap.set(1.0, lambda _name, _now: None, "gone"))
        heap.fire(1.0)
        assert len(heap) == 0


class TestHeaderRules:
    def test_order_and_spelling(self) -> None:
        lines = header_lines([("X-b", "2"), ("User-to-User", "ab;encoding=hex"), ("X-B", "ä\t")], 9)
        assert lines == "X-b: 2\r\nUser-to-User: ab;encoding=hex\r\nX-B: ä\t\r\n"
        assert header_lines([], 0) == ""

    @pytest.mark.parametrize("name", ["Via", "v", "FROM", "t", "Call-ID", "i", "CSeq", "Contact", "m", "l", "Route",
                                      "authorization", "Content-Type", "Max-Forwards", "Server"])  # fmt: skip
    def test_reserved(self, name: str) -> None:
        with pytest.raises(HeaderRefused, match="written by the stack"):
            header_lines([(name, "x")], 9)

    @pytest.mark.parametrize("name", ["", "X A", "X:", "X\r\nVia", "Ä"])
    def test_names(self, name: str) -> None:
        with pytest.raises(HeaderRefused, match="not a token"):
            header_lines([(name, "x")], 9)

    @pytest.mark.parametrize("value", ["a\r\nVia: x", "a\nb", "a\rb", "a\0b", "\x1b", "\x7f", "\udcff"])
    def test_values(self, value: str) -> None:
        with pytest.raises(HeaderRefused, match="control character"):
            header_lines([("X-A", value)], 9)

    def test_bounds(self) -> None:
        with pytest.raises(HeaderRefused, match="longer") as caught:
            header_lines([("X-A", "x" * 5000)], 9)
        assert caught.value.name == "X-A"
        with pytest.raises(HeaderRefused, match="more than 1"):
            header_lines([("X-A", "x"), ("X-B", "x")], 1)


def test_phrases() -> None:
    assert phrase_of(486) == "Busy Here"
    assert phrase_of(499) == "Bad Request"
    assert phrase_of(999) == "Unknown"


MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nX: y\r\nl:\r\n 3\r\n\r\nabc"


class TestFraming:
    @given(st.lists(st.integers(1, 40), max_size=40), st.integers(1, 4))
    def test_any_cut_gives_the_same_messages(self, cuts: list[int], copies: int) -> None:
        framer = StreamFramer(Limits())
        stream = b"\r\n" + (MESSAGE + b"\r\n\r\n") * copies
        found: list[bytes | Unframed] = []
        at = 0
        for cut in cuts:
            found += framer.feed(stream[at : at + cut])
            at += cut
        found += framer.feed(stream[at:])
        assert found == [MESSAGE] * copies
        assert framer.pings == copies
        assert len(framer) == 0

    def test_pings_alone(self) -> None:
        framer = StreamFramer(Limits())
        assert framer.feed(b"\r\n\r") == []
        assert len(framer) == 3
        assert framer.feed(b"\n\r\n\r\n\r\n") == []
        assert framer.pings == 2

    @pytest.mark.parametrize(
        "line",
        [
            b"X: y\r\n",
            b"Content-Length: x\r\n",
            b"Content-Length: -1\r\n",
            b"l: 1\r\nl: 1\r\n",
            b"l: 1\r\n 2\r\n",
            b"l: 99999999999\r\n",
        ],
    )
    def test_no_length(self, line: bytes) -> None:
        head = b"OPTIONS sip:a@b SIP/2.0\r\n" + line + b"\r\n"
        framer = StreamFramer(Limits())
        assert framer.feed(head + b"abc") == [Unframed(head, 400)]
        assert len(framer) == 0

    def test_too_long(self) -> None:
        head = b"OPTIONS sip:a@b SIP/2.0\r\nl: 900\r\n\r\n"
        assert StreamFramer(Limits(message_bytes=800)).feed(head) == [Unframed(head, 513)]

    def test_endless_headers(self) -> None:
        framer = StreamFramer(Limits(line_chars=25))
        assert framer.feed(b"a" * 60) == []
        found = framer.feed(b"a" * 60)
        assert found == [Unframed(b"a" * 100, 513)]


@pytest.mark.parametrize("table", [INVITE_CLIENT, INVITE_SERVER, NON_INVITE_CLIENT, NON_INVITE_SERVER])
def test_every_transaction_state_is_reached_and_left(table: Table) -> None:
    first = next(iter(table))
    reached, fresh = {first}, [first]
    for state in fresh:
        for following, _ in table[state].values():
            if following not in reached:
                reached.add(following)
                fresh.append(following)
    assert reached == set(table)
    assert all(rows for state, rows in table.items() if state is not State.TERMINATED)
    assert table[State.TERMINATED] == {}


def test_every_leg_state_is_reached_and_ends() -> None:
    reached = [LegState.OFFERED, LegState.CALLING]
    for state in reached:
        reached += [each for each in LEG[state].values() if each not in reached]
    assert set(reached) == set(LEG) == set(LegState)
    ends = {LegState.OVER}
    while True:
        more = {state for state, rows in LEG.items() if not ends.isdisjoint(rows.values())} - ends
        if not more:
            break
        ends |= more
    assert ends == set(LegState)
