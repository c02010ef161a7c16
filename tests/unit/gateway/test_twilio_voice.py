"""Calls at Twilio in virtual time: streams, handoffs with each of their ends, the way back, hang-ups, repetitions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import pytest

from tests.unit.gateway.twilio_parts import (
    ACCOUNT,
    CALL,
    CONNECTION,
    HUMAN,
    SIP_NUMBER,
    Line,
    MemorySocket,
    SilentEnd,
    desk,
    silent,
)
from tieline.agent.messages import Run, TurnResult
from tieline.errors import Unavailable
from tieline.gateway import twilio_book
from tieline.gateway.twilio_call import HEARD_S, RETURN_S
from tieline.gateway.twilio_voice import START_S, TOKEN_S
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination
from tieline.model.receipt import ReceiptState
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle

pytestmark = pytest.mark.usefixtures("silent")
__all__ = ["silent"]


def play(
    story: Callable[[Line], Awaitable[None]], destination: Destination | None = None, **line: str
) -> Conversation | None:
    """Play a story about one call whose agent hands over at a key; the stored call."""

    def turn(run: Run) -> TurnResult:
        return reply(run, "Passing you on.", handoff={"destination": "desk"})

    async def whole(board: Switchboard) -> None:
        played = Line(board, **line)
        await story(played)
        await played.finish()

    agent = ScriptedAgent(turn=turn, destinations=(destination or desk(),))
    found = run_virtual(play_calls(whole, agent=agent).conversations())
    return found[0] if found else None


def ended(found: Conversation | None) -> TerminationReason:
    assert found is not None
    assert found.closed is not None
    return found.closed.termination.reason


def steps(found: Conversation | None) -> list[str]:
    assert found is not None
    return [one.step.value for one in found.receipts[0].steps]


def test_audio_and_keys_go_both_ways_until_the_caller_hangs_up() -> None:
    async def story(line: Line) -> None:
        socket = await line.talk()
        call = line.voice._calls[CALL]
        assert call.leg is not None
        end: Any = call.leg._end
        assert isinstance(end, SilentEnd)
        socket.put("media", media={"track": "inbound", "payload": "EBAQ"})
        socket.put("dtmf", dtmf={"digit": "5"})
        await settle()
        assert (end.fed, end.pressed) == (b"\x10" * 3, "5")
        assert [one["event"] for one in socket.sent] == ["clear"]
        end.to_caller(b"\x20" * 160)
        end.to_keys("1")
        await settle()
        assert socket.sent[-1]["event"] == "media"
        socket.put("stop")
        await line.board.idle()
        assert socket.is_closed
        assert await line.streams[0] == "stopped"

    assert ended(play(story)) is TerminationReason.CALLER_HUNG_UP


def test_the_status_callback_ends_the_call_once() -> None:
    async def story(line: Line) -> None:
        await line.talk()
        for status in ("in-progress", "completed", "completed"):
            line.voice.on_status(CONNECTION, line.form(CallStatus=status))
        line.voice.on_status(CONNECTION, {"CallSid": "another", "CallStatus": "completed"})
        await line.board.idle()
        assert line.after("stream").endswith("<Response><Hangup /></Response>")

    assert ended(play(story)) is TerminationReason.CALLER_HUNG_UP


def test_a_human_takes_the_caller() -> None:
    """Ringing and answer are steps of the receipt, in whatever number they are told."""

    async def story(line: Line) -> None:
        dial = await line.handed(await line.talk())
        assert (dial.tag, dial[0].tag, dial[0].text) == ("Dial", "Number", HUMAN)
        for status in ("initiated", "ringing", "ringing", "in-progress", "in-progress", "completed"):
            line.progress(status)
            await settle()
        await line.board.idle()
        assert "<Hangup" in line.after("dial", DialCallStatus="completed")
        assert "<Hangup" in line.after("dial", DialCallStatus="completed")
        assert line.api.ended == []

    found = play(story)
    assert steps(found)[-4:] == ["accepted", "ringing", "answered", "done"]
    assert ended(found) is TerminationReason.HANDED_OFF


@pytest.mark.parametrize("lost", [None, Unavailable("Twilio's API did not answer")])
def test_ringing_may_be_told_before_the_request_is_answered(lost: Unavailable | None) -> None:
    """Then it is known to be accepted, whatever becomes of the answer."""

    async def story(line: Line) -> None:
        socket = await line.talk()
        told = asyncio.Event()

        def ring() -> None:
            line.progress("ringing")
            told.set()

        line.api.before_answer, line.api.fault = ring, lost
        line.board.press("1")
        await told.wait()
        socket.put_text(None)
        await settle()
        line.progress("in-progress")
        await line.board.idle()
        assert "<Hangup" in line.after("dial", DialCallStatus="completed")

    found = play(story)
    assert steps(found)[-4:] == ["accepted", "ringing", "answered", "done"]
    assert ended(found) is TerminationReason.HANDED_OFF


def test_the_end_of_a_dial_without_its_progress_is_an_answer_too() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        assert "<Hangup" in line.after("dial", DialCallStatus="completed")

    assert "answered" in steps(play(story))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"DialCallStatus": "busy"}, "busy"),
        ({"DialCallStatus": "no-answer"}, "no_answer"),
        ({"DialCallStatus": "failed"}, "not_found"),
        ({"DialCallStatus": "failed", "DialSipResponseCode": "603"}, "declined"),
        ({"DialCallStatus": "strange"}, None),
    ],
)
def test_who_is_not_taken_comes_back_to_the_agent(told: dict[str, str], reason: str | None) -> None:
    """The failure is told once the caller is there again, so that the agent speaks to somebody."""

    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        line.progress("ringing")
        twiml = line.after("dial", **told)
        assert "<Stream" in line.after("dial", **told)
        await elapse(1.0)
        assert "played Sorry." not in list(line.board.journal)
        socket = await line.stream(twiml)
        await line.board.hear("Sorry.")
        await line.board.idle()
        assert line.api.ended == [CALL]
        assert socket.is_closed

    found = play(story)
    assert found is not None
    receipt = found.receipts[0]
    assert receipt.state is ReceiptState.FAILED
    if reason is not None:
        assert [one.failure.value for one in receipt.steps if one.failure is not None][-1] == reason
    assert ended(found) is TerminationReason.AGENT_HUNG_UP


def test_a_caller_who_does_not_come_back_has_gone() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        line.after("dial", DialCallStatus="busy")
        await elapse(RETURN_S + 0.1)
        await line.board.idle()

    assert ended(play(story)) is TerminationReason.CALLER_HUNG_UP


def test_the_caller_hangs_up_while_it_rings() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        line.progress("ringing")
        assert "<Hangup" in line.after("dial", DialCallStatus="no-answer", CallStatus="completed")
        line.progress("in-progress", attempt=7)

    found = play(story)
    assert ended(found) is TerminationReason.CALLER_HUNG_UP
    assert "answered" not in steps(found)


def test_twilio_that_says_nothing_is_asked_to_bring_the_caller_back() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        line.progress("ringing")
        await line.api.redirected(2)
        assert "<Stream" in line.api.redirects[1]
        await line.stream(line.api.redirects[1])
        await line.board.idle()

    found = play(story)
    assert found is not None
    assert found.receipts[0].state is not ReceiptState.DONE


def test_a_caller_who_cannot_be_brought_back_is_let_go() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        line.api.fault = TwilioRefused(404, 20404)
        await line.board.idle()

    found = play(story)
    assert found is not None
    assert len(found.receipts) == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (TwilioRefused(404, 20404), "481"),
        (TwilioRefused(400, 13214), "403"),
        (TwilioRefused(401, None), "403"),
        (TwilioRefused(429, 20429), "503"),
        (TwilioRefused(400, 21205), "400"),
        (Unavailable("Twilio's API cannot be reached"), "503"),
    ],
)
def test_a_redirection_that_twilio_refuses_is_the_refusal_of_a_refer(fault: Any, status: str) -> None:
    async def story(line: Line) -> None:
        socket = await line.talk()
        line.api.fault = fault
        line.board.press("1")
        await line.board.idle()
        assert line.api.redirects == []
        assert socket.is_closed

    found = play(story)
    assert found is not None
    assert found.receipts[0].state is ReceiptState.FAILED
    assert any(status in f"{one.detail} {one.evidence}" for one in found.receipts[0].steps)
    assert ended(found) is TerminationReason.AGENT_HUNG_UP


def test_a_caller_who_came_by_sip_is_referred() -> None:
    """`<Refer>` with the headers that Twilio carries; its end is in the code of the NOTIFY."""

    async def story(line: Line) -> None:
        refer = await line.handed(await line.talk())
        assert (refer.tag, refer[0].tag) == ("Refer", "Sip")
        assert unquote(refer[0].text or "").startswith("sip:ann@desk.example")
        told = {"ReferSipResponseCode": "202", "NotifySipResponseCode": "200"}
        assert "<Hangup" in line.after("refer", **told)

    found = play(story, desk("sip:ann@desk.example"), caller="sip:bob@pbx.example")
    assert steps(found)[-1] == "done"
    assert ended(found) is TerminationReason.HANDED_OFF


@pytest.mark.parametrize("told", [{"NotifySipResponseCode": "486"}, {"ReferSipResponseCode": "403"}, {}])
def test_a_refer_that_fails_brings_the_caller_back(told: dict[str, str]) -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        await line.stream(line.after("refer", **told))
        await line.board.hear("Sorry.")

    found = play(story, desk("sip:ann@desk.example"), caller="sip:bob@pbx.example")
    assert found is not None
    assert found.receipts[0].state is ReceiptState.FAILED


def test_a_sentence_that_is_never_confirmed_is_waited_for_no_longer_than_it_may_take() -> None:
    async def story(line: Line) -> None:
        socket = await line.stream(line.ring(), deaf=True)
        await line.board.hear("Welcome.")
        line.board.press("1")
        await line.board.hear("Passing you on.")
        await elapse(HEARD_S / 2)
        assert line.api.redirects == []
        await elapse(HEARD_S)
        assert len(line.api.redirects) == 1
        socket.put_text(None)
        line.progress("in-progress")

    assert ended(play(story)) is TerminationReason.HANDED_OFF


def test_the_same_call_is_answered_the_same_and_its_token_opens_one_stream() -> None:
    async def story(line: Line) -> None:
        first = line.voice.on_call(CONNECTION, line.form())
        assert line.voice.on_call(CONNECTION, line.form()) == first
        await line.stream(first)
        second = await line.stream(first)
        assert second.is_closed
        assert await line.streams[1] == "refused"
        await line.board.hear("Welcome.")
        line.voice.on_status(CONNECTION, line.form(CallStatus="completed"))

    assert ended(play(story)) is TerminationReason.CALLER_HUNG_UP


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("late", "refused"),
        ("silent", "no_start"),
        ("nonsense", "bad_messages"),
        ("gone", "closed"),
        ("stop", "stopped"),
    ],
)
def test_a_stream_that_is_none_is_closed(how: str, word: str) -> None:
    async def story(line: Line) -> None:
        verb = line.ring()
        if how == "late":
            await elapse(TOKEN_S + 1)
            await line.stream(verb)
        else:
            verb[0][0].set("value", "no token")
            line.streams.append(asyncio.create_task(_bare(line, how)))
            await elapse(START_S + 1)
        assert await line.streams[0] == word

    assert play(story) is None


async def _bare(line: Line, how: str) -> str:
    """A stream that never says which call it is of."""
    socket = MemorySocket()
    if how == "nonsense":
        for _ in range(30):
            socket.put_text("{")
    elif how == "gone":
        socket.put_text(None)
    elif how == "stop":
        socket.put("media", media={"payload": "EBAQ"})
        socket.put("stop")
    return await line.voice.carry(socket)


def test_a_call_that_is_refused_goes_to_the_fall_back() -> None:
    """Nobody answers that number here: with the end of the stream, Twilio is told what the fall-back is."""

    async def story(line: Line) -> None:
        socket = await line.stream(line.ring())
        assert socket.is_closed
        assert "<Say" in line.after("stream")
        assert "<Say" in line.voice.on_fallback(CONNECTION, {"CallSid": "none"})
        other = line.form(CallSid="CA" + "0f" * 16)
        assert "<Say" in line.voice.on_next(CONNECTION, "dial", 1, other)

    assert play(story, callee="+15555550999") is None


def test_the_sip_path_dials_us_with_the_calls_context() -> None:
    async def story(line: Line) -> None:
        line.callee = SIP_NUMBER
        dial = line.ring()
        assert (dial.tag, dial[0].tag) == ("Dial", "Sip")
        uri = dial[0].text or ""
        assert uri.startswith(f"sip:{SIP_NUMBER}@sip.tieline.example?X-Tieline-Call=")
        assert f"X-Twilio-ParentCallSid={CALL}" in uri
        assert f"X-Twilio-AccountSid={ACCOUNT}" in uri
        token = uri.partition("X-Tieline-Call=")[2].partition("&")[0]
        assert line.voice.call_of(5, {"x-tieline-call": token}) is line.voice._calls[CALL]
        assert line.voice.call_of(6, {"X-Tieline-Call": token}) is None
        assert line.voice.call_of(7, {"X-Tieline-Call": "guessed"}) is None
        assert line.voice.call_of(8, {}) is None
        assert "<Say" in line.after("sip", DialCallStatus="failed")
        assert "<Hangup" in line.after("sip", DialCallStatus="completed")

    assert play(story) is None


def test_calls_that_are_long_over_are_forgotten() -> None:
    async def story(line: Line) -> None:
        line.callee = SIP_NUMBER
        line.ring()
        line.voice.on_status(CONNECTION, line.form(CallStatus="completed"))
        await elapse(twilio_book.KEPT_S + 1)
        line.voice.on_call(CONNECTION, line.form(CallSid="CA" + "01" * 16))
        assert list(line.voice._calls) == ["CA" + "01" * 16]

    assert play(story) is None
