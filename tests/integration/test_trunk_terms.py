"""What a trunk says of its peer takes effect on the wire: digest, timers, 100rel, advertised address, pace."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import Served, eventually, serving
from tests.integration.sip_peer import SipPeer
from tests.integration.switched import HUNG_UP, PROJECT

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.timeout(300)]

PROVING, OLD, ABROAD, STRICT, PLAIN, PACED, STRANGER = (f"127.0.0.{number}" for number in range(31, 38))

RESOURCES = f"""
accounts: [{{slug: northwind}}]
projects:
  - {{slug: desk, account: northwind, path: {PROJECT}, env: sandbox, numbers: ["200"], fallback_handoff: leave}}
trunks:
  - {{name: main, account: northwind, networks: [127.0.0.1]}}
  - {{name: edge, networks: [127.0.0.20], target: 127.0.0.20}}
  - {{name: proving, networks: [{PROVING}], auth_username: agent, auth_password: s3cret}}
  - {{name: old, networks: [{OLD}], auth_username: agent, auth_password: s3cret, auth_algorithms: MD5}}
  - {{name: abroad, networks: [{ABROAD}], advertised_host: 203.0.113.9, advertised_port: 5099}}
  - {{name: strict, networks: [{STRICT}], session_timer: required, session_expires_s: 600,
     reliable_provisional: required}}
  - {{name: plain, networks: [{PLAIN}], session_timer: "off", reliable_provisional: "off"}}
  - {{name: paced, networks: [{PACED}], max_cps: 5}}
api_keys:
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a trunk for each of these terms."""
    with serving(
        tmp_path_factory.mktemp("server"), {"log": {"level": "debug"}}, resources=RESOURCES
    ) as running:
        yield running


RINGING = (
    '<recv response="180" rrs="true"><action><ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" '
    'assign_to="rseq"/></action></recv>'
)
AUTHENTICATED = "[authentication username={name} password={password}]"


def proving(name: str = "agent", password: str = "s3cret") -> list[str]:
    """Steps: an INVITE, its challenge, and another with the credentials."""
    return [
        sipp.invite(),
        '<recv response="401" auth="true"/>',
        sipp.send(sipp.request("ACK", 1, uri=sipp.URI, to="[last_To:]"), retransmitted=False),
        sipp.invite(headers=[AUTHENTICATED.format(name=name, password=password)], cseq=2),
    ]


class TestDigest:
    @pytest.mark.parametrize("mode", ["u1", "t1"])
    async def test_an_old_peer_proves_itself(self, served: Served, tmp_path: Path, mode: str) -> None:
        bye = [sipp.send(sipp.request("BYE", 3)), sipp.receive(200)]
        steps: sipp.Steps = [*proving(), *sipp.answered(), sipp.ack(2), *bye]
        target = served.sip("udp" if mode == "u1" else "tcp")
        played = await sipp.play(tmp_path, steps, target, "200", mode=mode, source=OLD)
        (challenge,) = played.responses(401, "INVITE")[0].headers("WWW-Authenticate")
        assert "algorithm=MD5" in challenge

    async def test_who_cannot(self, served: Served, tmp_path: Path) -> None:
        wrong: sipp.Steps = [
            *proving(password="guess"),
            '<recv response="401"/>',
            sipp.send(sipp.request("ACK", 2, uri=sipp.URI, to="[last_To:]"), retransmitted=False),
        ]
        played = await sipp.play(tmp_path, wrong, served.sip_udp, "200", source=OLD)
        refused = await served.refusal(played.messages[0].header("Call-ID"))
        assert (refused["refusal"]["status"], refused["trunk"]) == (401, "old")

    async def test_both_algorithms_unless_the_trunk_says_so(self, served: Served) -> None:
        peer = await SipPeer.open(served.sip_udp, PROVING)
        answer = await peer.invite("200")
        await peer.close()
        assert answer.status == 401
        offered = re.findall(r"^WWW-Authenticate: Digest .*algorithm=([^,]+)", answer.text, re.MULTILINE)
        assert offered == ["SHA-256", "MD5"]


async def test_the_advertised_address(served: Served, tmp_path: Path) -> None:
    """In Contact and SDP of the answer, and in Via of our own request."""
    steps: sipp.Steps = [sipp.invite(headers=["X-Act: leave"]), *sipp.answered(), sipp.ack(), *HUNG_UP]
    played = await sipp.play(tmp_path, steps, served.sip_udp, "200", source=ABROAD)
    (ok,) = played.responses(200, "INVITE")
    assert ok.header("Contact") == "<sip:tieline@203.0.113.9:5099>"
    assert "c=IN IP4 203.0.113.9" in ok.text
    assert played.bye.header("Via").startswith("SIP/2.0/UDP 203.0.113.9:5099;")


async def test_a_long_request_to_a_peer_without_tcp(served: Served, tmp_path: Path) -> None:
    """Over 1300 bytes it is to go by TCP; nobody listens there, so that it comes by UDP after all."""
    asked = ["X-Act: wordy", f"X-Note: {'word ' * 180}end"]
    steps: sipp.Steps = [sipp.invite(headers=asked), *sipp.answered(), sipp.ack(), *HUNG_UP]
    played = await sipp.play(tmp_path, steps, served.sip_udp, "200")
    assert len(played.bye.text) > 1_800
    assert played.bye.header("X-One") == played.bye.header("X-Two")
    assert played.bye.header("Via").startswith("SIP/2.0/UDP ")
    assert played.bye.header("CSeq") == "1 BYE"


class TestExtensions:
    async def test_required(self, served: Served, tmp_path: Path) -> None:
        bare = await SipPeer.open(served.sip_udp, STRICT)
        answer = await bare.invite("200")
        await bare.close()
        assert (answer.status, answer.header("Require")) == (421, "timer, 100rel")
        able: sipp.Steps = [
            sipp.invite(headers=["Supported: timer, 100rel", "X-Act: leave"]),
            sipp.receive(100, optional=True),
            RINGING,
            sipp.send(sipp.request("PRACK", 2, headers=["RAck: [$rseq] 1 INVITE"])),
            sipp.receive(200),
            sipp.receive(200, routes=True),
            sipp.ack(),
            *HUNG_UP,
        ]
        played = await sipp.play(tmp_path, able, served.sip_udp, "200", source=STRICT)
        (ok,) = played.responses(200, "INVITE")
        assert ok.header("Session-Expires") == "600;refresher=uac"
        assert ok.header("Require") == "timer"

    async def test_off(self, served: Served, tmp_path: Path) -> None:
        steps: sipp.Steps = [
            sipp.invite(headers=["Supported: timer, 100rel", "X-Act: leave"]), *sipp.answered(), sipp.ack(), *HUNG_UP,
        ]  # fmt: skip
        played = await sipp.play(tmp_path, steps, served.sip_udp, "200", source=PLAIN)
        (ok,) = played.responses(200, "INVITE")
        assert not ok.headers("Session-Expires")
        assert not played.responses(180, "INVITE")[0].headers("RSeq")


async def test_floods_are_refused_and_a_running_call_goes_on(
    served: Served, ear: RtpEnd, tmp_path: Path
) -> None:
    """A trunk over its pace gets 503 and when to come again, strangers 403 or nothing; a key is still heard."""
    held = sipp.Sipp(tmp_path, [sipp.invite(), *sipp.answered(), sipp.ack(), *HUNG_UP], ear.port)
    await held.start(served.sip_udp, "200")
    await eventually(lambda: any(seen.start.startswith("ACK ") for seen in held.messages()))
    refused = [
        sipp.invite(),
        sipp.receive(100, optional=True),
        sipp.receive(503),
        sipp.send(sipp.request("ACK", 1, uri=sipp.URI, to="[last_To:]"), retransmitted=False),
    ]
    fast = sipp.Sipp(tmp_path, refused)
    strange = sipp.Sipp(tmp_path, [sipp.invite(), sipp.receive(403)])
    admitted = await SipPeer.open(served.sip_udp, PACED)
    try:
        for _ in range(5):  # what the trunk may do at once
            admitted.fresh()
            assert (await admitted.invite("200", headers=["X-Act: leave"])).status == 200
        more = ["-max_retrans", "1"]
        await fast.start(served.sip_udp, "200", calls=200, rate=200, source=PACED, more=more)
        await strange.start(served.sip_udp, "200", calls=200, rate=200, source=STRANGER, more=more)
        await asyncio.sleep(0.5)
        before = len(ear.heard)
        await ear.press("1")
        played = await held.end()
        assert played.status == 0, played.output
        assert played.bye.header("X-Destination") == "sales"
        assert before > 0
        flood = await fast.end()
        told = [seen for seen in flood.received("SIP/2.0 503 ") if seen.headers("Retry-After")]
        assert len({tuple(seen.headers("Call-ID")) for seen in told}) > 150
        assert all(int(seen.headers("Retry-After")[0]) >= 1 for seen in told)
    finally:
        for one in (held, fast, strange):
            one.stop()
        await admitted.close()
    assert await served.metric("tieline_calls_refused_total", reason="trunk_rate_limit") > 150
    assert await served.metric("tieline_calls_refused_total", reason="unknown_trunk") >= 1
