"""SIPp as a carrier's SBC that wants much: reliable ringing, ISUP beside its SDP, and who is calling in a header."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import Served

pytestmark = pytest.mark.needs("sipp")
MODES = {"udp": "u1", "tcp": "t1"}
MIXED = "multipart/mixed;boundary=part"
DIVERSION = "Diversion: <sip:+15550002222@carrier.example>;reason=unconditional"
RINGING = """<recv response="180" rrs="true"><action>
<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="rseq"/>
</action></recv>"""


def multipart(sdp: str) -> str:
    """The SDP between ISUP and a location."""
    parts = [
        "Content-Type: application/ISUP;version=itu-t92+\nContent-Disposition: signal;handling=optional\n\nIAM",
        f"Content-Type: application/sdp\n\n{sdp.rstrip()}",
        "Content-Type: application/pidf+xml\n\n(here)",
    ]
    return "".join(f"--part\n{part}\n" for part in parts) + "--part--\n"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ringing_is_acknowledged_and_the_sdp_found(
    served: Served, ear: RtpEnd, tmp_path: Path, transport: str
) -> None:
    reserved = await served.reserve(shared_id=f"carrier-{transport}")
    headers = [sipp.CONTACT, "Require: 100rel", "Allow: INVITE, ACK, BYE, CANCEL, PRACK", DIVERSION]
    invite = sipp.request(
        "INVITE",
        1,
        uri=sipp.URI,
        to=f"To: <{sipp.URI}>",
        headers=headers,
        body=multipart(sipp.sdp()),
        kind=MIXED,
    )
    steps: sipp.Steps = [
        sipp.send(invite),
        sipp.receive(100, optional=True),
        RINGING,
        sipp.send(sipp.request("PRACK", 2, headers=["RAck: [$rseq] 1 INVITE"])),
        # Those to PRACK and INVITE, in whichever order.
        sipp.receive(200, routes=True),
        sipp.receive(200, routes=True),
        sipp.ack(),
        sipp.info(3, "2"),
        sipp.receive_request("BYE"),
        sipp.thank(),
    ]
    played = await sipp.play(
        tmp_path,
        steps,
        served.sip(transport),
        reserved["dni"],
        mode=MODES[transport],
        media_port=ear.port,
    )
    (ringing,) = played.responses(180, "INVITE")
    assert ringing.header("Require") == "100rel"
    assert len(played.responses(200, "PRACK")) == 1
    assert "m=audio" in played.responses(200, "INVITE")[0].text
    assert played.bye.header("X-Destination") == "service"
    assert any(packet.loud for packet in ear.heard)
    call = await served.ended_call(played.bye.header("Call-ID"))
    assert (await served.conversation(call["id"]))["termination"]["reason"] == "handed_off"


async def test_a_body_that_must_be_understood_and_is_not(served: Served, tmp_path: Path) -> None:
    reserved = await served.reserve(shared_id="demanding")
    body = multipart(sipp.sdp()).replace("handling=optional", "handling=required")
    invite = sipp.request(
        "INVITE", 1, uri=sipp.URI, to=f"To: <{sipp.URI}>", headers=[sipp.CONTACT], body=body, kind=MIXED
    )
    steps: sipp.Steps = [sipp.send(invite), sipp.receive(100, optional=True), sipp.receive(415), sipp.ack()]
    played = await sipp.play(tmp_path, steps, served.sip_udp, reserved["dni"])
    assert "multipart/mixed" in played.responses(415, "INVITE")[0].header("Accept")
