"""What is refused, on the wire: each with its status, each with a record that says rule by rule why."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.served import GUARDED, NARROW, PACED, STRANGER, TOKEN, Served
from tests.integration.sip_peer import Message, SipPeer


@asynccontextmanager
async def peer_of(served: Served, host: str = "127.0.0.1") -> AsyncIterator[SipPeer]:
    peer = await SipPeer.open(served.sip_udp, host)
    yield peer
    await peer.close()


@pytest.fixture
async def peer(served: Served) -> AsyncIterator[SipPeer]:
    """A peer on the main trunk."""
    async with peer_of(served) as opened:
        yield opened


def rules(record: dict[str, Any]) -> dict[str, bool]:
    """Which rules were asked, and which held."""
    return {rule["rule"]: rule["held"] for rule in record["refusal"]["rules"]}


async def check_refused(
    served: Served, peer: SipPeer, answer: Message, status: int, reason: str
) -> dict[str, Any]:
    """The answer and the record of a refused INVITE agree, and the record says why."""
    assert answer.status == status, answer.text
    assert answer.method == "INVITE"
    record = await served.refusal(peer.call_id)
    assert record["refusal"]["status"] == status
    assert record["refusal"]["reason"] == reason
    assert record["source"] == peer.host
    last = record["refusal"]["rules"][-1]
    assert not last["held"]
    assert last["detail"]
    return record


async def test_an_unknown_peer(served: Served) -> None:
    async with peer_of(served, STRANGER) as stranger:
        answer = await stranger.invite("200")
        record = await check_refused(served, stranger, answer, 403, "unknown_trunk")
        assert rules(record) == {"trunk": False}
        assert STRANGER in record["refusal"]["rules"][0]["detail"]
        stranger.raw(stranger.request("OPTIONS", stranger.uri("200")))
        with pytest.raises(TimeoutError):
            await stranger.final(0.5)


async def test_a_wrong_token(served: Served, peer: SipPeer) -> None:
    answer = await peer.invite("200", headers=["X-PolyAi-Auth-Token: tlt_wrong"])
    record = await check_refused(served, peer, answer, 403, "bad_token")
    assert rules(record) == {"trunk": True, "token": False}
    assert "tlt_wrong" not in str(record)


async def test_a_required_token(served: Served) -> None:
    async with peer_of(served, GUARDED) as guarded:
        answer = await guarded.invite("200")
        await check_refused(served, guarded, answer, 403, "token_required")
        guarded.fresh()
        answer = await guarded.invite(
            "nobody", headers=[f"X-PolyAi-Auth-Token: {TOKEN}", "X-Act: leave", "X-Shared-Id: by-token"]
        )
        assert answer.status == 200
        assert (await guarded.bye_heard()).header("X-Shared-Id") == "by-token"
        call = await served.ended_call(guarded.call_id)
        assert TOKEN not in str(await served.conversation(call["id"]))
        assert TOKEN not in await served.command("calls", "show", call["id"])


async def test_no_route(served: Served, peer: SipPeer) -> None:
    answer = await peer.invite("+15559999999")
    record = await check_refused(served, peer, answer, 404, "no_route")
    assert rules(record) == {"trunk": True, "token": False, "reserved_dni": False, "number": False}


async def test_a_number_of_another_trunk(served: Served) -> None:
    """The pool's numbers are reached over its own trunk only."""
    reserved = await served.reserve(shared_id="elsewhere")
    async with peer_of(served, NARROW) as other:
        answer = await other.invite(reserved["dni"])
        record = await check_refused(served, other, answer, 404, "no_route")
    assert rules(record)["reserved_dni"] is False


async def test_a_full_trunk(served: Served) -> None:
    async with peer_of(served, NARROW) as first, peer_of(served, NARROW) as second:
        assert (await first.invite("200", headers=["X-Act: hold"])).status == 200
        answer = await second.invite("200")
        assert int(answer.header("Retry-After")) > 0
        record = await check_refused(served, second, answer, 503, "trunk_call_limit")
        assert rules(record) == {
            "trunk": True,
            "token": False,
            "reserved_dni": False,
            "number": True,
            "admission": False,
        }
        assert (await first.ask("BYE")).status == 200
        await served.ended_call(first.call_id)
        second.fresh()
        assert (await second.invite("200", headers=["X-Act: leave"])).status == 200
        await second.bye_heard()


async def test_a_trunk_that_calls_too_fast(served: Served) -> None:
    answers = []
    async with peer_of(served, PACED) as paced:
        for _ in range(3):
            paced.fresh()
            answers.append(await paced.invite("300", headers=["X-Act: leave"]))
            if answers[-1].status == 200:
                await paced.ask("BYE")
                continue
            assert int(answers[-1].header("Retry-After")) > 0
            record = await served.refusal(paced.call_id)
            assert record["refusal"]["reason"] == "trunk_rate_limit"
            break
    assert answers[0].status == 200
    assert answers[-1].status == 503


BAD_OFFERS = {
    "nonsense": "this is no SDP at all",
    "no audio": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 99\r\n",
    "no codec of ours": (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n"
    ),
    "no address": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
    "a name for an address": (
        "v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nc=IN IP4 audio.example.invalid\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    ),
    "a port that is none": (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 99999 RTP/AVP 0\r\n"
    ),
}


@pytest.mark.parametrize("offer", BAD_OFFERS)
async def test_a_bad_offer(served: Served, peer: SipPeer, offer: str) -> None:
    reserved = await served.reserve(shared_id="bad-offer")
    answer = await peer.invite(reserved["dni"], body=BAD_OFFERS[offer])
    record = await check_refused(served, peer, answer, 488, "bad_offer")
    assert rules(record)["media"] is False
    assert "399" in answer.header("Warning")
    # The reservation was not used up by the failed attempt.
    peer.fresh()
    assert (await peer.invite(reserved["dni"])).status == 200
    assert (await peer.ask("BYE")).status == 200
    call = await served.ended_call(peer.call_id)
    assert call["reservation_id"] == reserved["reservation_id"]


async def test_a_late_offer_without_an_answer(served: Served, peer: SipPeer) -> None:
    reserved = await served.reserve(shared_id="no-answer")
    assert (await peer.invite(reserved["dni"], body="")).status == 200
    bye = await peer.bye_heard()
    assert bye.header("Reason")
    call = await served.ended_call(peer.call_id)
    assert call["termination"]["reason"] == "bad_offer"


@pytest.mark.parametrize(
    ("headers", "kind", "status"),
    [
        (["Require: foo"], "application/sdp", 420),
        ([], "text/plain", 415),
        (["Content-Encoding: gzip"], "application/sdp", 415),
        (["Accept: text/plain"], "application/sdp", 406),
    ],
)
async def test_what_the_standard_refuses(
    served: Served, peer: SipPeer, headers: list[str], kind: str, status: int
) -> None:
    answer = await peer.invite("200", headers=headers, kind=kind)
    record = await check_refused(served, peer, answer, status, "protocol")
    assert rules(record) == {"protocol": False}
    if status == 420:
        assert answer.header("Unsupported") == "foo"
    if status == 415:
        assert "application/sdp" in answer.text.lower().partition("accept")[2]


async def test_a_uri_of_another_kind(served: Served, peer: SipPeer) -> None:
    answer = await peer.invite("", uri="http://example.com/")
    await check_refused(served, peer, answer, 416, "protocol")


@pytest.mark.parametrize(
    ("method", "status"), [("REGISTER", 405), ("SUBSCRIBE", 405), ("MESSAGE", 405), ("DANCE", 501)]
)
async def test_methods_that_are_not_served(served: Served, peer: SipPeer, method: str, status: int) -> None:
    answer = await peer.ask(method, peer.uri("200"))
    assert answer.status == status
    if status == 405:
        assert "INVITE" in answer.header("Allow")


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE"])
async def test_a_dialog_that_nobody_knows(served: Served, peer: SipPeer, method: str) -> None:
    answer = await peer.ask(method, peer.uri("200"), to=f"<{peer.uri('200')}>;tag=never-ours")
    assert answer.status == 481


async def test_a_cancel_of_nothing(served: Served, peer: SipPeer) -> None:
    assert (await peer.ask("CANCEL", peer.uri("200"))).status == 481


def broken_datagrams() -> dict[str, bytes]:
    """Datagrams that no answer is owed to; all are counted."""
    head = b"INVITE sip:200@127.0.0.1 SIP/2.0\r\n"
    rest = b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\n"
    return {
        "chance": b"\x01" + os.urandom(800),
        "words": b"hello there\r\n\r\n",
        "a request without Via": head + rest + b"CSeq: 1 INVITE\r\n\r\n",
        "a header without end": head + b"X: " + b"x" * 60000,
        "not SIP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "a reply to nothing": (
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n"
            + rest
            + b"CSeq: 1 INVITE\r\n\r\n"
        ),
        "an ACK to nothing": (
            b"ACK sip:200@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKy\r\n"
            + rest
            + b"CSeq: 1 ACK\r\n\r\n"
        ),
    }


async def dropped(served: Served) -> float:
    """All drops together, once they no longer change: what was dropped before is shown a moment later."""
    found = -1.0
    while True:
        now = sum([await served.metric("tieline_sip_dropped_total", reason=one) for one in DROPS])
        if now == found:
            return now
        found = now
        await asyncio.sleep(1.5)


DROPS = ("malformed", "oversized", "stranger", "unmatched")


async def test_garbage_is_dropped_and_counted(served: Served, peer: SipPeer) -> None:
    before = await dropped(served)
    sent = broken_datagrams()
    for datagram in [*sent.values(), b"", b"\r\n\r\n", bytes(300)]:
        peer.raw(datagram)

    assert await dropped(served) == before + len(sent)
    assert peer.messages == []
    assert (await served.ask("GET", "/health/ready")).status == 200
    assert (await peer.ask("OPTIONS", peer.uri("200"))).status == 200


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("CSeq: 1 INVITE", "CSeq: one INVITE"),
        ("Content-Length: ", "Content-Length: 9"),
        ("Max-Forwards: 70", "Max-Forwards: many"),
        ("Contact: <sip:peer", "Contact: <tel:+1555;peer"),
        ("From: <sip:", "From: <<sip:"),
        ("Call-ID", "X-Call-ID"),
    ],
)
async def test_a_broken_invite(served: Served, peer: SipPeer, was: str, becomes: str) -> None:
    text = peer.request("INVITE", peer.uri("200"), body=peer.sdp(), to="<sip:broken@invite>")
    assert was in text
    peer.raw(text.replace(was, becomes))
    answer = await peer.final()
    assert answer.status == 400
    rows = await served.command_json("calls", "refused", "--limit", "1000")
    shown = [
        rule["detail"] for row in rows for rule in row["refusal"]["rules"] if row["refusal"]["status"] == 400
    ]
    assert shown


async def test_streams_of_garbage(served: Served, peer: SipPeer) -> None:
    """Over TCP what cannot be framed ends the connection, and nothing else."""
    sent = [
        os.urandom(5000),
        b"INVITE " + b"x" * 200_000,
        b"\r\n" * 5000,
        b"INVITE sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
    ]
    for garbage in sent:
        reader, writer = await asyncio.open_connection(*served.sip("tcp"))
        with contextlib.suppress(OSError):
            writer.write(garbage)
            writer.write_eof()
            async with asyncio.timeout(20):
                assert b"200 OK" not in await reader.read()
        writer.close()
    assert (await peer.ask("OPTIONS", peer.uri("200"))).status == 200


async def test_a_large_invite_is_read_and_an_endless_one_is_not(served: Served, peer: SipPeer) -> None:
    large = [f"X-Large-{number}: {'x' * 6000}" for number in range(7)]
    answer = await peer.invite("+15559999998", headers=large)
    assert answer.status == 404
    peer.fresh()
    answer = await peer.invite("200", headers=[f"X-Endless: {'x' * 50000}"])
    assert answer.status == 400
    peer.fresh()
    before = await dropped(served)
    peer.raw(peer.request("INVITE", peer.uri("200") + "x" * 9000))
    assert await dropped(served) == before + 1


async def test_lost_acks(served: Served, peer: SipPeer) -> None:
    """The 200 is sent again until the ACK comes; the agent speaks only then."""
    reserved = await served.reserve(shared_id="late-ack", act="leave")
    first = await peer.invite(reserved["dni"], acknowledge=False)
    second = await peer.final()
    third = await peer.final()
    assert first.text == second.text == third.text
    assert third.at - first.at > 0.75  # 1.5 s by RFC 3261, less what the first may have been read late
    assert not any(message.start.startswith("BYE") for message in peer.messages)
    peer.ack()
    await peer.bye_heard()


async def test_the_same_invite_again(served: Served, peer: SipPeer) -> None:
    """A retransmission is no second call; the same call by another path is told so."""
    reserved = await served.reserve(shared_id="again", act="hold")
    branch = peer.branch()
    text = peer.request("INVITE", peer.uri(reserved["dni"]), body=peer.sdp(), branch=branch)
    peer.raw(text)
    peer.raw(text)
    answer = await peer.final()
    assert answer.status == 200
    peer.raw(text.replace(branch, peer.branch()))
    merged = await peer.final()
    while merged.status == 200:
        merged = await peer.final()
    assert merged.status == 482
    listed = await served.command_json("calls", "list", "--limit", "1000")
    assert sum(call["sip_call_id"] == peer.call_id for call in listed) == 1
