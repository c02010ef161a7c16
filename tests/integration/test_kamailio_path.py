"""All of a call through Kamailio, which records two routes: UDP, or UDP on its one side and mutual TLS on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.served import Served, eventually
from tests.integration.switched import HUNG_UP, Switch, accept, call, called, routed, switched, taken

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.needs("kamailio"), pytest.mark.timeout(300)]

Edge = tuple[Served, Switch]

ACKNOWLEDGED = (
    '<recv request="ACK"><action><ereg regexp=".*" search_in="hdr" header="From:" assign_to="them"/>'
    '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="us"/></action></recv>'
)
CALLEES_BYE = sipp.send(
    "BYE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n[routes]\n"
    "From:[$us]\nTo:[$them]\nCall-ID: [call_id]\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n"
)
"""Steps: the ACK, and a BYE of the callee's along the route set that it was called by."""


@pytest.fixture(scope="module", params=["udp", "tls"])
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with switched(tmp_path_factory.mktemp("switch"), request.param) as both:
        yield both


async def play(edge: Edge, folder: Path, steps: sipp.Steps) -> sipp.Played:
    """SIPp calls Kamailio."""
    _, switch = edge
    return await sipp.play(folder, steps, switch.outer, "200")


@asynccontextmanager
async def callee(edge: Edge, folder: Path, steps: sipp.Steps) -> AsyncIterator[sipp.Sipp]:
    """SIPp behind Kamailio, answering."""
    _, switch = edge
    answering = sipp.Sipp(folder, steps)
    await answering.start(switch.outer, "1001", source=switch.behind[0], port=switch.behind[1])
    await eventually(lambda: taken(*switch.behind))
    try:
        yield answering
        played = await answering.end()
        assert played.status == 0, played.output
    finally:
        answering.stop()


def call_id_of(played: sipp.Played) -> str:
    return played.messages[0].header("Call-ID")


def passed(seen: sipp.Seen) -> bool:
    """Whether a request came over both sides of Kamailio with its route set used up."""
    return len(seen.headers("Via")) == 2 and not seen.headers("Route")


async def test_hold_and_the_callers_bye(edge: Edge, tmp_path: Path) -> None:
    played = await play(
        edge,
        tmp_path,
        [
            *call("X-Shared-Id: held"),
            routed("INVITE", 2, sipp.CONTACT, body=sipp.sdp("sendonly")),
            *sipp.answered(),
            routed("ACK", 2, repeated=False),
            routed("UPDATE", 3, sipp.CONTACT, "Supported: timer", "Session-Expires: 120;refresher=uac"),
            sipp.receive(200),
            routed("INVITE", 4, sipp.CONTACT, body=sipp.sdp()),
            *sipp.answered(),
            routed("ACK", 4, repeated=False),
            routed("BYE", 5),
            sipp.receive(200),
        ],
    )
    first, held, resumed = played.responses(200, "INVITE")
    assert len(first.headers("Record-Route")) == 2
    assert "a=recvonly" in held.text
    assert "a=sendrecv" in resumed.text
    (renewed,) = played.responses(200, "UPDATE")
    assert renewed.header("Session-Expires") == "120;refresher=uac"
    ended = await edge[0].ended_call(call_id_of(played))
    assert ended["termination"]["reason"] == "caller_hung_up"


async def test_a_give_back(edge: Edge, tmp_path: Path) -> None:
    played = await play(edge, tmp_path, [*call("X-Act: leave"), *HUNG_UP])
    assert played.bye.header("X-Destination") == "sales"
    assert passed(played.bye)


@pytest.mark.parametrize("status", ["200 OK", "603 Decline"])
async def test_a_transfer(edge: Edge, tmp_path: Path, status: str) -> None:
    fragment = "message/sipfrag;version=2.0"
    notified = [
        routed(
            "NOTIFY",
            2,
            "Event: refer",
            "Subscription-State: active",
            body="SIP/2.0 100 Trying\n",
            kind=fragment,
        ),
        sipp.receive(200),
        routed(
            "NOTIFY",
            3,
            "Event: refer",
            "Subscription-State: terminated",
            body=f"SIP/2.0 {status}\n",
            kind=fragment,
        ),
        sipp.receive(200),
    ]
    done = status.startswith("200")
    played = await play(
        edge,
        tmp_path,
        [
            *call("X-Act: transfer"),
            sipp.receive_request("REFER"),
            accept("202 Accepted", sipp.CONTACT),
            *notified,
            *(HUNG_UP if done else [routed("BYE", 4), sipp.receive(200)]),
        ],
    )
    refer = played.only("REFER")
    assert passed(refer)
    assert refer.header("Refer-To").startswith("<sip:+15551234567@")
    assert refer.header("X-Lead") == "aB-7"
    call_ = await edge[0].conversation((await edge[0].ended_call(call_id_of(played)))["id"])
    assert call_["receipts"][0]["state"] == ("done" if done else "failed")


@pytest.mark.parametrize("by", ["caller", "callee"])
async def test_a_bridge(edge: Edge, tmp_path: Path, by: str) -> None:
    """Our INVITE is challenged; the callee has us renew the session; either side's BYE ends both."""
    leaves = [sipp.wait_for_cue(), routed("BYE", 2), sipp.receive(200)]
    timer = ["Require: timer", "Session-Expires: 6;refresher=uac", "Allow: INVITE, ACK, BYE, UPDATE"]
    refreshed = [sipp.receive_request("UPDATE"), accept("200 OK", sipp.CONTACT, *timer)]
    there = [*called(*timer), *refreshed, *HUNG_UP]
    if by == "callee":
        there = [*called()[:-1], ACKNOWLEDGED, sipp.pause(300), CALLEES_BYE, sipp.receive(200)]
    caller = sipp.Sipp(tmp_path, [*call("X-Act: human"), *(leaves if by == "caller" else HUNG_UP)])
    async with callee(edge, tmp_path, there) as answering:
        await caller.start(edge[1].outer, "200")
        try:
            if by == "caller":
                await answering.reached("UPDATE ")
                caller.cue()
            played = await caller.end()
        finally:
            caller.stop()
        assert played.status == 0, played.output
    invites = [seen for seen in answering.messages() if seen.start.startswith("INVITE ")]
    assert all(passed(seen) for seen in invites)
    assert invites[0].header("X-Lead") == "aB-7"
    assert not invites[0].headers("Proxy-Authorization"), "Kamailio takes them out"
    updates = [seen for seen in answering.messages() if seen.start.startswith("UPDATE ")]
    assert len({seen.header("CSeq") for seen in updates}) == (1 if by == "caller" else 0)
    assert all(passed(seen) for seen in updates)
    call_ = await edge[0].conversation((await edge[0].ended_call(call_id_of(played)))["id"])
    assert call_["receipts"][0]["state"] == "done"
