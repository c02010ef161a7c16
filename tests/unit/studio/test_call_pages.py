"""What the pages about calls make of them, without a browser."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.admin.whole_call import live_call, whole_call
from tieline.errors import InvalidInput
from tieline.model.call import CallState, Fault, Termination, TerminationReason
from tieline.model.conversation import Conversation
from tieline.observe.ladder import Ladder
from tieline.store.base import Cursor
from tieline.studio.pages.conversations.ladder import drawn
from tieline.studio.pages.conversations.parts_of_call import codec_of, text_of
from tieline.studio.pages.conversations.search import (
    CHANNELS,
    ENDED,
    Asked,
    place_text,
    read_place,
    read_time,
)
from tieline.studio.pages.conversations.words import outcome_of, talk_s
from tieline.studio.pages.live import changes
from tieline.studio.parts.states import Tone
from tieline.testing.store_samples import T0, after


def ended(reason: TerminationReason, *, handed_off: bool = False, answered: bool = True) -> Conversation:
    call = whole_call()
    assert call.closed is not None
    assert call.outcome is not None
    closed = msgspec.structs.replace(
        call.closed, termination=Termination.of(reason), answered_at=after(0.5) if answered else None
    )
    outcome = msgspec.structs.replace(
        call.outcome, handed_off=handed_off, handoff=call.outcome.handoff if handed_off else None
    )
    return msgspec.structs.replace(call, closed=closed, outcome=outcome)


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (whole_call(), ("handed off", Tone.GOOD, "to desk")),
        (ended(TerminationReason.AGENT_FAILED, handed_off=True), ("handed off", Tone.BAD, "to desk")),
        (ended(TerminationReason.AGENT_HUNG_UP), ("contained", Tone.GOOD, "The agent ended the call")),
        (ended(TerminationReason.NO_MEDIA), ("ended", Tone.WARN, "No sound arrived")),
        (
            ended(TerminationReason.CALLER_CANCELLED, answered=False),
            ("not answered", Tone.QUIET, "The caller gave up before the answer"),
        ),
        (
            msgspec.structs.replace(whole_call(), closed=None, state=CallState.HANDING_OFF),
            ("up", Tone.INFO, "handing off"),
        ),
    ],
)
def test_outcomes_in_a_word(call: Conversation, shown: tuple[str, Tone, str]) -> None:
    assert outcome_of(call) == shown


def test_talk_is_from_the_answer_on() -> None:
    assert talk_s(whole_call()) == 29.5
    assert talk_s(ended(TerminationReason.CALLER_CANCELLED, answered=False)) is None


def test_an_address_asks_for_what_it_says() -> None:
    asked = Asked(
        project="p",
        ended="fault-trunk",
        env="live",
        start="2030-01-01T10:00",
        older="2030-01-01T12:00:00Z~c-1",
    )
    wanted = asked.wanted(T0)
    assert (wanted.project, wanted.env, wanted.fault, wanted.reason) == ("p", "live", Fault.TRUNK, None)
    assert wanted.after == after(-7200)
    assert wanted.older == Cursor(at=T0, id="c-1")
    assert read_place(place_text(wanted.older)) == wanted.older
    assert read_time("2030-01-01T11:00 01:00") == after(-7200)
    assert "ended=fault-trunk" in asked.path
    assert Asked().path == "/conversations"
    assert Asked(ended="kept").wanted(T0).handed_off is False
    assert Asked(ended="up").wanted(T0).up is True
    assert Asked(ended="no_ack").wanted(T0).reason is TerminationReason.NO_ACK
    assert Asked(within="1").wanted(T0).after == after(-3600)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(ended="bored"), Asked(ended="fault-nobody"), Asked(start="yesterday"), Asked(end="12"),
        Asked(within="-1"), Asked(older="x"), Asked(newer="2030-99-01T12:00:00Z~c"), Asked(older="2030-01-01~'"),
    ],
)  # fmt: skip
def test_an_address_that_nobody_can_mean_is_refused(asked: Asked) -> None:
    with pytest.raises(InvalidInput):
        asked.wanted(T0)


def test_everything_on_offer_can_be_asked_for() -> None:
    for ended_by in ENDED:
        assert Asked(ended=ended_by).wanted(T0).limit
    assert "" in CHANNELS
    assert read_time("2030-01-01T12:00:00+00:00") == T0


def test_a_ladder_is_drawn_between_its_columns() -> None:
    closed = whole_call().closed
    assert closed is not None
    view = drawn(Ladder(closed.ladder))
    assert view["columns"] == ["192.0.2.10:5060", "Tieline", "2001:db8::5:5062 (callee)"]
    invite, ok, outgoing = view["messages"]
    assert (invite["from"], invite["to"], invite["label"], invite["tone"]) == (0, 1, "INVITE", "accent")
    assert invite["notes"] == ["X-Address: 1 Main Street"]
    assert (ok["from"], ok["to"], ok["tone"]) == (1, 0, "good")
    assert (outgoing["from"], outgoing["to"], outgoing["at"]) == (1, 2, "+9.000")
    assert outgoing["name"] == "INVITE to 2001:db8::5:5062 (callee), 9.000 s after the first"
    assert drawn(Ladder([])) == {"columns": ["Tieline"], "messages": []}


def test_what_a_leg_spoke_is_read_from_its_answer() -> None:
    closed = whole_call().closed
    assert closed is not None
    assert codec_of(closed, "caller") == "–"
    for payload, codec in (("0", "PCMU"), ("8", "PCMA"), ("111", "payload type 111")):
        answer = {"leg": "caller", "text": f"SIP/2.0 200 OK\r\n\r\nm=audio 4000 RTP/AVP {payload} 101\r\n"}
        assert codec_of(msgspec.structs.replace(closed, ladder=(answer,)), "caller") == codec
        assert codec_of(msgspec.structs.replace(closed, ladder=(answer,)), "callee") == "–"


def test_values_are_one_line_of_text() -> None:
    assert (text_of("as it is"), text_of({"a": [1]}), text_of(None)) == ("as it is", '{"a":[1]}', "null")


def test_a_grid_is_told_what_has_changed_alone() -> None:
    before = {"1": {"id": "1", "state": "talking"}, "2": {"id": "2", "state": "talking"}}
    assert changes(before, list(before.values())) == {}
    now = [{"id": "2", "state": "handing off"}, {"id": "3", "state": "offered"}]
    assert changes(before, now) == {"add": [now[1]], "update": [now[0]], "remove": [{"id": "1"}]}
    assert live_call().state is CallState.TALKING
