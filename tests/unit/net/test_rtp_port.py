"""The port range: large enough or refused, and taken in turn."""

from __future__ import annotations

import socket

import pytest

from tests.ports import free_port
from tieline.errors import ConfigurationError
from tieline.net.media_link import MediaSettings
from tieline.net.rtp_port import PortPool, check_port_range, even_ports


def test_ports_are_even() -> None:
    assert list(even_ports(20000, 20005)) == [20000, 20002, 20004]
    assert list(even_ports(20001, 20004)) == [20002, 20004]
    assert list(even_ports(20001, 20001)) == []


@pytest.mark.parametrize(
    ("first", "last", "calls"), [(20000, 20199, 100), (20001, 20200, 100), (1024, 65535, 32000)]
)
def test_a_range_that_holds_the_calls(first: int, last: int, calls: int) -> None:
    check_port_range(first, last, calls)


@pytest.mark.parametrize(
    ("first", "last", "calls"),
    [(20000, 20197, 100), (20001, 20199, 100), (100, 9000, 5), (60000, 70000, 5), (9000, 8000, 1)],
)
def test_a_range_that_does_not_is_refused_with_the_figures(first: int, last: int, calls: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_port_range(first, last, calls)
    assert str(calls) in caught.value.message
    assert caught.value.fields["max_calls"] == calls


def test_processes_share_the_range() -> None:
    shares = MediaSettings(first_port=20000, last_port=20009, processes=2, max_calls=5).shares()
    assert shares == [[20000, 20004, 20008], [20002, 20006]]
    for processes in (0, 6):
        with pytest.raises(ConfigurationError):
            MediaSettings(first_port=20000, last_port=20009, processes=processes).shares()


def test_ports_in_use_are_passed_over_and_released_ones_come_last() -> None:
    ports = [free_port() for _ in range(3)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        busy.bind(("127.0.0.1", ports[0]))
        pool = PortPool("127.0.0.1", ports)
        first = pool.bind()
        second = pool.bind()
        assert first is not None
        assert second is not None
        assert (first[1], second[1]) == (ports[1], ports[2])
        assert pool.bind() is None
        assert pool.free == 1
        first[0].close()
        pool.release(first[1])
        again = pool.bind()
        assert again is not None
        assert again[1] == ports[1]
        again[0].close()
        second[0].close()


def test_a_pool_may_begin_anywhere_in_its_range() -> None:
    ports = [free_port() for _ in range(3)]
    pool = PortPool("127.0.0.1", ports, 2)
    bound = [pool.bind() for _ in ports]
    assert [port for _, port in filter(None, bound)] == [ports[2], ports[0], ports[1]]
    for each in filter(None, bound):
        each[0].close()


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(OSError, match="assign"):
        PortPool("192.0.2.1", [free_port()]).bind()


def test_ipv6() -> None:
    pool = PortPool("::1", [free_port("::1")])
    bound = pool.bind()
    assert bound is not None
    assert bound[0].family == socket.AF_INET6
    bound[0].close()
