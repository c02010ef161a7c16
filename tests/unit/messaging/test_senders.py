"""Which account and number a message goes out by."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.messaging.parts import CONNECTION, SERVICE
from tieline.integrations.twilio.client import TwilioApi
from tieline.messaging.sender import status_url
from tieline.messaging.senders import Senders, Way, find_way
from tieline.model.environment import Environment
from tieline.model.twilio import TwilioConnection, TwilioNumber
from tieline.testing.store_contract_sms import message


def connection(
    name: str, *numbers: tuple[str, str | None, Environment], account: str = "a"
) -> TwilioConnection:
    return TwilioConnection(
        name=name, account=account, account_sid="AC" + "0b" * 16, auth_token="t",
        numbers=tuple(
            TwilioNumber(number=number, sid="PN" + "0a" * 16, project=project, env=env)
            for number, project, env in numbers
        ),
    )  # fmt: skip


LIVE, SANDBOX = Environment.LIVE, Environment.SANDBOX
FIRST = connection("first", ("+15550001", "x", SANDBOX), ("+15550002", "x", LIVE), ("+15550003", None, LIVE))
SECOND = connection("second", ("+15550004", "y", LIVE))
OTHER = connection("other", ("+15550199", "x", LIVE), account="b")
ALL = (OTHER, FIRST, SECOND)


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({"from_": ""}, Way(FIRST, "+15550002")),
        ({"from_": "", "env": SANDBOX}, Way(FIRST, "+15550001")),
        ({"from_": "", "project": "y"}, Way(SECOND, "+15550004")),
        ({"from_": "+15550003"}, Way(FIRST, "+15550003")),
        ({"from_": "+15550004"}, Way(SECOND, "+15550004")),
        ({"from_": SERVICE}, Way(FIRST, SERVICE)),
        ({"from_": SERVICE, "project": "y"}, Way(SECOND, SERVICE)),
        ({"account": "b", "from_": "54321"}, Way(OTHER, "54321")),
        ({"from_": "", "env": Environment.PRE_RELEASE}, "It names no sender for the environment pre-release"),
        ({"from_": "54321", "project": "z"}, "The account has several Twilio connections"),
        ({"account": "c"}, "The account has no Twilio connection."),
    ],
)
def test_the_way_of_a_message(fields: dict[str, Any], way: Way | str) -> None:
    found = find_way(message(**fields), ALL)
    if isinstance(way, str):
        assert isinstance(found, str)
        assert found.startswith(way)
    else:
        assert found == way


def test_senders_are_those_of_the_resources() -> None:
    senders = Senders(TwilioApi)
    assert isinstance(senders.way_of(message()), str)
    senders.connections = (CONNECTION,)
    assert senders.way_of(message(account="a")) == Way(CONNECTION, "+15550199")
    assert senders.provider(CONNECTION) is not None


def test_the_callback_needs_a_public_url() -> None:
    assert status_url(None, "m") is None
    assert status_url("https://x.example/a/", "m/1") == "https://x.example/a/sms/status?message=m%2F1"
