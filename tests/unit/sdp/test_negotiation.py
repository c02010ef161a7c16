"""Offer and answer: what is chosen, what is declined, hold and resume, and both families of address."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sdp.test_description import LINES
from tieline.sdp.description import SdpError, SdpReason, parse
from tieline.sdp.negotiation import (
    Direction,
    LocalMedia,
    NegotiatedMedia,
    accept_answer,
    answer,
    answer_inactive,
    offer,
    reanswer,
)

LOCAL = LocalMedia(address="198.51.100.5", port=20000, session_id=4711)


def sdp(*media: str, address: str = "IN IP4 192.0.2.10", session: tuple[str, ...] = ()) -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", f"c={address}", "t=0 0", *session, *media]
    return "\r\n".join([*lines, ""]).encode()


AUDIO = ("m=audio 4000 RTP/AVP 18 8 0 96", "a=rtpmap:96 telephone-event/8000")


def refusal(offered: bytes, local: LocalMedia = LOCAL) -> SdpReason:
    with pytest.raises(SdpError) as caught:
        answer(offered, local)
    return caught.value.reason


def test_the_codec_follows_the_order_of_the_offer() -> None:
    negotiated = answer(sdp(*AUDIO), LOCAL)
    assert negotiated.media == NegotiatedMedia(("192.0.2.10", 4000), 8, 96, send=True, receive=True)
    assert not negotiated.media.held
    assert negotiated.answer == (
        b"v=0\r\no=tieline 4711 1 IN IP4 198.51.100.5\r\ns=-\r\nc=IN IP4 198.51.100.5\r\nt=0 0\r\n"
        b"m=audio 20000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n"
        b"a=ptime:20\r\na=sendrecv\r\n"
    )


def test_without_telephone_event_there_are_no_digits() -> None:
    negotiated = answer(sdp("m=audio 4000 RTP/AVP 0"), LOCAL)
    assert negotiated.media.dtmf_payload_type is None
    assert b"telephone-event" not in negotiated.answer


@pytest.mark.parametrize(
    "line", ["a=rtpmap:97 telephone-event/16000", "a=rtpmap:x telephone-event/8000", "a=rtpmap:97"]
)
def test_other_events_are_not_digits(line: str) -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 0 97", line), LOCAL).media.dtmf_payload_type is None


def test_every_other_stream_is_declined_in_its_place() -> None:
    offered = sdp(
        "m=video 5000 RTP/AVP 31 32", *AUDIO, "m=audio 4002 RTP/AVP 0", "m=application 9 UDP/BFCP *"
    )
    sections = parse(answer(offered, LOCAL).answer).media
    assert [(media.kind, media.port, media.protocol) for media in sections] == [
        ("video", 0, "RTP/AVP"),
        ("audio", 20000, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
        ("application", 0, "UDP/BFCP"),
    ]
    assert sections[0].formats == ("31",)


def test_a_plain_stream_is_found_behind_an_encrypted_one() -> None:
    offered = sdp("m=audio 4002 RTP/SAVP 0", "m=audio 4000 RTP/AVPF 0")
    negotiated = answer(offered, LOCAL)
    assert negotiated.media.remote == ("192.0.2.10", 4000)
    assert parse(negotiated.answer).media[1].protocol == "RTP/AVPF"


def test_rtcp_multiplexing_is_not_claimed() -> None:
    assert b"rtcp-mux" not in answer(sdp(*AUDIO, "a=rtcp-mux"), LOCAL).answer


@pytest.mark.parametrize(("asked", "taken"), [("30", 30), ("5", 20), ("500", 20), ("abc", 20), ("99999", 20)])
def test_packet_time(asked: str, taken: int) -> None:
    assert answer(sdp(*AUDIO, f"a=ptime:{asked}"), LOCAL).media.ptime_ms == taken


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (sdp(), SdpReason.NO_AUDIO),
        (sdp("m=video 4000 RTP/AVP 31"), SdpReason.NO_AUDIO),
        (sdp("m=audio 0 RTP/AVP 0"), SdpReason.NO_AUDIO),
        (sdp("m=audio 4000 RTP/AVP 18 111 x 9999"), SdpReason.NO_COMMON_CODEC),
        (sdp("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 OPUS/48000"), SdpReason.NO_COMMON_CODEC),
        (sdp("m=audio 4000 UDP/TLS/RTP/SAVPF 0"), SdpReason.UNSUPPORTED_TRANSPORT),
        (sdp("m=audio 4000 RTP/SAVP 0"), SdpReason.ENCRYPTION_REFUSED),
        (sdp(*AUDIO).replace(b"c=IN IP4 192.0.2.10\r\n", b""), SdpReason.BAD_ADDRESS),
        (sdp(*AUDIO, address="IN IP6 2001:db8::1"), SdpReason.ADDRESS_FAMILY),
    ],
)
def test_refusals(offered: bytes, reason: SdpReason) -> None:
    assert refusal(offered) is reason


def test_a_static_codec_may_be_spelled_out() -> None:
    assert answer(sdp("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 pcmu/8000/1"), LOCAL).media.payload_type == 0


def test_ipv6() -> None:
    local = replace(LOCAL, address="2001:db8::5")
    negotiated = answer(sdp(*AUDIO, address="IN IP6 2001:db8::1"), local)
    assert negotiated.media.remote == ("2001:db8::1", 4000)
    assert b"c=IN IP6 2001:db8::5\r\n" in negotiated.answer


@pytest.mark.parametrize(
    ("lines", "address", "send", "receive", "written"),
    [
        (("a=sendonly",), "IN IP4 192.0.2.10", False, True, b"a=recvonly"),
        (("a=recvonly",), "IN IP4 192.0.2.10", True, False, b"a=sendonly"),
        (("a=inactive",), "IN IP4 192.0.2.10", False, False, b"a=inactive"),
        ((), "IN IP4 0.0.0.0", False, True, b"a=recvonly"),
        (("a=inactive",), "IN IP4 0.0.0.0", False, False, b"a=inactive"),
    ],
)
def test_hold_and_resume(
    lines: tuple[str, ...], address: str, send: bool, receive: bool, written: bytes
) -> None:
    first = answer(sdp(*AUDIO), LOCAL)
    held = reanswer(sdp(*AUDIO, *lines, address=address), LOCAL, first.answer)
    assert (held.media.send, held.media.receive) == (send, receive)
    assert held.media.held is not send
    assert written in held.answer
    assert parse(held.answer).origin.version == 2
    resumed = reanswer(sdp(*AUDIO), LOCAL, held.answer)
    assert resumed.media == first.media
    assert parse(resumed.answer).origin == replace(parse(first.answer).origin, version=3)


def test_hold_at_the_session_level_yields_to_the_stream() -> None:
    assert answer(sdp(*AUDIO, session=("a=sendonly",)), LOCAL).media.held
    assert not answer(sdp(*AUDIO, "a=sendrecv", session=("a=sendonly",)), LOCAL).media.held


def test_an_unchanged_answer_keeps_its_version() -> None:
    first = answer(sdp(*AUDIO), LOCAL)
    assert reanswer(sdp(*AUDIO), LOCAL, first.answer).answer == first.answer


def test_we_may_hold_too() -> None:
    first = answer(sdp(*AUDIO), LOCAL)
    held = reanswer(sdp(*AUDIO), LOCAL, first.answer, direction=Direction.SENDONLY)
    assert (held.media.send, held.media.receive) == (True, False)


def test_a_call_without_media_is_answered_inactive_with_a_valid_port() -> None:
    negotiated = answer_inactive(sdp(*AUDIO), LOCAL)
    assert not negotiated.media.send
    assert not negotiated.media.receive
    assert b"m=audio 20000" in negotiated.answer
    assert b"a=inactive" in negotiated.answer


def test_late_offer() -> None:
    ours = offer(LOCAL)
    section = parse(ours).media[0]
    assert section.formats == ("0", "8", "101")
    assert section.values("rtpmap") == ["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"]
    theirs = answer(ours, replace(LOCAL, address="192.0.2.10", port=4000))
    media = accept_answer(ours, theirs.answer)
    assert media == NegotiatedMedia(("192.0.2.10", 4000), 0, 101, send=True, receive=True)


def test_a_renewed_offer_keeps_session_and_version_until_it_changes() -> None:
    ours = offer(LOCAL)
    assert offer(LOCAL, ours) == ours
    assert parse(offer(LOCAL, ours, direction=Direction.INACTIVE)).origin.version == 2


def test_an_answer_may_leave_out_digits_and_hold_us() -> None:
    media = accept_answer(offer(LOCAL), sdp("m=audio 4000 RTP/AVP 8", "a=recvonly"))
    assert media == NegotiatedMedia(("192.0.2.10", 4000), 8, None, send=True, receive=False)


def test_digits_that_we_did_not_offer_are_not_agreed() -> None:
    theirs = sdp("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")
    assert accept_answer(offer(LOCAL), theirs).dtmf_payload_type is None


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (sdp(), SdpReason.NO_AUDIO),
        (sdp("m=audio 0 RTP/AVP 0"), SdpReason.NO_AUDIO),
        (sdp("m=video 4000 RTP/AVP 31"), SdpReason.NO_AUDIO),
        (sdp("m=audio 4000 RTP/AVP 18"), SdpReason.NO_COMMON_CODEC),
        (b"", SdpReason.EMPTY),
    ],
)
def test_bad_answers(theirs: bytes, reason: SdpReason) -> None:
    with pytest.raises(SdpError) as caught:
        accept_answer(offer(LOCAL), theirs)
    assert caught.value.reason is reason


@given(
    st.one_of(
        st.binary(max_size=300),
        LINES.map(lambda lines: "\r\n".join(["v=0", *lines]).encode("utf-8", "replace")),
    )
)
def test_garbage_raises_nothing_else(body: bytes) -> None:
    previous = offer(LOCAL)
    attempts: list[Callable[[], bytes]] = [
        lambda: answer(body, LOCAL).answer,
        lambda: reanswer(body, LOCAL, previous).answer,
        lambda: answer_inactive(body, LOCAL).answer,
        lambda: bytes(accept_answer(previous, body).payload_type),
    ]
    for negotiate in attempts:
        with contextlib.suppress(SdpError):
            negotiate()
