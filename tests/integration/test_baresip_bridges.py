"""Handoff by INVITE over TLS and SRTP, as `outbound_encryption` has it by default: baresip is the human."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.integration import sipp_caller as sipp
from tests.integration.baresip_caller import Baresip
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import HOST, eventually
from tests.integration.switching import SECURE, Switch, call, given_back, hang_up, play, steps_of, switching

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.needs("baresip")]
LOUD = bytes(range(160))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def switch(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    own = authority.issue("own", HOST)
    settings = {
        "sip": {
            "tls_host": HOST, "tls_port": 0, "tls_certificate": str(own.certificate), "tls_key": str(own.key),
            "tls_ca": str(authority.certificate),
        }
    }  # fmt: skip
    with switching(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


@pytest.fixture
def both_in_one(authority: Authority, tmp_path: Path) -> Path:
    """The human's certificate with its key, as baresip wants them."""
    pair = authority.issue("human", "human.example")
    joined = tmp_path / "human.pem"
    joined.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    return joined


@pytest.mark.parametrize("who", ["caller", "human"])
async def test_a_bridge_under_tls_and_srtp(
    switch: Switch, ear: RtpEnd, tmp_path: Path, both_in_one: Path, who: str
) -> None:
    """The caller speaks plain RTP, the human SRTP: each hears the other, and either may hang up."""
    end = [sipp.wait_for_cue(), *hang_up(2)] if who == "caller" else given_back()
    folder = tmp_path / "baresip"
    folder.mkdir()
    async with Baresip(
        folder, transport="tls", host=SECURE, encryption="srtp-mand", user="1001", port=switch.secure_port - 1,
        certificate=both_in_one,
    ) as human:  # fmt: skip
        caller = sipp.Sipp(tmp_path, [*call("X-Go: secure", "X-Shared-Id: s-9"), *end], ear.port)
        await caller.start(switch.served.sip_udp, "200")
        try:
            await human.happened("CALL_ESTABLISHED")
            await ear.anything()
            for _ in range(75):
                await ear.say(LOUD)
            await eventually(lambda: sum(packet.loud for packet in ear.heard) > 25)
            await eventually(lambda: sum(human.loud_frames()) > 25)
            await switch.alive(caller)
            if who == "human":
                await human.do("hangup", "")
            else:
                caller.cue()
            played = await caller.end()
        finally:
            caller.stop()
        assert played.status == 0, played.output
        await human.happened("CALL_CLOSED")
    record = await switch.record(played)
    assert record["termination"]["reason"] == "handed_off"
    assert steps_of(record["receipt"])[-2:] == ["alive", "done"]
    assert record["receipt"]["steps"][-1]["detail"].endswith(
        "ended by the " + ("caller" if who == "caller" else "callee")
    )
    page = await switch.served.command("calls", "show", record["id"], "--json")
    assert "inline:(hidden)" in page or "a=crypto" not in page


async def test_a_peer_without_the_right_certificate(
    switch: Switch, ear: RtpEnd, tmp_path: Path, authority: Authority
) -> None:
    """The name on the certificate is another one: nothing of the call is told to that peer; the agent goes on."""
    pair = authority.issue("stranger", "elsewhere.example")
    joined = tmp_path / "stranger.pem"
    joined.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    folder = tmp_path / "baresip"
    folder.mkdir()
    async with Baresip(
        folder, transport="tls", host=SECURE, port=switch.secure_port - 1, certificate=joined
    ) as human:
        playing = asyncio.create_task(
            play(switch, tmp_path, [*call("X-Go: secure"), *given_back()], media_port=ear.port)
        )
        await ear.speech()
        await ear.press("0")
        played = await playing
        assert human.received("INVITE sip:") == []
    assert played.bye.header("X-Failed") == "transport_failed"
