"""The peer's own digest, by the examples of RFC 7616 section 3.9.1."""

from __future__ import annotations

import pytest

from tieline.testing.contact_center.challenge import (
    answer_challenge,
    digest_of,
    is_proven,
    read_digest,
    write_challenge,
)

EXAMPLE = {
    "realm": "http-auth@example.org",
    "uri": "/dir/index.html",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard(algorithm: str, response: str) -> None:
    assert digest_of({**EXAMPLE, "algorithm": algorithm}, "GET", "Mufasa", "Circle of Life") == response


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_who_knows_the_password_is_believed(algorithm: str) -> None:
    challenge = write_challenge(algorithm, "abc", stale=True)
    assert "stale=true" in challenge
    answer = answer_challenge(challenge, "REFER", "sip:x@192.0.2.1", "tieline", "secret")
    assert is_proven(answer, "REFER", algorithm, "tieline", "secret")
    assert not is_proven(answer, "REFER", algorithm, "tieline", "other")
    assert not is_proven(answer, "INVITE", algorithm, "tieline", "secret")
    assert not is_proven(answer, "REFER", algorithm, "somebody", "secret")


def test_an_old_challenge_without_qop_is_answered_plainly() -> None:
    answer = answer_challenge('Digest realm="r", nonce="n", opaque="o"', "BYE", "sip:x", "u", "p")
    assert is_proven(answer, "BYE", "MD5", "u", "p")
    assert 'opaque="o"' in answer
    assert "qop" not in answer


def test_other_schemes_prove_nothing() -> None:
    assert read_digest("Basic dTpw") == {}
    assert not is_proven(None, "BYE", "MD5", "u", "p")
