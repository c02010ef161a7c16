"""What a function may return, key by key."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given

from tests.unit.agent.test_state import JSON
from tieline.agent.messages import DtmfListen, Listen
from tieline.agent.returns import NOTHING, READERS, BadReturn, Reply, Transition, read_return
from tieline.model.handoff import Destination, HandoffMethod, SipConfig

BYE = SipConfig(method=HandoffMethod.BYE)
PEOPLE = Destination(name="people", is_default=True, sip_config=BYE)
DESTINATIONS = (
    PEOPLE,
    Destination(name="old", sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="+15550100")),
)


def read(value: Any) -> Any:
    return read_return(value, DESTINATIONS)


def test_nothing_is_nothing() -> None:
    assert read(None) == NOTHING
    assert read({}) == NOTHING
    assert read(dict.fromkeys(READERS)) == NOTHING


def test_text_is_context() -> None:
    assert read("ask again").content == "ask again"


def test_plain_keys() -> None:
    reply = read(
        {
            "content": "c",
            "utterance": "u",
            "utterance_channel": "SPEECH",
            "end_turn": False,
            "hangup": True,
            "variant": "v",
            "transition": {"goto_flow": "F", "goto_step": "S"},
        }
    )
    assert (reply.content, reply.utterance, reply.end_turn, reply.hangup, reply.variant) == (
        "c",
        "u",
        False,
        True,
        "v",
    )
    assert reply.transition == Transition(goto_flow="F", goto_step="S")
    assert read({"transition": {"exit_flow": True}}).transition == Transition(exit_flow=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "not int"),
        (["x"], "not list"),
        ({"utterence": "x"}, "'utterence' is unknown"),
        ({"content": 1}, "content must be text, not int"),
        ({"utterance": ["x"]}, "utterance must be text, not list"),
        ({"utterance_channel": "DTMF"}, "utterance_channel DTMF is not in this release"),
        ({"utterance_channel": "MORSE"}, "utterance_channel must be SPEECH or DTMF"),
        ({"end_turn": "no"}, "end_turn must be True or False, not str"),
        ({"hangup": 1}, "hangup must be True or False, not int"),
        ({"variant": 1}, "variant must be text"),
        ({"transition": "F"}, "transition must be a dict"),
        ({"transition": {"goto": "F"}}, r"transition\.goto is unknown"),
        ({"transition": {"goto_flow": 1}}, r"transition\.goto_flow must be text"),
        ({"transition": {"goto_step": 1}}, r"transition\.goto_step must be text"),
        ({"transition": {"exit_flow": 1}}, r"transition\.exit_flow must be True or False"),
        ({"handoff": "people"}, "handoff must be a dict"),
        ({"handoff": {"cxone": {}}}, r"handoff\.cxone is unknown or not in this release"),
        ({"handoff": {"reason": 1}}, r"handoff\.reason must be text"),
        ({"handoff": {"type": 1}}, r"handoff\.type must be text"),
        ({"handoff": {"type": "nobody"}}, "no handoff destination 'nobody'. Configured: people, old"),
        ({"handoff": {"refer": {"phone_number": 1}}}, r"handoff\.refer\.phone_number must be text, not int"),
        ({"handoff": {"refer": {"outbound_endpoint": "x"}}}, r"handoff\.refer\.outbound_endpoint is unknown"),
        (
            {"handoff": {"invite": {"outbound_endpoint": {}}}},
            r"handoff\.invite\.outbound_endpoint must be text",
        ),
        ({"handoff": {"bye": {}, "refer": {}}}, "handoff gives refer and bye"),
        ({"handoff": {"bye": {"phone_number": "1"}}}, r"handoff\.bye\.phone_number is unknown"),
        ({"handoff": {"bye": {"sip_headers": []}}}, None),
        ({"handoff": {"bye": {"sip_headers": ["X"]}}}, r"sip_headers of handoff\.bye must be a dict"),
        ({"handoff": {"bye": {"sip_headers": {"X": []}}}}, "X must be text, a number or a boolean, not list"),
        ({"handoff": {"bye": {"sip_headers": {1: "x"}}}}, "names must be text"),
        ({"listen": 1}, "listen must be a dict"),
        ({"listen": {"dtmf": []}}, r"listen\.dtmf must be a dict"),
        ({"listen": {"ear": {}}}, r"listen\.ear is unknown"),
        ({"listen": {"listen": "yes"}}, r"listen\.listen must be True or False"),
        ({"listen": {"asr": 1}}, r"listen\.asr must be a dict"),
        ({"listen": {"channel": "FAX"}}, r"listen\.channel must be one of"),
        (
            {"listen": {"dtmf": {"num_digits": 0}}},
            r"listen\.dtmf\.num_digits must be a whole number from 1 to 64",
        ),
        ({"listen": {"dtmf": {"num_digits": True}}}, r"listen\.dtmf\.num_digits"),
        ({"listen": {"dtmf": {"num_digits": 65}}}, r"listen\.dtmf\.num_digits"),
        ({"listen": {"dtmf": {"inter_digit_timeout": -1}}}, r"listen\.dtmf\.inter_digit_timeout"),
        ({"listen": {"dtmf": {"first_digit_timeout": "3"}}}, r"listen\.dtmf\.first_digit_timeout"),
        ({"listen": {"dtmf": {"first_digit_timeout": True}}}, r"listen\.dtmf\.first_digit_timeout"),
        ({"listen": {"dtmf": {"first_digit_timeout": 601}}}, r"listen\.dtmf\.first_digit_timeout"),
        ({"listen": {"dtmf": {"finish_on_key": "##"}}}, r"listen\.dtmf\.finish_on_key"),
        ({"listen": {"dtmf": {"finish_on_key": 5}}}, r"listen\.dtmf\.finish_on_key"),
        ({"listen": {"dtmf": {"is_pii": "yes"}}}, r"listen\.dtmf\.is_pii must be True or False"),
        ({"listen": {"dtmf": {"digits": 4}}}, r"listen\.dtmf\.digits is unknown"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_key(value: Any, message: str | None) -> None:
    if message is None:
        assert read(value).handoff == {"method": "bye", "sip_headers": {}}
        return
    with pytest.raises(BadReturn, match=message):
        read(value)


def test_listen_settings_are_taken_over() -> None:
    reply = read(
        {
            "listen": {
                "channel": "SPEECH_AND_DTMF",
                "dtmf": {
                    "num_digits": 4,
                    "first_digit_timeout": 5,
                    "inter_digit_timeout": 2.5,
                    "finish_on_key": "*",
                    "early_listening": False,
                    "is_pii": True,
                },
            }
        }
    )
    dtmf = DtmfListen(
        num_digits=4,
        first_digit_timeout=5.0,
        inter_digit_timeout=2.5,
        finish_on_key="*",
        early_listening=False,
        is_pii=True,
    )
    assert reply.listen == Listen(channel="SPEECH_AND_DTMF", dtmf=dtmf)
    assert reply.notes == ()


@pytest.mark.parametrize(("given_key", "kept"), [(None, None), ("", None), ("a", "A"), ("#", "#")])
def test_the_finishing_key(given_key: str | None, kept: str | None) -> None:
    reply = read({"listen": {"dtmf": {"finish_on_key": given_key}}})
    assert reply.listen.dtmf.finish_on_key == kept


def test_defaults_of_listening() -> None:
    assert read({"listen": {}}).listen == read({"listen": True}).listen == Listen()
    assert read({"listen": False}).listen == Listen(listen=False)


def test_settings_without_effect_are_noted() -> None:
    reply = read({"listen": {"asr": {"timeout": 1}, "barge_in": {}, "channel": "SPEECH"}})
    assert len(reply.notes) == 3
    assert "listen.asr has no effect" in reply.notes[0]


@pytest.mark.parametrize(
    ("value", "request_made"),
    [
        (True, {"destination": "people"}),
        (False, None),
        ({}, {"destination": "people"}),
        (
            {"type": "people", "reason": "r", "utterance": "u"},
            {"destination": "people", "reason": "r", "utterance": "u"},
        ),
        ({"type": "DEFAULT"}, {"destination": "people"}),
        ({"type": "bye"}, {"method": "bye", "sip_headers": {}}),
        (
            {"type": "elsewhere", "bye": {"sip_headers": {"X-contained": True, "X-n": 3, "X-none": None}}},
            {"method": "bye", "sip_headers": {"X-contained": "true", "X-n": "3"}},
        ),
        (
            {"type": "people", "bye": {"sip_headers": {"X-a": "b"}}},
            {"method": "bye", "sip_headers": {"X-a": "b"}, "destination": "people"},
        ),
        ({"type": "old"}, {"destination": "old"}),
        (
            {"refer": {"phone_number": "1", "refer_to": "sip:a@b"}},
            {"method": "refer", "route": "1", "refer_to": "sip:a@b", "sip_headers": {}},
        ),
        (
            {"invite": {"phone_number": "1", "outbound_caller_id": "2", "outbound_endpoint": "carrier"}},
            {
                "method": "invite",
                "route": "1",
                "outbound_caller_id": "2",
                "outbound_endpoint": "carrier",
                "sip_headers": {},
            },
        ),
    ],
)
def test_handoffs(value: Any, request_made: dict[str, Any] | None) -> None:
    assert read({"handoff": value}).handoff == request_made


def test_a_default_handoff_needs_a_destination() -> None:
    with pytest.raises(BadReturn, match="Configured: none"):
        read_return({"handoff": True}, ())


def wrap(value: Any) -> tuple[Any, ...]:
    return value, {"listen": value}, {"handoff": value}, {"listen": {"dtmf": value}}, {"transition": value}


@given(JSON)
def test_no_json_value_does_anything_but_read_or_be_refused(value: Any) -> None:
    for shape in wrap(value):
        with contextlib.suppress(BadReturn):
            assert isinstance(read(shape), Reply)
