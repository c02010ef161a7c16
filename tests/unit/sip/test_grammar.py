from __future__ import annotations

import string
import time

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from tieline.sip.errors import MessageMalformed
from tieline.sip.grammar import (
    is_token,
    parse_address,
    parse_cseq,
    parse_number,
    parse_uri,
    parse_via,
    split_addresses,
)

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
HOSTS = st.sampled_from(["example.com", "a-b.example.org", "192.0.2.1", "[2001:db8::1]"])
USERS = st.text(string.ascii_letters + string.digits + "-_.!~*'()&=+$,;?/", min_size=1, max_size=12)
PORTS = st.one_of(st.none(), st.integers(1, 65535))
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
PARAMS = st.dictionaries(NAMES.filter(lambda name: name != "self"), st.one_of(st.none(), NAMES), max_size=4)


def written(params: dict[str, str | None]) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())


def test_tokens() -> None:
    assert is_token("X-PolyAi-Auth-Token")
    assert not is_token("")
    assert not is_token("a b")
    assert not is_token("naïve")


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("0070", 70), ("255", 255)])
def test_numbers(text: str, number: int) -> None:
    assert parse_number(text, 255) == number


@pytest.mark.parametrize("text", ["", "-1", "256", "1e3", "٣", "9" * 5000])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(MessageMalformed):
        parse_number(text, 255)


class TestUri:
    def test_everything(self) -> None:
        uri = parse_uri("SIP:al%69ce:secret@Example.COM:5070;Transport=TCP;lr?Subject=x&y=z")
        assert (uri.scheme, uri.user, uri.host, uri.port) == ("sip", "alice", "example.com", 5070)
        assert uri.params == {"transport": "TCP", "lr": None}
        assert uri.headers == "Subject=x&y=z"
        assert str(uri) == uri.text

    @pytest.mark.parametrize(
        ("text", "user", "host"),
        [
            ("sip:+15551234@h;user=phone", "+15551234", "h"),
            ("sip:h.example", None, "h.example"),
            ("sips:a@[2001:db8::1]:5061", "a", "[2001:db8::1]"),
            ("tel:+1-555-1234;phone-context=x", "+1-555-1234", ""),
            ("sip:*72#@h", "*72#", "h"),
            ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net", "example.com"),
        ],
    )
    def test_shapes(self, text: str, user: str | None, host: str) -> None:
        uri = parse_uri(text)
        assert (uri.user, uri.host) == (user, host)

    def test_other_schemes_keep_only_their_scheme(self) -> None:
        assert parse_uri("isbn:2983792873").scheme == "isbn"

    @pytest.mark.parametrize(
        "text",
        [
            "", "sip:", "sip:a@", "sip:a@b c", "<sip:a@b>", "sip:a%4@b", "sip:a@b:0", "sip:a@b:65536", "tel:", "tel:x",
            "sip:a@b;x=1;x=2", "sip:a@b;;", "sip:a@b;=1", "no scheme", "sip:a\r\nb@c",
        ],
    )  # fmt: skip
    def test_refused(self, text: str) -> None:
        with pytest.raises(MessageMalformed):
            parse_uri(text)

    @given(USERS, HOSTS, PORTS, PARAMS)
    def test_agrees_with_an_independent_parser(
        self, user: str, host: str, port: int | None, params: dict[str, str | None]
    ) -> None:
        text = f"sip:{user}@{host}{'' if port is None else f':{port}'}{written(params)}"
        ours, theirs = parse_uri(text), sipmessage.URI.parse(text)
        assert (ours.user, ours.host, ours.port) == (theirs.user, theirs.host, theirs.port)
        assert ours.params == dict(theirs.parameters)


class TestAddress:
    def test_quoted_display_name(self) -> None:
        address = parse_address('"A \\"B\\" > C" < sip:a@b > ;tag=x;Q="1;2"')
        assert address.display == 'A "B" > C'
        assert address.uri.user == "a"
        assert address.uri is address.uri
        assert address.tag == "x"
        assert address.params["q"] == '"1;2"'

    def test_plain_display_name(self) -> None:
        assert parse_address("Bell Alexander<sip:a@b>").display == "Bell Alexander"

    def test_without_brackets_parameters_belong_to_the_header(self) -> None:
        address = parse_address("sip:a@b;tag=1  ")
        assert address.uri.params == {}
        assert address.tag == "1"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            '"open <sip:a@b>',
            "Bell, A <sip:a@b>",
            "<sip:a@b",
            "<sip:a@b>;;",
            "<sip:a@b> x",
            "<sip:a@b>;t=1;t=2",
        ],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(MessageMalformed):
            parse_address(text)

    def test_lists(self) -> None:
        found = split_addresses('"a, b" <sip:a@b;lr> , <sip:c@d>;x=1')
        assert [text for _, text in found] == ['"a, b" <sip:a@b;lr>', "<sip:c@d>;x=1"]
        assert [address.uri.host for address, _ in found] == ["b", "d"]

    @pytest.mark.parametrize("text", ["<sip:a@b>,", "<sip:a@b>;;", "<sip:a@b> <sip:c@d>"])
    def test_broken_lists(self, text: str) -> None:
        with pytest.raises(MessageMalformed):
            split_addresses(text)

    @given(NAMES, USERS, HOSTS, PARAMS)
    def test_agrees_with_an_independent_parser(
        self, name: str, user: str, host: str, params: dict[str, str | None]
    ) -> None:
        text = f'"{name}" <sip:{user}@{host}>{written(params)}'
        ours, theirs = parse_address(text), sipmessage.Address.parse(text)
        assert (ours.display, ours.uri.user) == (theirs.name, theirs.uri.user)
        assert ours.params == dict(theirs.parameters)


class TestVia:
    def test_white_space_wherever_it_may_be(self) -> None:
        text = (
            "SIP  / 2.0  / TCP     spindle.example.com  : 5070  ;  branch  =   z9hG4bK9ikj8  , SIP/2.0/UDP x"
        )
        via = parse_via(text)
        assert (via.transport, via.host, via.port, via.branch) == (
            "TCP",
            "spindle.example.com",
            5070,
            "z9hG4bK9ikj8",
        )
        assert via.sent_by == "spindle.example.com:5070"
        assert text[via.end] == ","

    @pytest.mark.parametrize(
        "text",
        ["", "SIP/7.0/UDP h", "SIP/2.0/UDP", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP h x", "SIP/2.0/UDP h;;"],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(MessageMalformed):
            parse_via(text)

    @given(TOKENS, HOSTS, PORTS, TOKENS)
    def test_agrees_with_an_independent_parser(
        self, transport: str, host: str, port: int | None, branch: str
    ) -> None:
        text = f"SIP/2.0/{transport} {host}{'' if port is None else f':{port}'};branch={branch}"
        ours, theirs = parse_via(text), sipmessage.Via.parse(text)
        assert (ours.transport, ours.host, ours.port) == (theirs.transport.upper(), theirs.host, theirs.port)


def test_cseq() -> None:
    assert parse_cseq("0009   INVITE") == (9, "INVITE")


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE", "2147483648 INVITE", "-1 BYE", "1 IN VITE", "9" * 5000 + " BYE"]
)
def test_broken_cseq(text: str) -> None:
    with pytest.raises(MessageMalformed):
        parse_cseq(text)


HOSTILE = [
    " " * 8000 + "x",
    '"' + "\\" * 8000,
    '"' + '\\"' * 4000,
    "a " * 4000,
    "sip:" + "a-" * 4000,
    "sip:" + "a;" * 4000,
    "<sip:a@b>" + ";a=b" * 2000 + ";;",
    "<sip:a@b>" + ' ;a="\\""' * 1000 + "\x00",
    "SIP/2.0/UDP h" + ";a = b " * 1500 + "\x00",
    "SIP / 2.0 / UDP " + " " * 8000,
    "sip:" + "a.b-" * 2000 + "@",
    "sip:h" + ";a=%41" * 1300 + " ",
    "0" * 8000 + "x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_input_is_slow(text: str) -> None:
    # Bounded work, not a timed race: what is linear takes under a millisecond, what is not takes minutes.
    began = time.process_time()
    for parse in (parse_uri, parse_address, split_addresses, parse_via, parse_cseq):
        try:
            parse(text)
        except MessageMalformed:
            continue
    assert time.process_time() - began < 5


@given(st.text(max_size=200))
def test_anything_is_read_or_refused(text: str) -> None:
    for parse in (parse_uri, parse_address, split_addresses, parse_via, parse_cseq):
        try:
            parse(text)
        except MessageMalformed:
            continue
