"""Where browsers are told to send their audio, and what is taken out of their offers."""

from __future__ import annotations

from tieline.gateway.ice import advertise, without_names
from tieline.gateway.ice_place import IcePlace

OFFER = [
    "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=candidate:1 1 udp 2113937151 3f1e.local 50000 typ host",
    "a=candidate:2 1 tcp 1518149375 192.0.2.4 9 typ host tcptype active",
    "a=candidate:3 1 udp 2113937151 192.0.2.4 50001 typ host generation 0", "a=ice-ufrag:abcd", "a=mid:0",
]  # fmt: skip


def test_candidates_that_are_names_or_streams_are_left_out() -> None:
    kept = without_names("\r\n".join(OFFER), "198.51.100.7")
    assert kept.splitlines() == [*OFFER[:2], *OFFER[4:]]


def test_where_none_is_left_the_clients_address_stands_in() -> None:
    kept = without_names("\n".join([*OFFER[:3], *OFFER[5:]]), "198.51.100.7").splitlines()
    assert kept == [*OFFER[:2], "a=candidate:1 1 udp 1 198.51.100.7 9 typ host", *OFFER[5:]]
    assert "a=candidate" not in without_names("v=0", "198.51.100.7")


def test_the_answer_names_the_advertised_address() -> None:
    answer = "v=0\r\na=candidate:1 1 udp 2130706431 10.0.0.4 40000 typ host\r\na=end-of-candidates\r\n"
    assert advertise(answer, None) == answer
    assert advertise(answer, "203.0.113.4") == answer.replace("10.0.0.4", "203.0.113.4")


def test_ports_are_those_of_the_range_or_any() -> None:
    assert list(IcePlace(("127.0.0.1",)).ports()) == [0]
    assert list(IcePlace(("127.0.0.1",), None, 40000, 40002).ports()) == [40000, 40001, 40002]
