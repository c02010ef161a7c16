"""SIP over IPv6 on ::1, and a socket for both families."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.integration.sip_phone import SDP, Phone, phone, until
from tieline.calls.directory import Directory
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.net.addresses import bound_socket, plain_address, socket_address
from tieline.net.sip_tls import TlsFiles
from tieline.net.sip_udp import bind_udp
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    Flow,
    InviteReceived,
    LegAnswered,
    OptionsReceived,
    Transport,
)

SIX = "::1"
OPTIONS = (
    "OPTIONS sip:a@[::1] SIP/2.0\r\nVia: SIP/2.0/{transport} {sent_by};branch=z9hG4bK1;{params}\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


async def play_call(caller: Phone, called: Phone, flow: Flow) -> InviteReceived:
    caller.invite(flow)
    offered = await called.event(InviteReceived)
    assert isinstance(offered, InviteReceived)
    called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
    await caller.event(LegAnswered)
    await called.event(AckReceived)
    called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now))
    await caller.event(ByeReceived)
    done = await called.event(ByeCompleted)
    assert isinstance(done, ByeCompleted)
    assert done.status == 200
    return offered


@pytest.mark.parametrize("transport", Transport)
async def test_a_call(transport: Transport, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("own", SIX)
    tls = TlsFiles(certificate=str(own.certificate), key=str(own.key), ca=str(authority.certificate))
    async with phone(host=SIX, tls=tls) as caller, phone(host=SIX, tls=tls) as called:
        offered = await play_call(caller, called, called.flow(transport))
        assert offered.flow.remote[0] == SIX
        host, port = caller.secure if transport is Transport.TLS else caller.address
        assert offered.request.headers["via"].startswith(f"SIP/2.0/{transport} [{host}]:{port};")
        assert f"@[{host}]:{port}" in offered.request.headers["contact"]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("host", ["127.0.0.1", SIX])
async def test_a_socket_for_both_families(transport: Transport, host: str) -> None:
    """IPv4 on it is IPv4: the same flows, the same trunk networks, answers that arrive."""
    async with phone(host="::", shown=host) as called, phone(host=host) as caller:
        flow = Flow(transport, (host, called.address[1]))
        caller.endpoint.act(
            lambda stack, now: stack.invite(flow, "sip:x@h", "<sip:a@b>", "<sip:x@h>", SDP, now)
        )
        offered = await called.event(InviteReceived)
        assert isinstance(offered, InviteReceived)
        assert offered.flow.remote[0] == host
        trunks = (
            Trunk(name="four", networks=("127.0.0.0/8",)), Trunk(name="six", networks=("::1/128",)),
        )  # fmt: skip
        found = Directory(Resources(trunks=trunks)).trunk_by_host(offered.flow.remote[0])
        assert found is not None
        assert found.name == ("six" if ":" in host else "four")
        called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
        await caller.event(LegAnswered)
        await called.event(AckReceived)
        called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now))
        await caller.event(ByeReceived)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("host", ["127.0.0.1", SIX])
async def test_a_socket_for_both_families_calls_both(transport: Transport, host: str) -> None:
    async with phone(host="::") as caller, phone(host=host) as called:
        caller.options(called.flow(transport))
        event = await called.event(OptionsReceived)
        assert isinstance(event, OptionsReceived)
        assert event.flow.remote[0] == host


@pytest.mark.parametrize(
    ("params", "marked"),
    [
        ("rport", "rport={port};received=::1"),
        ("received=[2001:db8::9]", "received=::1"),
        ("received=2001:db8::9;x", "x;received=::1"),
    ],
)
async def test_where_it_came_from_is_noted(params: str, marked: str) -> None:
    """RFC 5118 section 4.5: `received` is read with and without brackets, and written without."""
    async with phone(host=SIX) as called:
        with bind_udp(SIX, 0) as peer:
            port = peer.getsockname()[1]
            # Without rport the answer goes to the port of the Via.
            text = OPTIONS.format(transport="UDP", sent_by=f"[2001:db8::9]:{port}", params=params)
            peer.sendto(text.encode(), called.address)
            loop = asyncio.get_running_loop()
            answer = (await asyncio.wait_for(loop.sock_recv(peer, 4096), 30)).decode()
    via = next(line for line in answer.split("\r\n") if line.startswith("Via:"))
    assert answer.startswith("SIP/2.0 200")
    assert via == f"Via: SIP/2.0/UDP [2001:db8::9]:{port};branch=z9hG4bK1;{marked.format(port=port)}"


def test_addresses_of_sockets() -> None:
    assert plain_address(("::ffff:192.0.2.1", 5060, 0, 0)) == ("192.0.2.1", 5060)
    assert plain_address(("::ffff:1", 5060, 0, 0)) == ("::ffff:1", 5060)
    assert plain_address(("192.0.2.1", 5060)) == ("192.0.2.1", 5060)
    assert socket_address(socket.AF_INET6, ("192.0.2.1", 5060)) == ("::ffff:192.0.2.1", 5060)
    assert socket_address(socket.AF_INET6, (SIX, 5060)) == (SIX, 5060)
    assert socket_address(socket.AF_INET, ("192.0.2.1", 5060)) == ("192.0.2.1", 5060)


def test_one_address_takes_only_its_own_family() -> None:
    with bound_socket(SIX, 0, socket.SOCK_STREAM) as six:
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        six.listen()
        with bound_socket("127.0.0.1", six.getsockname()[1], socket.SOCK_STREAM) as four:
            four.listen()
    with bound_socket("::", 0, socket.SOCK_DGRAM) as both:
        assert both.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
        with pytest.raises(OSError, match="in use"):
            bound_socket("127.0.0.1", both.getsockname()[1], socket.SOCK_DGRAM)


async def test_a_connection_to_nobody() -> None:
    async with phone(host=SIX) as caller:
        caller.options(Flow(Transport.TCP, (SIX, 1)))
        await until(caller.endpoint.stack.is_idle)
