"""Refer-To and request URIs: every form of route, headers inside, User-to-User, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handoff.parts import dialect
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.target import (
    check_route,
    domain_of,
    encode_uui,
    escape_header,
    invite_target,
    provider_target,
    refer_target,
)
from tieline.model.handoff import HandoffMethod, HandoffPlan
from tieline.model.profile import UuiEncoding
from tieline.model.uui import Uui, decode_uui
from tieline.sip.grammar import parse_address

PEER = "198.51.100.7:5070"


def plan(route: str | None, *headers: tuple[str, str]) -> HandoffPlan:
    return HandoffPlan(
        destination="sales",
        method=HandoffMethod.REFER,
        reason=None,
        utterance=None,
        route=route,
        headers=headers,
    )


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("sip:bob@example.com", "<sip:bob@example.com>"),
        ("sips:bob@example.com;transport=tcp", "<sips:bob@example.com;transport=tcp>"),
        ("<sip:+15550100@example.com>", "<sip:+15550100@example.com>"),
        ("<sip:+15550100@example.com;user=phone>", "<sip:+15550100@example.com;user=phone>"),
        ("tel:+15550100", "<tel:+15550100>"),
        ("<tel:+1-555-0100;ext=7>", "<tel:+1-555-0100;ext=7>"),
        ("+15550100", f"<sip:+15550100@{PEER}>"),
        (" +1 (555) 01-00 ", f"<sip:+15550100@{PEER}>"),
        ("1001", f"<sip:1001@{PEER}>"),
        ("*72#", f"<sip:*72%23@{PEER}>"),
        ("reception", f"<sip:reception@{PEER}>"),
        ("queue_a.b-c", f"<sip:queue_a.b-c@{PEER}>"),
        ("bob@example.com", "<sip:bob@example.com>"),
        ("sip:example.com", "<sip:example.com>"),
    ],
)
def test_routes_become_refer_to(route: str, expected: str) -> None:
    target = refer_target(plan(route), dialect(), PEER)
    assert target.refer_to == expected
    assert parse_address(target.refer_to).uri.text == expected[1:-1]


def test_the_trunks_domain_goes_before_the_peers_host() -> None:
    assert refer_target(plan("1001"), dialect(refer_domain="pbx.example.com"), PEER).refer_to == (
        "<sip:1001@pbx.example.com>"
    )


@pytest.mark.parametrize(
    "route",
    [
        "",
        "   ",
        "<>",
        "sip:a@b\r\nVia: x",
        "sip:a@b\0",
        "sip:a@b>;<sip:c@d",
        '"Bob" <sip:bob@example.com>',
        "'1001'",
        "sip:a b@c",
        "sip:a@b%zz",
        "sip:",
        "tel:",
        "http://example.com",
        "mailto:a@b",
        "zwölf",
        "+1555\n0100",
        "a;b",
        "9" * 300,
        "sip:" + "a" * 300 + "@b",
        "sip:a@b:99999999",
    ],
)
def test_what_is_no_route_is_refused(route: str) -> None:
    with pytest.raises(UnplannableHandoff) as raised:
        check_route(route)
    assert raised.value.reason == "bad_route"
    assert str(raised.value).isprintable()


def test_a_missing_route_is_named() -> None:
    with pytest.raises(UnplannableHandoff) as raised:
        refer_target(plan(None), dialect(), PEER)
    assert raised.value.reason == "no_route"


def test_headers_go_on_the_refer_unless_the_profile_reads_them_in_refer_to() -> None:
    given = plan("sip:a@b", ("X-a", "1 & 2"), ("X-ß".replace("ß", "b"), "ü;="))
    beside = refer_target(given, dialect(), PEER)
    assert beside.refer_to == "<sip:a@b>"
    assert beside.headers == (("X-a", "1 & 2"), ("X-b", "ü;="))
    inside = refer_target(given, dialect(refer={"custom_headers": False}), PEER)
    assert inside.refer_to == "<sip:a@b?X-a=1%20%26%202&X-b=%C3%BC%3B%3D>"
    assert inside.headers == ()
    nowhere = refer_target(given, dialect(refer={"custom_headers": False, "uri_headers": False}), PEER)
    assert len(nowhere.headers) == 2


def test_headers_are_added_to_those_of_the_route() -> None:
    target = refer_target(plan("sip:a@b?X-r=1", ("X-a", "2")), dialect(refer={"custom_headers": False}), PEER)
    assert target.refer_to == "<sip:a@b?X-r=1&X-a=2>"


def test_user_to_user_as_genesys_wants_it() -> None:
    target = refer_target(
        plan("+15550100", ("User-to-User", "id=7"), ("X-a", "1")),
        dialect(refer={"uui": UuiEncoding.HEX}),
        "gc.example.com",
    )
    assert target.refer_to == ("<sip:+15550100@gc.example.com?User-to-User=0069643D37%3Bencoding%3Dhex>")
    assert target.headers == (("X-a", "1"),)


def test_the_case_of_the_name_and_an_encoding_given_in_code_are_kept() -> None:
    target = refer_target(
        plan("sip:a@b", ("USER-to-User", "04c8d7;encoding=hex")),
        dialect(refer={"uui": UuiEncoding.ASCII}),
        PEER,
    )
    assert target.refer_to == "<sip:a@b?USER-to-User=04c8d7%3Bencoding%3Dhex>"


def test_user_to_user_is_a_header_like_others_where_the_profile_does_not_ask_for_it() -> None:
    target = refer_target(plan("sip:a@b", ("User-to-User", "x")), dialect(), PEER)
    assert target.headers == (("User-to-User", "x"),)


def test_encodings() -> None:
    assert encode_uui("é", UuiEncoding.HEX) == "00C3A9;encoding=hex"
    assert encode_uui("abc", UuiEncoding.ASCII) == "abc;encoding=ascii"
    assert encode_uui('a "b" \\', UuiEncoding.ASCII) == '"a \\"b\\" \\\\";encoding=ascii'
    assert encode_uui("00abc; Encoding=ascii", UuiEncoding.HEX) == "00abc; Encoding=ascii"


@pytest.mark.parametrize("encoding", UuiEncoding)
@pytest.mark.parametrize("text", ["id=7;name=a b", "plain", 'say "x"', "back\\slash"])
def test_what_is_encoded_is_read_again(text: str, encoding: UuiEncoding) -> None:
    read = decode_uui(encode_uui(text, encoding))
    assert isinstance(read, Uui)
    assert (read.text, read.encoding) == (text, encoding)


@pytest.mark.parametrize(
    ("route", "target", "uri"),
    [
        ("+15550100", "carrier.example.com", "sip:+15550100@carrier.example.com"),
        ("1001", "sip:pbx.example.com:5080;transport=tcp", "sip:1001@pbx.example.com:5080"),
        ("1001", "[2001:db8::1]:5060", "sip:1001@[2001:db8::1]:5060"),
        ("1001", "2001:db8::1", "sip:1001@[2001:db8::1]"),
        ("tel:+1-555-0100", "carrier.example.com", "sip:+15550100@carrier.example.com;user=phone"),
        ("sip:bob@example.com?X-a=1", "carrier.example.com", "sip:bob@example.com"),
    ],
)
def test_request_uris(route: str, target: str, uri: str) -> None:
    made = invite_target(plan(route, ("X-a", "1")), target)
    assert (made.uri, made.to, made.headers) == (uri, f"<{uri}>", (("X-a", "1"),))
    assert parse_address(made.to).uri.scheme == "sip"


@pytest.mark.parametrize("target", ["", "a b", "host>", "sip:a@b@c", "host:port"])
def test_a_target_that_is_no_host(target: str) -> None:
    with pytest.raises(UnplannableHandoff) as raised:
        domain_of(target)
    assert raised.value.reason == "bad_route"


@given(st.text(max_size=40), st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=3))
def test_nothing_gets_out_of_the_brackets(route: str, headers: list[tuple[str, str]]) -> None:
    safe = [(name, value) for name, value in headers if name.isascii() and name.isalnum()]
    safe = [(name, value.encode(errors="ignore").decode()) for name, value in safe]
    try:
        target = refer_target(plan(route, *safe), dialect(refer={"custom_headers": False}), PEER)
    except UnplannableHandoff:
        return
    assert re.fullmatch(r"<[\x21-\x3b\x3d\x3f-\x7e]+>", target.refer_to)
    parse_address(target.refer_to)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_escaped_headers_hold_only_what_may_stand_in_a_uri(value: str) -> None:
    assert re.fullmatch(r"(?:[A-Za-z0-9\[\]/?:+$\-_.!~*'()]|%[0-9A-F]{2})*", escape_header(value))


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("+1 (555) 010-0199", "+15550100199"),
        ("tel:+1-555-010-0199;ext=5", "+15550100199"),
        ("<sip:desk@centre.example;transport=tls>", "sip:desk@centre.example;transport=tls"),
        ("sips:desk@centre.example", "sips:desk@centre.example"),
    ],
)
def test_a_provider_calls_numbers_and_sip_uris(route: str, expected: str) -> None:
    target = provider_target(plan(route, ("X-a", "1")))
    assert (target.uri, target.headers) == (expected, (("X-a", "1"),))


@pytest.mark.parametrize("route", ["1001", "5550100", "desk", "tel:1001"])
def test_a_provider_knows_no_extensions(route: str) -> None:
    with pytest.raises(UnplannableHandoff) as refused:
        provider_target(plan(route))
    assert "E.164" in str(refused.value)
