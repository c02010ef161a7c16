"""Whispers and accept keys of calls that Twilio places: asked at their end alone, in virtual time."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tests.unit.gateway.test_twilio_voice import ended, play, steps
from tests.unit.gateway.twilio_parts import CALL, CONNECTION, HUMAN, NUMBER, Line, desk, silent
from tieline.calls.provider import WHISPER_LIMIT_S, Screening
from tieline.errors import InvalidInput
from tieline.gateway.twilio_screening import ScreeningState, TwilioScreening
from tieline.model.call import TerminationReason
from tieline.model.handoff import Destination
from tieline.model.twilio import TwilioConnection
from tieline.testing.virtual_time import elapse, settle

pytestmark = pytest.mark.usefixtures("silent")
__all__ = ["silent"]
WHISPER = 'From <billing> & "more".'


def asking(route: str = HUMAN, **fields: Any) -> Destination:
    """A destination whose human is asked."""
    made = desk(route)
    given = {"whisper": WHISPER, "accept_key": "1", "accept_timeout_s": 5.0, **fields}
    return msgspec.structs.replace(made, sip_config=msgspec.structs.replace(made.sip_config, **given))


def screen(line: Line, step: str = "begin", attempt: int = 1, **form: str) -> ET.Element:
    """What the human's end is told."""
    return ET.fromstring(line.voice.on_screen(CONNECTION, CALL, attempt, step, line.form(**form)))


def verbs(answer: ET.Element) -> list[str]:
    return [one.tag for one in answer]


def test_a_key_takes_the_call_and_is_on_the_receipt() -> None:
    async def story(line: Line) -> None:
        dial = await line.handed(await line.talk())
        assert dial[0].get("method") == "POST"
        assert (dial[0].get("url") or "").endswith(f"/voice/screen?parent={CALL}&attempt=1&step=begin")
        line.progress("ringing")
        line.progress("in-progress")
        line.progress("in-progress")
        await settle()
        for _ in range(2):
            asked = screen(line)
            assert verbs(asked) == ["Gather", "Hangup"]
            assert {"numDigits": "1", "finishOnKey": "", "timeout": "5"}.items() <= asked[0].attrib.items()
            assert [one.text for one in asked.iter("Say")] == [WHISPER]
        assert verbs(screen(line, "key", Digits="7")) == ["Gather", "Hangup"]
        assert "done" not in list(line.board.journal)
        for _ in range(2):
            assert verbs(screen(line, "key", Digits="1")) == []
        await line.board.idle()
        line.after("dial", DialCallStatus="completed", DialBridged="true")
        assert line.api.ended == []

    found = play(story, asking())
    assert steps(found)[-5:] == ["accepted", "ringing", "answered", "accepted", "done"]
    assert ended(found) is TerminationReason.HANDED_OFF


def test_a_whisper_alone_joins_at_its_end() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        begun = screen(line)
        assert verbs(begun) == ["Say", "Redirect"]
        assert (begun[1].text or "").endswith("step=said")
        await settle()
        assert verbs(screen(line, "said")) == []
        await line.board.idle()

    found = play(story, asking(accept_key=None))
    assert steps(found)[-3:] == ["ringing", "answered", "done"]


def test_an_accept_key_without_a_whisper_is_waited_for() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        assert [verbs(one) for one in (screen(line), screen(line)[0])] == [["Gather", "Hangup"], []]
        screen(line, "key", Digits="#")

    assert "accepted" in steps(play(story, asking(whisper=None, accept_key="#")))


@pytest.mark.parametrize("how", ["no key", "hung up", "never asked", "too many keys"])
def test_who_does_not_take_the_call_leaves_it_to_the_agent(how: str) -> None:
    """It fails as `not_accepted`, told once the caller is back; what comes late is no way to them any more."""

    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        if how != "never asked":
            screen(line)
        if how == "no key":
            for _ in range(2):
                assert verbs(screen(line, "key", Digits="")) == ["Hangup"]
        if how == "too many keys":
            await elapse(WHISPER_LIMIT_S)
            assert verbs(screen(line, "key", Digits="7")) == ["Gather", "Hangup"]
            await elapse(6)
            assert verbs(screen(line, "key", Digits="7")) == ["Hangup"]
        told = {"DialCallStatus": "completed", "DialBridged": "false"}
        twiml = line.after("dial", **told)
        assert "<Stream" in line.after("dial", **told)
        assert verbs(screen(line, "key", Digits="1")) == ["Hangup"]
        await line.stream(twiml)
        await line.board.hear("Sorry.")
        assert verbs(screen(line, "key", Digits="1")) == ["Hangup"]

    found = play(story, asking())
    assert found is not None
    last = found.receipts[0].steps[-1]
    assert (last.failure or "").value == "not_accepted"  # type: ignore[union-attr]
    assert ("key" in last.detail) is (how in {"no key", "too many keys"})


def test_twilio_says_that_they_were_joined() -> None:
    """Whatever was lost on the way to us."""

    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        line.after("dial", DialCallStatus="completed", DialBridged="true")

    assert steps(play(story, asking()))[-1] == "done"


def test_a_human_who_is_busy_is_never_asked() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        await line.stream(line.after("dial", DialCallStatus="busy"))
        await line.board.hear("Sorry.")

    found = play(story, asking())
    assert found is not None
    failures = [one.failure.value for one in found.receipts[0].steps if one.failure is not None]
    assert failures == ["busy"]


def test_a_sip_peer_that_could_be_referred_is_dialled_to_be_asked() -> None:
    async def story(line: Line) -> None:
        dial = await line.handed(await line.talk())
        assert (dial.tag, dial[0].tag) == ("Dial", "Sip")
        assert "step=begin" in (dial[0].get("url") or "")
        line.after("dial", DialCallStatus="completed", DialBridged="true")

    assert play(story, asking("sip:ann@desk.example"), caller="sip:bob@pbx.example") is not None


def test_nobody_else_is_told_what_there_is_to_hear() -> None:
    async def story(line: Line) -> None:
        await line.handed(await line.talk())
        stranger = TwilioConnection(name="other", account="ws-2", account_sid="AC" + "0c" * 16)
        assert "Hangup" in line.voice.on_screen(stranger, CALL, 1, "begin", line.form())
        for attempt in (0, 2):
            assert verbs(screen(line, attempt=attempt)) == ["Hangup"]
        line.voice.on_status(CONNECTION, line.form(CallStatus="completed"))
        assert verbs(screen(line)) == ["Hangup"]

    assert ended(play(story, asking())) is TerminationReason.CALLER_HUNG_UP


def test_a_key_that_no_telephone_has_is_a_mistake_in_the_settings() -> None:
    async def story(line: Line) -> None:
        await line.talk()
        line.board.press("1")
        await line.board.hear("Sorry.")
        assert line.api.redirects == []

    found = play(story, asking(accept_key="A"), callee=NUMBER)
    assert found is not None
    assert "cannot ask for the key A" in found.receipts[0].steps[-1].detail


def test_what_is_settled_stays_so() -> None:
    told: list[str] = []
    wanted = Screening(whisper="W.", accept_key="1", accept_timeout_s=0.2, language="de-de")
    made = TwilioScreening(wanted, lambda step: step, lambda step, _: told.append(step.value), lambda: 0.0)
    for _ in range(2):
        made.on_picked_up()
    first = made.answer("begin", "")
    assert 'language="de-DE"' in first
    assert 'timeout="1"' in first
    made.tell_refused()
    assert told == ["picked up"]
    made.refuse()
    made.accept()
    made.refuse()
    made.tell_refused()
    assert (made.state, told) == (ScreeningState.REFUSED, ["picked up", "refused"])
    with pytest.raises(InvalidInput):
        TwilioScreening(msgspec.structs.replace(wanted, accept_key="D"), str, lambda *_: None, lambda: 0.0)
