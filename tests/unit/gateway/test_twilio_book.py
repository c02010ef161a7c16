"""What is remembered of calls at Twilio: room for each account of its own, and no running call is ever forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.gateway.test_twilio_voice import ended, play
from tests.unit.gateway.twilio_parts import CALL, CONNECTION, Line, silent
from tieline.gateway import twilio_book
from tieline.gateway.twilio_book import MOST_TOKENS, SWEEP_S, CallBook
from tieline.model.call import TerminationReason
from tieline.testing.virtual_time import elapse

pytestmark = pytest.mark.usefixtures("silent")
__all__ = ["silent"]
OTHER = replace(CONNECTION, name="other", account="ws-2", account_sid="AC" + "0d" * 16, numbers=())


def a_call(sid: str, account: str = "a", *, over: bool = False, running: bool = False) -> Any:
    facts, connection = SimpleNamespace(sid=sid), SimpleNamespace(account=account)
    return SimpleNamespace(facts=facts, connection=connection, over=over, is_running=running, since=0.0)


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> CallBook:
    monkeypatch.setattr(twilio_book, "MOST_CALLS", 3)
    return CallBook()


def test_an_account_pushes_out_calls_of_its_own_alone(book: CallBook) -> None:
    assert all(book.add(a_call(f"b{index}", "b"), 0.0) for index in range(3))
    for index in range(20):
        assert book.add(a_call(f"a{index}"), 0.0)
    assert list(book) == ["b0", "b1", "b2", "a17", "a18", "a19"]
    assert len(book) == 6


def test_what_is_over_goes_first_and_what_runs_never(book: CallBook) -> None:
    for call in (a_call("running", running=True), a_call("fresh"), a_call("over", over=True)):
        assert book.add(call, 0.0)
    assert book.add(a_call("one", running=True), 0.0)
    assert list(book) == ["running", "fresh", "one"]
    assert book.add(a_call("two", running=True), 0.0)
    assert list(book) == ["running", "one", "two"]
    assert not book.add(a_call("three"), 0.0)
    assert book.add(a_call("four", "b"), 0.0)
    assert book.get("three") is None


def test_the_newest_tokens_of_a_call_are_good_once_and_in_time(book: CallBook) -> None:
    call = a_call("c")
    book.add(call, 0.0)
    for index in range(MOST_TOKENS + 1):
        book.add_stream_token(call, f"t{index}", 60.0)
    assert book.take_stream_token("t0", 0.0) is None
    assert book.take_stream_token("t1", 60.0) is call
    assert book.take_stream_token("t1", 60.0) is None
    assert book.take_stream_token("t2", 60.1) is None
    book.add(a_call("later"), 60.0 + SWEEP_S)
    assert book.take_stream_token("t3", 0.0) is None


def test_tokens_go_with_their_call(book: CallBook) -> None:
    """One that may talk by SIP goes after those that nobody has taken up."""
    by_sip, by_stream = a_call("by SIP"), a_call("by stream")
    book.add(by_sip, 0.0)
    book.add_sip_token(by_sip, "s")
    book.add(by_stream, 0.0)
    book.add_stream_token(by_stream, "t", 60.0)
    for index in range(2):
        book.add(a_call(f"r{index}", running=True), 0.0)
    assert (book.get("by stream"), book.take_stream_token("t", 0.0)) == (None, None)
    assert book.of_sip_token("s") is by_sip
    book.add(a_call("r2", running=True), 0.0)
    assert (book.get("by SIP"), book.of_sip_token("s")) == (None, None)


def test_a_flood_of_one_tenant_leaves_anothers_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is taken up, while it talks, and the flood's own later calls find room again."""
    monkeypatch.setattr(twilio_book, "MOST_CALLS", 50)

    def flood(line: Line) -> None:
        for index in range(200):
            form = line.form(CallSid=f"CA{index:032x}", AccountSid=OTHER.account_sid)
            assert "<Stream" in line.voice.on_call(OTHER, form)

    async def story(line: Line) -> None:
        verb = line.ring()
        flood(line)
        await line.stream(verb)
        await line.board.hear("Welcome.")
        flood(line)
        await elapse(1.0)
        assert len(line.voice._calls) <= 51
        assert line.voice._calls[CALL].is_running
        line.voice.on_status(CONNECTION, line.form(CallStatus="completed"))

    assert ended(play(story)) is TerminationReason.CALLER_HUNG_UP


def test_an_account_whose_calls_all_run_gets_the_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_book, "MOST_CALLS", 1)

    async def story(line: Line) -> None:
        await line.talk()
        another = line.form(CallSid="CA" + "01" * 16)
        assert "<Say" in line.voice.on_call(CONNECTION, another)
        line.voice.on_status(CONNECTION, line.form(CallStatus="completed"))
        await line.board.idle()
        assert "<Stream" in line.voice.on_call(CONNECTION, another)

    play(story)
