"""Kill -9 under load, twenty times: what was acknowledged is there afterwards, and every call has an outcome."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.served import SECRETS, Served, alive, children, eventually

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.timeout(600)]

KILLS = 20
CLIENTS = 6
LOAD_S = 0.7
NUMBERS = "+155500000-+155509999"
RESERVE = "/v1/conversations/dni-reservation"


@dataclass(slots=True)
class Acknowledged:
    """What the world has been told, and may rely on."""

    reservations: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    """Calls to an agent that never ends them."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that is started and killed by the test itself."""
    prepared = Served(tmp_path_factory.mktemp("server"), {"log": {"level": "warning"}}, NUMBERS)
    prepared.apply()
    yield prepared
    prepared.process.stop()


def reserve_until_dead(served: Served, client: int, told: Acknowledged) -> None:
    """One client on one connection: reserves without a pause, notes what was acknowledged, ends with the server."""
    address = urlsplit(served.addresses.http)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    headers = {"x-api-key": SECRETS["TEST_RESERVE_KEY"], "content-type": "application/json"}
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in range(60):
            note = f"{client}-{number}-{len(told.reservations)}"
            body = json.dumps({"attributes": {"note": note, "nested": {"client": client}}, "ttl_s": 180})
            connection.request("POST", RESERVE, body, headers)
            answer = connection.getresponse()
            made = json.loads(answer.read())
            if answer.status == 200:
                told.reservations[made["reservation_id"]] = {**made, "note": note}
    connection.close()


async def load(served: Served, folder: Path, told: Acknowledged, round_: int) -> None:
    """Reserve, call to be handed back, call to stay on the line; kill the server in the middle of it."""
    leaving = sipp.Sipp(folder, [sipp.invite(headers=LEAVE), sipp.answered(), sipp.ack(), *BYE])
    staying = sipp.Sipp(folder, [sipp.invite(headers=["X-Act: hold"]), sipp.answered(), sipp.ack(), *BYE])
    target = served.sip_udp
    await leaving.start(target, "200", calls=2000, rate=60)
    await staying.start(target, "200", calls=5, rate=50)
    clients = [
        asyncio.ensure_future(asyncio.to_thread(reserve_until_dead, served, round_ * CLIENTS + one, told))
        for one in range(CLIENTS)
    ]
    await asyncio.sleep(LOAD_S + 0.03 * (round_ % 5))
    below = children(served.process.pid)
    served.process.kill()
    await asyncio.gather(*clients)
    for caller in (leaving, staying):
        caller.stop()
        await caller.end()
    note_calls([*leaving.messages(), *staying.messages()], told)
    told.held |= {message.header("Call-ID") for message in staying.messages()}
    await eventually(lambda: not alive(below))


LEAVE = ["X-Act: leave", "X-Shared-Id: [call_id]"]
BYE = [sipp.receive_request("BYE"), sipp.thank()]


def note_calls(messages: list[sipp.Seen], told: Acknowledged) -> None:
    """Calls whose BYE was seen have an outcome; those that were answered and saw none were up."""
    for message in messages:
        if message.sent or not message.headers("CSeq"):
            continue
        call_id = message.header("Call-ID")
        if message.start.startswith("BYE "):
            told.outcomes[call_id] = message.header("X-Conversation")
        elif message.start.startswith("SIP/2.0 200") and message.header("CSeq").endswith("INVITE"):
            told.up.add(call_id)
    told.up -= told.outcomes.keys()


async def check(served: Served, told: Acknowledged) -> None:
    """Everything in `told` is as it was told."""
    lost = await asyncio.to_thread(lost_reservations, served, told)
    assert lost == []
    for call_id, conversation_id in told.outcomes.items():
        answer = (await served.handoff(call_id)).answer
        assert answer.get("id") == conversation_id, (call_id, answer)
        assert answer["status"] == "ended_with_handoff"
        assert answer["data"]["handoff_to"] == "at_once"
    calls = await served.calls()
    for call_id in told.up:
        call = calls.get(call_id)
        assert call is not None, call_id
        assert call["termination"] is not None, call
        assert call["termination"]["reason"] in {"interrupted", "handed_off"}, call
        assert call["status"] in {"ended_without_handoff", "ended_with_handoff"}, call
    for call_id in told.held & told.up:
        assert calls[call_id]["termination"]["reason"] == "interrupted"


def lost_reservations(served: Served, told: Acknowledged) -> list[str]:
    """Ids of acknowledged reservations that are missing or differ, asked one by one over HTTP."""
    address = urlsplit(served.addresses.http)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    lost = []
    for reservation_id, made in told.reservations.items():
        connection.request(
            "GET", f"{RESERVE}/{reservation_id}", headers={"x-api-key": SECRETS["TEST_RESERVE_KEY"]}
        )
        answer = connection.getresponse()
        found = json.loads(answer.read())
        if (
            answer.status != 200
            or found["dni"] != made["dni"]
            or found["attributes"]["note"] != made["note"]
            or found["pool"] != made["pool"]
            or found["expires_at"][:19] != made["expires_at"][:19]
        ):
            lost.append(reservation_id)
    connection.close()
    return lost


async def test_nothing_acknowledged_is_lost(served: Served, tmp_path: Path) -> None:
    everything = Acknowledged()
    served.start()
    for round_ in range(KILLS):
        told = Acknowledged()
        await load(served, tmp_path, told, round_)
        served.start()
        await check(served, told)
        everything.reservations |= told.reservations
        everything.outcomes |= told.outcomes
        everything.up |= told.up
        everything.held |= told.held
    # And once more all of it: twenty rounds later nothing has faded.
    await check(served, everything)
    assert len(everything.reservations) > KILLS * CLIENTS
    assert len(everything.outcomes) > KILLS
    assert len(everything.up) > KILLS
    numbers = [made["dni"] for made in everything.reservations.values()]
    assert len(numbers) == len(set(numbers)), "a number that was held was handed out again"
    settled = await served.metric("tieline_calls_interrupted_total")
    assert settled >= 1
