"""The order of servers (RFC 3263, RFC 2782), without a question asked."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Transport
from tieline.sip.location import (
    Naptr,
    Srv,
    Whereabouts,
    choose_services,
    order_servers,
    settled_port,
    settled_transport,
    srv_name,
    whereabouts,
)

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
ALL = frozenset(Transport)


@pytest.mark.parametrize(
    ("text", "host", "port", "transport", "secure"),
    [
        ("sip:alice@example.com", "example.com", None, None, False),
        ("Example.COM.", "example.com", None, None, False),
        ("pbx.example.com:5070", "pbx.example.com", 5070, None, False),
        ("192.0.2.1", "192.0.2.1", None, None, False),
        ("192.0.2.1:5070", "192.0.2.1", 5070, None, False),
        ("2001:db8::1", "2001:db8::1", None, None, False),
        ("[2001:db8::1]:5070", "2001:db8::1", 5070, None, False),
        ("SIP:+15550100@example.com:5080;transport=TCP;user=phone", "example.com", 5080, TCP, False),
        ("sip:example.com;transport=tls", "example.com", None, TLS, False),
        ("sip:example.com;transport=sctp", "example.com", None, None, False),
        ("sips:example.com;transport=tcp", "example.com", None, TLS, True),
    ],
)
def test_what_a_uri_says_itself(
    text: str, host: str, port: int | None, transport: Transport | None, secure: bool
) -> None:
    assert whereabouts(text) == Whereabouts(host, port, transport, secure)


@pytest.mark.parametrize("text", ["", "tel:+15550100", "sip:", "a b", "example.com:port"])
def test_what_is_nowhere(text: str) -> None:
    with pytest.raises(MessageMalformed):
        whereabouts(text)


@pytest.mark.parametrize(
    ("text", "transport", "port"),
    [
        ("sip:192.0.2.1", UDP, 5060),
        ("sip:[2001:db8::1]", UDP, 5060),
        ("sip:192.0.2.1:5070", UDP, 5070),
        ("sips:192.0.2.1", TLS, 5061),
        ("sip:192.0.2.1;transport=tcp", TCP, 5060),
        ("sip:example.com:5070", UDP, 5070),
        ("sip:example.com;transport=tls", TLS, None),
        ("sips:example.com", TLS, None),
        ("sip:example.com", None, None),
    ],
)
def test_what_needs_no_question(text: str, transport: Transport | None, port: int | None) -> None:
    where = whereabouts(text)
    assert settled_transport(where, UDP) is transport
    assert settled_port(where, transport or UDP) == port


def test_names_of_srv_records() -> None:
    assert [srv_name("example.com", each) for each in (UDP, TCP, TLS)] == [
        "_sip._udp.example.com", "_sip._tcp.example.com", "_sips._tcp.example.com",
    ]  # fmt: skip


class TestNaptr:
    # The example of RFC 3263 section 4.1.
    RECORDS = (
        Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
    )

    def test_order(self) -> None:
        assert [transport for transport, _ in choose_services(self.RECORDS, ALL)] == [TLS, TCP, UDP]
        assert choose_services(self.RECORDS, {UDP}) == [(UDP, "_sip._udp.example.com")]
        assert choose_services((), ALL) == []

    def test_preference_and_what_is_left_out(self) -> None:
        records = (
            Naptr(1, 9, "S", "sip+d2t", "second.example.com"),
            Naptr(1, 1, "s", "SIP+D2U", "first.example.com"),
            Naptr(0, 0, "u", "SIP+D2U", "uri.example.com"),
            Naptr(0, 0, "s", "SIP+D2S", "sctp.example.com"),
            Naptr(0, 0, "s", "E2U+sip", "enum.example.com"),
            Naptr(0, 0, "s", "SIP+D2U", ""),
        )
        assert choose_services(records, ALL) == [(UDP, "first.example.com"), (TCP, "second.example.com")]


class TestSrv:
    def test_priorities_first(self) -> None:
        records = [Srv(20, 0, 5060, "backup"), Srv(10, 5, 5060, "main"), Srv(30, 9, 5060, "last")]
        assert [each.host for each in order_servers(records, lambda: 0.5)] == ["main", "backup", "last"]
        assert order_servers([], lambda: 0.5) == []

    def test_no_such_service(self) -> None:
        assert order_servers([Srv(0, 0, 0, "")], lambda: 0.5) == []

    @pytest.mark.parametrize(
        ("at", "first"), [(0.0, "never"), (0.1, "light"), (0.3, "heavy"), (0.999, "heavy")]
    )
    def test_weights(self, at: float, first: str) -> None:
        records = [Srv(1, 3, 1, "heavy"), Srv(1, 1, 1, "light"), Srv(1, 0, 1, "never")]
        # The light one stands before the heavy one only if the list does; the sums run over the order given.
        ordered = order_servers([records[1], records[0], records[2]], lambda: at)
        assert ordered[0].host == first
        assert {each.host for each in ordered} == {"heavy", "light", "never"}

    def test_weights_in_the_long_run(self) -> None:
        chance = Random(7).random
        records = [Srv(1, 60, 1, "a"), Srv(1, 30, 1, "b"), Srv(1, 10, 1, "c"), Srv(1, 0, 1, "d")]
        first = Counter(order_servers(records, chance)[0].host for _ in range(10_000))
        assert 5_800 < first["a"] < 6_200
        assert 2_800 < first["b"] < 3_200
        assert 850 < first["c"] < 1_150

    def test_equal_records_are_kept_apart(self) -> None:
        twin = Srv(1, 1, 5060, "same")
        assert order_servers([twin, twin], lambda: 0.9) == [twin, twin]
