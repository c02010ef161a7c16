"""Framing of messages between processes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.test_state import JSON, TEXT
from tieline.agent.control import FromRunner, Retiring
from tieline.agent.messages import Run, RunKind
from tieline.agent.wire import MAX_FRAME, BadFrame, Inbox, encode
from tieline.testing.agents import make_snapshot


def make_run(state: dict[str, Any]) -> Run:
    return Run(run_id=1, kind=RunKind.TURN, conversation=make_snapshot(state=state), user_input="1")


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_any_json_state_survives_the_round_trip(state: dict[str, Any]) -> None:
    inbox: Inbox[Run] = Inbox(Run)
    [run] = inbox.feed(bytes(encode(make_run(state))))
    assert json.dumps(run.conversation.state) == json.dumps(state)


@given(st.lists(st.integers(0, 300), max_size=5), st.lists(st.integers(1, 400), min_size=1))
def test_messages_arrive_however_the_bytes_are_cut(sizes: list[int], cuts: list[int]) -> None:
    reasons = ["x" * size for size in sizes]
    stream = b"".join(encode(Retiring(reason=reason)) for reason in reasons)
    inbox: Inbox[Any] = Inbox(FromRunner)
    arrived = []
    position = 0
    while position < len(stream):
        cut = cuts[position % len(cuts)]
        arrived += inbox.feed(stream[position : position + cut])
        position += cut
    assert [message.reason for message in arrived] == reasons


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40, -(10**40), 2**71 - 1, -(2**71)])
def test_whole_numbers_of_any_size_survive(number: int) -> None:
    inbox: Inbox[Run] = Inbox(Run)
    [run] = inbox.feed(bytes(encode(make_run({"n": [number, (1, number)], "m": 1}))))
    assert run.conversation.state == {"n": [number, [1, number]], "m": 1}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00",
        b"\xff\xff\xff\xff....",
        (MAX_FRAME + 1).to_bytes(4, "big"),
        b"\x00\x00\x00\x03\xd4\x07\x00",
    ],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    inbox: Inbox[Any] = Inbox(FromRunner)
    with pytest.raises(BadFrame):
        inbox.feed(garbage)


def test_an_unknown_extension_is_refused() -> None:
    frame = encode({"reason": msgspec.msgpack.Ext(9, b"x"), "type": "Retiring"})
    inbox: Inbox[Any] = Inbox(Any)
    with pytest.raises(BadFrame, match="extension type 9"):
        inbox.feed(bytes(frame))
