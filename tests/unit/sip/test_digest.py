"""The sums and the grammar of digest authentication, against the examples of the RFCs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.sip.digest import Challenge, Sum, compute, is_known, is_session, read_challenges, read_schemes
from tieline.sip.errors import MessageMalformed

NONCE_2617 = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
NONCE_7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE_7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


class TestSums:
    def test_rfc_2617(self) -> None:
        parts = Sum(
            None, "Mufasa", "testrealm@host.com", "Circle Of Life", NONCE_2617, "auth", "00000001", "0a4f113b"
        )
        assert compute(parts, "GET", "/dir/index.html", b"") == "6629fae49393a05397450978507c4ef1"

    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc_7616(self, algorithm: str, expected: str) -> None:
        parts = Sum(
            algorithm, "Mufasa", "http-auth@example.org", "Circle of Life", NONCE_7616, "auth", "00000001",
            CNONCE_7616,
        )  # fmt: skip
        assert compute(parts, "GET", "/dir/index.html", b"") == expected

    def test_each_part_counts(self) -> None:
        parts = Sum("SHA-256", "me", "here", "secret", "n", "auth", "00000001", "c")
        seen = {
            compute(parts, "INVITE", "sip:a@b", b""),
            compute(parts, "BYE", "sip:a@b", b""),
            compute(parts, "INVITE", "sip:a@c", b""),
            compute(parts._replace(algorithm="sha-256-SESS"), "INVITE", "sip:a@b", b""),
            compute(parts._replace(algorithm="MD5-sess"), "INVITE", "sip:a@b", b""),
            compute(parts._replace(qop="auth-int"), "INVITE", "sip:a@b", b""),
            compute(parts._replace(qop="auth-int"), "INVITE", "sip:a@b", b"sdp"),
            compute(parts._replace(qop=""), "INVITE", "sip:a@b", b""),
            compute(parts._replace(nc="00000002"), "INVITE", "sip:a@b", b""),
        }
        assert len(seen) == 9

    def test_names(self) -> None:
        assert [is_known(each) for each in (None, "md5", "SHA-256-sess", "SHA-512-256", "")] == [
            True, True, True, False, True,
        ]  # fmt: skip
        assert [is_session(each) for each in (None, "MD5", "MD5-Sess")] == [False, False, True]


class TestGrammar:
    def test_several_in_a_line(self) -> None:
        value = 'Digest realm="a\\"b" , nonce = x/y== ,, stale=FALSE, basic realm=""'
        assert list(read_schemes(value)) == [
            ("digest", {"realm": 'a\\"b', "nonce": "x/y==", "stale": "FALSE"}),
            ("basic", {"realm": ""}),
        ]
        assert list(read_schemes("")) == []
        assert list(read_schemes("Digest a=b, ")) == [("digest", {"a": "b"})]

    @pytest.mark.parametrize(
        "value",
        ["Digest", "realm=x", 'Digest realm="x', "Bearer abc", "Digest a=b, a=c", "Digest a=b c", ";"],
    )
    def test_broken(self, value: str) -> None:
        with pytest.raises(MessageMalformed):
            list(read_schemes(value))

    def test_long_ones_take_linear_time(self) -> None:
        for text in ("a" * 8000, "Digest " + "a " * 4000, 'Digest a="' + "\\" * 8000, "," * 8000 + "="):
            with pytest.raises(MessageMalformed):
                list(read_schemes(text))

    @given(st.text(alphabet='Digest realm="\\,=a\t \udcff', max_size=60))
    def test_any_text(self, text: str) -> None:
        read_challenges([text, f"Digest {text}"])
        try:
            for scheme, params in read_schemes(text):
                assert scheme
                assert params
        except MessageMalformed:
            return

    def test_challenges(self) -> None:
        assert read_challenges(
            [
                "Negotiate",
                'Basic realm="x"',
                'Digest realm="x", nonce="0", algorithm=SHA-512-256, qop="auth"',
                'Digest realm="x", nonce="1", algorithm=SHA-256, qop="token"',
                'Digest realm="x", nonce="2", algorithm=sha-256, qop="auth-int, auth", opaque="o", stale=TRUE',
                'Digest realm="x", nonce="3", algorithm=MD5',
                'Digest realm="y", nonce="4", qop=auth-int, Digest nonce="5", Digest realm="z"',
            ]
        ) == [
            Challenge("x", "2", "o", "sha-256", "auth", True),
            Challenge("y", "4", None, None, "auth-int", False),
        ]
