"""Every message of RFC 4475 against a user agent, with the outcome that `expected.tsv` names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tieline.sip.events import Flow, InviteReceived, Transport
from tieline.sip.message import Response, parse_message
from tieline.testing.loopback import Loopback

HERE = Path(__file__).parent
MESSAGES = HERE / "messages"
SUMS = {
    "wsinv": "d6f6cdee99cd0a1f8e3d9a0fdd67c877700e19ab86d8186dada06f61260e3e61",
    "intmeth": "b957a8292c1c0a9851fe94705b90f94320738f43aacde64998e401f742ef688d",
    "esc01": "be3a316d4ce5f69cad474646191e390dd4b50fc8371e44b5197fe1237781973e",
    "escnull": "263fe2ecd12a5ccbb6c67b3174e9211d11da9b600e7d69666a86d2ee42873e90",
    "esc02": "9a9c59449f00327b02071feafc8e5c2a261c98c818044167894cc17809a12199",
    "lwsdisp": "d1b36b6316c12824f6f04bf6b1fd1f021cade9b74871693b9c3474cd9fa7f4e6",
    "longreq": "185739292bc676760e5b1cca77c87705aa570240171c506ad76f8c35af0ecdaa",
    "dblreq": "a6be48426565c2a705389c4ce2ea17e57b891cb13f80490a2cb9392c797b46ef",
    "semiuri": "87bbaed6b4b354dbd3c5c7a20e66686303c63e43a0aa19b89de1ac75231611a2",
    "transports": "33b4553a3b9418121b099ff07882535151edd6a1e81898c63a916aad2cbf90bc",
    "mpart01": "92147c8e24997bac59629e1b163767697d0d6d499af87f89e325d69968bec3ba",
    "unreason": "4f939d6ebf4817eea70f011d3209e83732872ffc20ffd304b244084dc392f4d7",
    "noreason": "07e11e470a69fffa3674de805e5165d1351a9439a91045ee70c9570ea24ab4fe",
}
WRONG_LENGTH = {"clerr", "ncl", "mcl01", "inv2543", "multi01", "dblreq"}


class Expected(NamedTuple):
    name: str
    section: str
    outcome: str
    why: str


def read_table() -> list[Expected]:
    lines = (HERE / "expected.tsv").read_text().splitlines()
    return [Expected(*line.split("\t")) for line in lines if not line.startswith("#")]


TABLE = read_table()


def test_every_message_has_an_expectation_and_a_reason() -> None:
    assert len(TABLE) == 49
    assert {row.name for row in TABLE} == {path.stem for path in MESSAGES.glob("*.dat")}
    assert all(row.why for row in TABLE)


@pytest.mark.parametrize("name", SUMS)
def test_valid_messages_are_byte_exact(name: str) -> None:
    assert hashlib.sha256((MESSAGES / f"{name}.dat").read_bytes()).hexdigest() == SUMS[name]


@pytest.mark.parametrize("name", [row.name for row in TABLE if row.name not in WRONG_LENGTH])
def test_content_length_agrees_with_the_bytes(name: str) -> None:
    head, _, body = (MESSAGES / f"{name}.dat").read_bytes().partition(b"\r\n\r\n")
    found = re.findall(rb"\r\n(?:content-length|l)[ ]*:[ ]*([0-9]+)", head, re.IGNORECASE)
    assert found == [str(len(body)).encode()]


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_outcome(row: Expected) -> None:
    stack = Loopback().add("192.0.2.200").stack
    flow = Flow(Transport.UDP, ("192.0.2.99", 5060))
    stack.receive((MESSAGES / f"{row.name}.dat").read_bytes(), flow, 0.0)
    replies = [parse_message(outgoing.data) for outgoing in stack.outgoing()]
    event = stack.next_event()
    counters = dict(stack.counters.items())
    if row.outcome == "dropped":
        assert replies == []
        assert event is None
        assert counters["dropped_malformed"] + counters["dropped_unmatched"] == 1
        return
    assert len(replies) == 1
    reply = replies[0]
    assert isinstance(reply, Response)
    if row.outcome == "accepted":
        assert reply.status == 100
        assert isinstance(event, InviteReceived)
    else:
        assert reply.status == int(row.outcome)
        assert not isinstance(event, InviteReceived)


def test_unsupported_extensions_are_named() -> None:
    stack = Loopback().add("192.0.2.200").stack
    stack.receive((MESSAGES / "bext01.dat").read_bytes(), Flow(Transport.UDP, ("192.0.2.99", 5060)), 0.0)
    reply = parse_message(stack.outgoing()[0].data)
    assert reply.headers.get("Unsupported") == "nothingSupportsThis, nothingSupportsThisEither"


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_nothing_is_left_after_the_timers(row: Expected) -> None:
    network = Loopback()
    stack = network.add("192.0.2.200").stack
    stack.receive((MESSAGES / f"{row.name}.dat").read_bytes(), Flow(Transport.UDP, ("192.0.2.99", 5060)), 0.0)
    for leg_id in stack.leg_ids():
        stack.reject(leg_id, 486, 0.0)
    network.run_for(100.0)
    assert stack.is_idle()
