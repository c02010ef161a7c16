"""Two tenants with a Twilio account each: whoever can sign webhooks for their own gets nowhere near the other's."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import pytest

from tieline.calls.directory import Directory
from tieline.errors import InvalidInput
from tieline.gateway import twilio_voice
from tieline.gateway.twilio_facts import read_facts
from tieline.gateway.twilio_voice import TwilioVoice, VoiceReach
from tieline.model.handoff import Destination, SipConfig
from tieline.model.project import Account, Project
from tieline.model.resources import Resources
from tieline.model.twilio import TwilioConnection, TwilioNumber
from tieline.testing.store_samples import pool

OURS = TwilioConnection(
    name="ours", account="ws-a", account_sid="AC" + "a" * 32, auth_token="ours",
    numbers=(TwilioNumber(number="+15550100001", sid="PN" + "1" * 32, project="PROJECT-a"),),
)  # fmt: skip
THEIRS = TwilioConnection(name="theirs", account="ws-b", account_sid="AC" + "b" * 32, auth_token="theirs")
CALL = {"CallSid": "CA" + "1" * 32, "From": "+15550109999", "To": "+15550100001", "CallStatus": "ringing"}


def form_of(connection: TwilioConnection, **fields: str) -> dict[str, str]:
    return {**CALL, "AccountSid": connection.account_sid, **fields}


@pytest.fixture
def voice() -> TwilioVoice:
    way = Destination(name="desk", is_default=True, sip_config=SipConfig(phone_number="+15550177777"))
    projects = (
        Project(id="PROJECT-a", slug="a", account="ws-a", handoffs=(way,)),
        Project(id="PROJECT-b", slug="b", account="ws-b"),
    )
    resources = Resources(
        accounts=(Account(id="ws-a", slug="a"), Account(id="ws-b", slug="b")), projects=projects,
        pools=(pool(name="a", project="PROJECT-a", numbers=("+15550100002",)),), twilio=(OURS, THEIRS),
    )  # fmt: skip
    registry: Any = SimpleNamespace(on_event=None, watch=None, session_of=lambda _: None)
    legs: Any = SimpleNamespace(take_over=None)
    accounts: Any = SimpleNamespace(of=None)
    reach = VoiceReach(http=lambda: "https://tieline.example", sip=lambda: "")
    made = TwilioVoice(registry, legs, accounts, reach, "127.0.0.1")
    made.follow(Directory(resources, 1, ()))
    return made


async def test_a_call_is_its_own_connections(voice: TwilioVoice) -> None:
    answer = voice.on_call(OURS, form_of(OURS))
    assert "<Stream" in answer
    assert voice.on_call(OURS, form_of(OURS)) == answer
    stolen = voice.on_call(THEIRS, form_of(THEIRS))
    assert "token" not in stolen
    assert "Stream" not in stolen
    voice.on_status(THEIRS, form_of(THEIRS, CallStatus="completed"))
    voice.on_progress(THEIRS, CALL["CallSid"], 1, form_of(THEIRS, CallStatus="completed"))
    assert "Hangup" in voice.on_next(THEIRS, "stream", 0, form_of(THEIRS))
    assert voice.on_call(OURS, form_of(OURS)) == answer
    call = voice._calls[CALL["CallSid"]]
    assert not call.over
    voice.on_status(OURS, form_of(OURS, CallStatus="completed"))
    assert call.over


@pytest.mark.parametrize("callee", ["+15550100001", "+15550100002"])
def test_where_anothers_callers_go_is_not_told(voice: TwilioVoice, callee: str) -> None:
    assert "+15550177777" in voice.on_fallback(OURS, form_of(OURS, To=callee))
    assert "+15550177777" not in voice.on_fallback(THEIRS, form_of(THEIRS, To=callee))


@pytest.mark.parametrize("sid", ["", "CA1", "CA" + "1" * 33, "CA" + "1" * 31 + "\r", "../" + "1" * 31])
async def test_a_call_without_a_sid_is_none(voice: TwilioVoice, sid: str) -> None:
    with pytest.raises(InvalidInput):
        voice.on_call(OURS, form_of(OURS, CallSid=sid))


@pytest.mark.parametrize(
    "to", ["sip:a%0d%0aX: y@z", "+1<Dial>", "sip:?x=y&z@h", "\r\nVia: x", "'\"><script>"]
)
def test_what_was_called_is_fit_for_an_address(to: str) -> None:
    """It becomes the user of a SIP URI in TwiML, whoever wrote it."""
    facts = read_facts(form_of(OURS, To=to, CallerName="a\r\nX-Evil: 1\x00", SipHeader_X_A="1"))
    assert re.fullmatch(r"[A-Za-z0-9+._-]{1,64}", facts.dialled)
    assert not any(set("\r\n\0") & set(name + value) for name, value in facts.headers)
    assert dict(facts.headers)["X-Twilio-CallerName"] == "a X-Evil: 1"


class Silent:
    """A WebSocket on which nobody says anything."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.asked = asyncio.Event()

    async def receive(self) -> str | bytes | None:
        self.asked.set()
        await self.closed.wait()
        return None

    async def send(self, text: str) -> None:
        raise AssertionError(text)

    async def close(self) -> None:
        self.closed.set()


async def test_sockets_that_say_nothing_are_few(voice: TwilioVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_voice, "MOST_UNSTARTED", 2)
    sockets = [Silent() for _ in range(3)]
    carried = [asyncio.create_task(voice.carry(one)) for one in sockets[:2]]
    for one in sockets[:2]:
        await one.asked.wait()
    assert await voice.carry(sockets[2]) == "too_many"
    assert sockets[2].closed.is_set()
    for one in sockets:
        await one.close()
    assert await asyncio.gather(*carried) == ["closed", "closed"]
    assert voice.unstarted == 0
