"""Fall-back from REFER to INVITE to BYE in the running product, with SIPp as the caller's SBC and as the human."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.switching import (
    RINGING,
    Human,
    Switch,
    call,
    called,
    given_back,
    last_failure,
    play,
    respond,
    steps_of,
    switching,
)

pytestmark = pytest.mark.needs("sipp")
DECLINED = [sipp.receive_request("REFER"), respond("603 Decline")]
BUSY: sipp.Steps = [
    called(), RINGING, sipp.pause(200), respond("486 Busy Here", tag="human"), sipp.receive_request("ACK"),
]  # fmt: skip


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    with switching(tmp_path_factory.mktemp("server")) as running:
        yield running


async def test_refer_then_invite_then_bye(switch: Switch, ear: RtpEnd, tmp_path: Path) -> None:
    """The caller hears that another way is tried, the phone ringing, and is given back with the headers."""
    async with Human(switch, tmp_path, BUSY) as human:
        steps: sipp.Steps = [*call("X-Go: ladder", "X-Shared-Id: l-1"), *DECLINED, *given_back()]
        played = await play(switch, tmp_path, steps, media_port=ear.port)
        await human.played()
    assert played.bye.headers("X-Failed") == []
    record = await switch.record(played)
    assert record["termination"]["reason"] == "handed_off"
    assert (record["handoff"]["method"], record["handoff"]["destination"]) == ("bye", "back")
    (receipt,) = record["receipts"]
    assert receipt["state"] == "done"
    assert steps_of(receipt) == [
        "requested", "sent", "failed", "spoken1", "sent1", "ringing1", "failed1", "spoken2", "sent2", "accepted2",
        "done2",
    ]  # fmt: skip
    assert [step["failure"] for step in receipt["steps"] if step["failure"]] == ["declined", "busy"]
    assert sum(packet.loud for packet in ear.heard) > 25
    assert (await switch.served.handoff("l-1")).answer["status"] == "ended_with_handoff"


async def test_when_all_has_failed_the_agent_goes_on(switch: Switch, ear: RtpEnd, tmp_path: Path) -> None:
    """The caller talks on with keys in RTP, and then is given back by another handoff."""
    async with Human(switch, tmp_path, BUSY) as human:
        steps: sipp.Steps = [*call("X-Go: nobody"), *DECLINED, *given_back()]
        playing = asyncio.create_task(play(switch, tmp_path, steps, media_port=ear.port))
        await human.played()
        for key in "120":
            await ear.speech()
            await ear.press(key)
        played = await playing
    assert (played.bye.header("X-Failed"), played.bye.header("X-Pressed")) == ("busy", "12")
    record = await switch.record(played)
    first, second = record["receipts"]
    assert (first["state"], last_failure(first)) == ("failed", ("busy", "later", 486))
    assert second["state"] == "done"
    said = [turn["utterance"] for turn in record["turns"] if turn["utterance"]]
    assert said == ["Nobody took the call.", "You pressed 1.", "You pressed 2."]
