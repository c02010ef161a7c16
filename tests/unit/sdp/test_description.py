"""Reading and writing session descriptions, good, odd and hostile."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.sdp.description import (
    MAX_BYTES,
    MAX_MEDIA,
    Description,
    Media,
    Origin,
    SdpError,
    SdpReason,
    parse,
    serialise,
)

OFFER = (
    b"v=0\r\no=alice 2890844526 7 IN IP4 host.example.com\r\ns=call\r\nc=IN IP4 192.0.2.10\r\nb=AS:64\r\nt=0 0\r\n"
    b"a=sendrecv\r\nm=audio 49170/2 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
    b"m=video 51372 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\n"
)


def reason_of(body: bytes) -> SdpReason:
    with pytest.raises(SdpError) as caught:
        parse(body)
    assert caught.value.fields["reason"] == caught.value.reason.value
    return caught.value.reason


def test_reads_every_section_of_an_ordinary_offer() -> None:
    description = parse(OFFER)
    assert description.origin == Origin(2890844526, 7, "host.example.com", "alice")
    assert description.address == "192.0.2.10"
    assert description.attributes == (("sendrecv", ""),)
    audio, video = description.media
    assert (audio.kind, audio.port, audio.protocol, audio.formats) == (
        "audio",
        49170,
        "RTP/AVP",
        ("0", "8", "101"),
    )
    assert audio.address is None
    assert audio.values("rtpmap") == ["101 telephone-event/8000"]
    assert audio.values("sendonly") == [""]
    assert video.address == "2001:db8::1"


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_takes_any_line_end(line_end: bytes) -> None:
    assert parse(OFFER.replace(b"\r\n", line_end)) == parse(OFFER)


def test_tolerates_missing_and_unknown_lines() -> None:
    description = parse(b"\r\nv=0\r\nX=what\r\nnonsense\r\nm=audio 4000  RTP/AVP  0\r\no=after the media\r\n")
    assert description.origin == Origin(0, 0, "0.0.0.0")
    assert description.media[0].formats == ("0",)


@pytest.mark.parametrize(
    "origin", [b"o=- x 2 IN IP4 a", b"o=- \xd9\xa3 2 IN IP4 a", b"o=- 99999999999999999999999 2 IN IP4 a"]
)
def test_takes_an_unreadable_session_id_as_zero(origin: bytes) -> None:
    assert parse(b"v=0\r\n" + origin).origin == Origin(0, 2, "a")


def test_takes_a_short_origin_as_none() -> None:
    assert parse(b"v=0\r\no=- 1 1").origin == Origin(0, 0, "0.0.0.0")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", SdpReason.EMPTY),
        (b" \r\n\r\n", SdpReason.EMPTY),
        (b"v=0\r\n" + b"a" * MAX_BYTES, SdpReason.TOO_LARGE),
        (b"v=0\n" + b"a\n" * 500, SdpReason.TOO_LARGE),
        (b"v=0\n" + b"m=audio 4000 RTP/AVP 0\n" * (MAX_MEDIA + 1), SdpReason.TOO_LARGE),
        (b"INVITE sip:a SIP/2.0", SdpReason.NOT_SDP),
        (b"v=1\r\n", SdpReason.NOT_SDP),
        (b"v=0\r\na=x\x00y", SdpReason.MALFORMED),
        (b"v=0\r\nm=audio", SdpReason.MALFORMED),
        (b"v=0\r\nm=audio 65536 RTP/AVP 0", SdpReason.MALFORMED),
        (b"v=0\r\nm=audio -1 RTP/AVP 0", SdpReason.MALFORMED),
        (b"v=0\r\nm=audio 4000 RTP/AVP", SdpReason.MALFORMED),
        (b"v=0\r\nm=audio 4000 RTP/AVP \xc3\xa9", SdpReason.MALFORMED),
        (b"v=0\r\nc=IN IP4", SdpReason.BAD_ADDRESS),
        (b"v=0\r\nc=IN IP5 192.0.2.1", SdpReason.BAD_ADDRESS),
        (b"v=0\r\nc=IN IP4 pbx.example.com", SdpReason.BAD_ADDRESS),
        (b"v=0\r\nc=IN IP4 300.1.1.1", SdpReason.BAD_ADDRESS),
        (b"v=0\r\nc=IN IP4 224.2.36.42/127", SdpReason.BAD_ADDRESS),
    ],
)
def test_refuses_with_a_reason(body: bytes, reason: SdpReason) -> None:
    assert reason_of(body) is reason


def test_writes_what_it_reads() -> None:
    description = Description(
        Origin(5, 2, "2001:db8::2", "tieline"),
        None,
        (("tool", "x"),),
        (
            Media("audio", 4000, "RTP/AVP", ("0", "101"), "192.0.2.1", (("ptime", "20"), ("sendrecv", ""))),
            Media("video", 0, "RTP/AVP", ("31",)),
        ),
    )
    body = serialise(description)
    assert parse(body) == description
    assert body.startswith(b"v=0\r\no=tieline 5 2 IN IP6 2001:db8::2\r\ns=-\r\nt=0 0\r\n")
    assert body.endswith(b"\r\n")


@given(st.binary(max_size=400))
def test_garbage_raises_nothing_else(body: bytes) -> None:
    with contextlib.suppress(SdpError):
        parse(body)


LINES = st.lists(
    st.builds(
        lambda kind, value: f"{kind}={value}",
        st.sampled_from("voscbtamiku"),
        st.one_of(
            st.text(max_size=40),
            st.sampled_from(
                [
                    "0",
                    "IN IP4 192.0.2.1",
                    "IN IP6 ::1",
                    "audio 4000 RTP/AVP 0 8",
                    "audio 0 RTP/AVP 0",
                    "sendonly",
                    "rtpmap:101 telephone-event/8000",
                    "rtpmap:0 PCMU/8000/1",
                    "ptime:x",
                    "- 1 1 IN IP4 192.0.2.1",
                ]
            ),
        ),
    ),
    max_size=12,
)


@given(LINES)
def test_plausible_garbage_raises_nothing_else(lines: list[str]) -> None:
    body = "\r\n".join(["v=0", *lines]).encode("utf-8", "replace")
    try:
        description = parse(body)
    except SdpError:
        return
    assert all(0 <= media.port <= 65535 and media.formats for media in description.media)
