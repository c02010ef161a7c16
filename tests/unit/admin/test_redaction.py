"""Nothing personal is left of a call, and nothing else is taken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.admin.whole_call import NAMES, NUMBERS, SECRETS, live_call, refused_call, whole_call
from tieline.admin.redaction import (
    HIDDEN,
    mask_number,
    mask_text,
    redact_conversation,
    redact_live,
    redact_message,
    redact_refusal,
)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+15550109999", "•••••••••99"),
        ("0044 20 7946 0018", "••••••••••••18"),
        ("100", "•••"),
        ("12345", "•••••"),
        ("anonymous", HIDDEN),
    ],
)
def test_numbers_keep_their_last_digits(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+15550100 is a number of pool main", "••••••00 is a number of pool main"),
        ("192.0.2.17 belongs to trunk carrier", "192.0.2.17 belongs to trunk carrier"),
        ("INVITE sip:john.smith@example.com SIP/2.0", f"INVITE sip:{HIDDEN}@example.com SIP/2.0"),
        ("INVITE sip:+15550109999@192.0.2.1:5060 SIP/2.0", "INVITE sip:•••••••••99@192.0.2.1:5060 SIP/2.0"),
        ("REFER sip:192.0.2.1:5060;transport=tcp SIP/2.0", "REFER sip:192.0.2.1:5060;transport=tcp SIP/2.0"),
        ("refer to tel:+15550109999", "refer to tel:•••••••••99"),
        ("call +1 (555) 010-9999 now", "call •••••••••99 now"),
        ("there is no route to +15550109999.", "there is no route to •••••••••99."),
        ("call 555.010.9999, or 1.555.010.9999.", "call ••••••••99, or •••••••••99."),
        ("SBC 7.2.10432 at 192.0.2.17.", "SBC 7.2.10432 at 192.0.2.17."),
        ("desk: ended by the human after 31 s", "desk: ended by the human after 31 s"),
    ],
)
def test_numbers_and_users_are_masked_in_sentences(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def texts_of(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def test_nothing_personal_is_left_of_a_call() -> None:
    whole = texts_of(whole_call())
    shown = texts_of(redact_conversation(whole_call()))
    for personal in (*NUMBERS, *NAMES, *SECRETS):
        assert personal in whole, personal
        assert personal not in shown, personal


def test_what_names_nobody_stays() -> None:
    call, shown = whole_call(), redact_conversation(whole_call())
    assert shown.opened.id == call.opened.id
    assert shown.opened.sip_headers["User-Agent"] == "SBC 7"
    assert msgspec.json.decode(shown.opened.attributes_json) == {"customer": HIDDEN, "age": HIDDEN}
    assert {value.value for value in shown.opened.whole_context()} == {HIDDEN}
    assert [turn.index for turn in shown.turns] == [turn.index for turn in call.turns]
    assert shown.turns[0].user_input is None
    assert shown.turns[1].function_runs[0] == {"name": "look_up", "duration_ms": 3.5, "error": "KeyError"}
    assert shown.closed is not None
    assert call.closed is not None
    assert shown.closed.media == call.closed.media
    assert shown.closed.metrics[0]["value"] == 3
    assert shown.outcome is not None
    assert shown.outcome.handoff is not None
    assert (shown.outcome.handoff["destination"], shown.outcome.handoff["method"]) == ("desk", "refer")
    steps = shown.receipts[0].steps
    assert [step.step for step in steps] == [step.step for step in call.receipts[0].steps]
    assert steps[1].evidence == "SIP/2.0 202 Accepted"


def test_a_call_of_which_little_is_known_is_redacted_too() -> None:
    bare = msgspec.structs.replace(whole_call(), outcome=None, closed=None, receipts=(), turns=())
    assert redact_conversation(bare).closed is None
    plain = whole_call()
    assert plain.outcome is not None
    given = msgspec.structs.replace(plain.outcome, handoff=None)
    assert redact_conversation(msgspec.structs.replace(plain, outcome=given)).outcome is not None


def test_a_message_keeps_its_shape() -> None:
    text = (
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\nFrom: <sip:1@x>;tag=1\r\n"
        "X-Long: a\r\n b\r\nServer: one\r\n two\r\nCall-ID: 12345678@x\r\n\r\nv=0"
    )
    shown = redact_message({"at_ms": 3, "text": text})
    assert shown["text"].split("\r\n") == [
        "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx", f"From: {HIDDEN}", f"X-Long: {HIDDEN}",
        "Server: one", " two", "Call-ID: 12345678@x", "", HIDDEN,
    ]  # fmt: skip
    assert redact_message({"text": "odd"})["text"] == "odd"


def test_live_and_refused_calls() -> None:
    shown = texts_of([redact_live(live_call()), redact_refusal(refused_call())])
    for personal in (*NUMBERS, "John"):
        assert personal not in shown, personal
    silent = msgspec.structs.replace(live_call(), said=None, heard=None, caller=None)
    assert redact_live(silent) == msgspec.structs.replace(silent, callee=mask_number(str(silent.callee)))
    odd = msgspec.structs.replace(refused_call(), caller="", callee="what?")
    assert (redact_refusal(odd).caller, redact_refusal(odd).callee) == ("", HIDDEN)
