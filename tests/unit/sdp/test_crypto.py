"""SDES keys in offer and answer: what is taken, what is passed over, and what each policy makes of it."""

from __future__ import annotations

import contextlib
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.sdp.crypto import (
    KEY_BYTES,
    SUITES,
    CryptoLine,
    Encryption,
    SrtpAgreement,
    read_lines,
    write_line,
    write_lines,
)
from tieline.sdp.description import SdpError, SdpReason, parse
from tieline.sdp.negotiation import LocalMedia, accept_answer, answer, offer, reanswer

KEYS = (bytes(range(30)), bytes(range(30, 60)))
THEIR_KEYS = (b"\xaa" * 30, b"\xbb" * 30)
KEY = b64encode(b"\xcc" * 30).decode()
LINE = f"1 {SUITES[0]} inline:{KEY}"
LOCAL = LocalMedia("198.51.100.5", 20000, 4711, encryption=Encryption.OFFERED, keys=KEYS)
THEIRS = LocalMedia("192.0.2.20", 50000, 7, encryption=Encryption.OFFERED, keys=THEIR_KEYS)
REFUSING = LocalMedia("198.51.100.5", 20000, 4711)


def sdp(*lines: str, protocol: str = "RTP/SAVP") -> bytes:
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "c=IN IP4 192.0.2.10", f"m=audio 4000 {protocol} 0"]
    return "\r\n".join([*head, *(f"a=crypto:{line}" for line in lines), ""]).encode()


def reason_of(*values: str) -> SdpReason:
    with pytest.raises(SdpError) as caught:
        read_lines(values)
    return caught.value.reason


def test_a_plain_line() -> None:
    assert read_lines([LINE]) == [CryptoLine(1, SUITES[0], b"\xcc" * 30)]


@pytest.mark.parametrize(
    ("tail", "mki_bytes"), [("|2^31", 0), ("|1048576", 0), ("|2^20|1:4", 4), ("|1:1", 1), (" WSH=64", 0)]
)
def test_lifetime_key_identifier_and_window(tail: str, mki_bytes: int) -> None:
    (line,) = read_lines([LINE + tail])
    assert (line.key, line.mki_bytes) == (b"\xcc" * 30, mki_bytes)


@pytest.mark.parametrize(
    "value",
    [
        f"1 AEAD_AES_256_GCM inline:{KEY}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"{LINE} UNENCRYPTED_SRTP",
        f"{LINE} UNENCRYPTED_SRTCP",
        f"{LINE} UNAUTHENTICATED_SRTP",
        f"{LINE} KDR=1",
        f"{LINE} WSH=64 FEC_ORDER=FEC_SRTP",
        f"{LINE};inline:{KEY}|1:4",
    ],
)
def test_what_we_do_not_support_is_passed_over(value: str) -> None:
    assert reason_of(value) is SdpReason.NO_COMMON_ENCRYPTION
    assert [line.tag for line in read_lines([value, LINE.replace("1 ", "2 ", 1)])] == [2]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"x {SUITES[0]} inline:{KEY}",
        f"1234567890 {SUITES[0]} inline:{KEY}",
        f"1 {SUITES[0]} {KEY}",
        f"1 {SUITES[0]} inline:",
        f"1 {SUITES[0]} inline:{KEY[:-4]}",
        f"1 {SUITES[0]} inline:{KEY}AAAA",
        f"1 {SUITES[0]} inline:{KEY[:-1]}",
        f"1 {SUITES[0]} inline:{KEY}|2^31|1:129",
        f"1 {SUITES[0]} inline:{KEY}|a",
        f"1 {SUITES[0]} inline:{KEY}|2^31|1",
    ],
)
def test_what_is_wrong_is_called_so(value: str) -> None:
    assert reason_of(value) is SdpReason.BAD_CRYPTO


def test_without_any_line_there_is_nothing_in_common() -> None:
    assert reason_of() is SdpReason.NO_COMMON_ENCRYPTION


@given(st.lists(st.text(max_size=80)))
def test_any_text_gives_lines_or_an_error(values: list[str]) -> None:
    with contextlib.suppress(SdpError):
        assert all(len(line.key) == KEY_BYTES for line in read_lines(values))


@given(st.binary(min_size=30, max_size=30))
def test_lines_are_read_as_they_were_written(key: bytes) -> None:
    assert read_lines([write_line(7, SUITES[1], key)[1]]) == [CryptoLine(7, SUITES[1], key)]


def test_keys_are_shown_nowhere() -> None:
    negotiated = answer(sdp(LINE), LOCAL)
    shown = repr(negotiated) + repr(LOCAL) + repr(read_lines([LINE])) + repr(negotiated.media)
    for key in (*KEYS, b"\xcc" * 30):
        assert repr(key) not in shown
        assert b64encode(key).decode() not in shown


@pytest.mark.parametrize("encryption", [Encryption.OFFERED, Encryption.REQUIRED])
@pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF"])
def test_a_secure_offer_is_answered_with_its_tag_and_suite(encryption: Encryption, protocol: str) -> None:
    offered = sdp(
        f"4 AES_256_CM_HMAC_SHA1_80 inline:{KEY}", f"5 {SUITES[1]} inline:{KEY}", LINE, protocol=protocol
    )
    negotiated = answer(offered, replace(LOCAL, encryption=encryption))
    assert negotiated.media.srtp == SrtpAgreement(SUITES[1], KEYS[1], b"\xcc" * 30)
    (section,) = parse(negotiated.answer).media
    assert section.protocol == protocol
    assert section.values("crypto") == [f"5 {SUITES[1]} inline:{b64encode(KEYS[1]).decode()}"]


@pytest.mark.parametrize(
    ("offered", "encryption", "reason"),
    [
        (sdp(LINE), Encryption.REFUSED, SdpReason.ENCRYPTION_REFUSED),
        (sdp(protocol="RTP/AVP"), Encryption.REQUIRED, SdpReason.ENCRYPTION_REQUIRED),
        (sdp(LINE, protocol="RTP/AVP"), Encryption.REQUIRED, SdpReason.ENCRYPTION_REQUIRED),
        (sdp(), Encryption.OFFERED, SdpReason.NO_COMMON_ENCRYPTION),
        (sdp("1 x inline:y"), Encryption.OFFERED, SdpReason.NO_COMMON_ENCRYPTION),
        (sdp(f"1 {SUITES[0]} inline:y"), Encryption.OFFERED, SdpReason.BAD_CRYPTO),
        (sdp(LINE, protocol="UDP/TLS/RTP/SAVP"), Encryption.OFFERED, SdpReason.UNSUPPORTED_TRANSPORT),
    ],
)
def test_offers_refused(offered: bytes, encryption: Encryption, reason: SdpReason) -> None:
    with pytest.raises(SdpError) as caught:
        answer(offered, replace(LOCAL, encryption=encryption))
    assert caught.value.reason is reason


def test_a_plain_offer_with_keys_is_taken_up_where_we_may() -> None:
    """RFC 8643: opportunistic. Unusable keys leave plain RTP, and so does a policy of ours that refuses."""
    offered = sdp(LINE, protocol="RTP/AVP")
    negotiated = answer(offered, LOCAL)
    assert negotiated.media.srtp == SrtpAgreement(SUITES[0], KEYS[0], b"\xcc" * 30)
    assert parse(negotiated.answer).media[0].protocol == "RTP/AVP"
    for plain in (answer(offered, REFUSING), answer(sdp("junk", protocol="RTP/AVP"), LOCAL)):
        assert plain.media.srtp is None
        assert b"crypto" not in plain.answer


def test_our_own_keys_stay_over_renewed_offers() -> None:
    first = answer(sdp(LINE), LOCAL)
    again = reanswer(sdp(LINE), LOCAL, first.answer)
    assert again.answer == first.answer
    rekeyed = reanswer(sdp(LINE), replace(LOCAL, keys=THEIR_KEYS), first.answer)
    assert rekeyed.media.srtp is not None
    assert rekeyed.media.srtp.ours == THEIR_KEYS[0]
    assert parse(rekeyed.answer).origin.version == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "protocol", "suite"),
    [
        (Encryption.OFFERED, Encryption.OFFERED, "RTP/AVP", SUITES[0]),
        (Encryption.OFFERED, Encryption.REFUSED, "RTP/AVP", None),
        (Encryption.REFUSED, Encryption.OFFERED, "RTP/AVP", None),
        (Encryption.REQUIRED, Encryption.OFFERED, "RTP/SAVP", SUITES[0]),
        (Encryption.REQUIRED, Encryption.REQUIRED, "RTP/SAVP", SUITES[0]),
    ],
)
def test_both_sides_end_with_each_others_keys(
    ours: Encryption, theirs: Encryption, protocol: str, suite: str | None
) -> None:
    offered = offer(replace(LOCAL, encryption=ours))
    assert parse(offered).media[0].protocol == protocol
    answered = answer(offered, replace(THEIRS, encryption=theirs))
    agreed = accept_answer(offered, answered.answer)
    if suite is None:
        assert agreed.srtp is None
        assert answered.media.srtp is None
    else:
        assert agreed.srtp == SrtpAgreement(suite, KEYS[0], THEIR_KEYS[0])
        assert answered.media.srtp == SrtpAgreement(suite, THEIR_KEYS[0], KEYS[0])


def test_our_offer_has_a_key_for_each_suite() -> None:
    assert [line.suite for line in read_lines(value for _, value in write_lines(KEYS))] == list(SUITES)
    assert len(set(KEYS)) == 2


@pytest.mark.parametrize(
    ("answered", "encryption", "reason"),
    [
        (sdp(f"1 {SUITES[1]} inline:{KEY}"), Encryption.REQUIRED, SdpReason.NO_COMMON_ENCRYPTION),
        (sdp(f"3 {SUITES[0]} inline:{KEY}"), Encryption.OFFERED, SdpReason.NO_COMMON_ENCRYPTION),
        (sdp(), Encryption.REQUIRED, SdpReason.NO_COMMON_ENCRYPTION),
        (sdp(protocol="RTP/AVP"), Encryption.REQUIRED, SdpReason.ENCRYPTION_REQUIRED),
        (sdp(LINE), Encryption.REFUSED, SdpReason.ENCRYPTION_REFUSED),
    ],
)
def test_answers_refused(answered: bytes, encryption: Encryption, reason: SdpReason) -> None:
    with pytest.raises(SdpError) as caught:
        accept_answer(offer(replace(LOCAL, encryption=encryption)), answered)
    assert caught.value.reason is reason


def test_a_secure_stream_is_chosen_beside_a_plain_one() -> None:
    both = sdp(LINE) + b"m=audio 4002 RTP/AVP 0\r\n"
    assert answer(both, LOCAL).media.remote[1] == 4000
    assert answer(both, REFUSING).media.remote[1] == 4002
    turned = sdp(protocol="RTP/AVP") + f"m=audio 4002 RTP/SAVP 0\r\na=crypto:{LINE}\r\n".encode()
    assert answer(turned, replace(LOCAL, encryption=Encryption.REQUIRED)).media.remote[1] == 4002
