"""SIP over TLS on real sockets: with itself, and with the openssl program as the peer at either end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from tests.certificates import Authority, Pair
from tests.integration.sip_phone import HOST, OPTIONS, SDP, Phone, phone, until
from tests.ports import free_port
from tieline.net.sip_connection import StreamLimits
from tieline.net.sip_tls import TlsContexts, TlsFiles
from tieline.sip.config import Admission
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    Flow,
    InviteReceived,
    LegAnswered,
    LegRefused,
    OptionsCompleted,
    OptionsReceived,
    Transport,
)

SNI = "sip.example.com"
PING = OPTIONS.replace(b"SIP/2.0/TCP", b"SIP/2.0/TLS") % (1, 1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def files_of(authority: Authority, pair: Pair, *, mutual: bool = False) -> TlsFiles:
    trusted = str(authority.certificate)
    return TlsFiles(
        certificate=str(pair.certificate),
        key=str(pair.key),
        ca=trusted,
        client_ca=trusted if mutual else None,
    )


@pytest.fixture
def files(authority: Authority) -> TlsFiles:
    return files_of(authority, authority.issue("own", SNI))


async def play_call(files: TlsFiles) -> None:
    async with phone(tls=files) as caller, phone(tls=files) as called:
        leg = caller.invite(called.flow(Transport.TLS, SNI))
        offered = await called.event(InviteReceived)
        assert isinstance(offered, InviteReceived)
        assert offered.flow.transport is Transport.TLS
        assert offered.request.via.transport == "TLS"
        assert offered.request.headers["contact"].endswith(";transport=tls>")
        called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
        await caller.event(LegAnswered)
        await called.event(AckReceived)
        called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now, [("X-contained", "true")]))
        ended = await caller.event(ByeReceived)
        assert isinstance(ended, ByeReceived)
        assert ended.leg_id == leg
        await called.event(ByeCompleted)
        assert caller.endpoint.connections == called.endpoint.connections == 1


@pytest.mark.parametrize("loop_factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
@pytest.mark.parametrize("mutual", [False, True])
def test_a_call(
    authority: Authority, mutual: bool, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    files = files_of(authority, authority.issue("own", SNI), mutual=mutual)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(play_call(files))


async def status_of(caller: Phone, called: Phone, name: str | None = SNI) -> int:
    """What a ping by TLS comes to; 503 when the connection failed."""
    caller.options(called.flow(Transport.TLS, name))
    done = await caller.event(OptionsCompleted)
    assert isinstance(done, OptionsCompleted)
    return done.status


class TestWhoIsCalled:
    async def test_another_name(self, files: TlsFiles) -> None:
        async with phone(tls=files) as caller, phone(tls=files) as called:
            assert await status_of(caller, called, "other.example.com") == 503
            assert caller.endpoint.failed_handshakes == (0, 1)
            assert caller.endpoint.connections == 0
            await until(lambda: called.endpoint.connections == 0)

    async def test_a_name_that_is_none(self, files: TlsFiles) -> None:
        async with phone(tls=files) as caller, phone(tls=files) as called:
            assert await status_of(caller, called, "." * 80) == 503
            assert await status_of(caller, called, "a" * 80) == 503

    async def test_without_a_name_the_address_is_it(self, authority: Authority) -> None:
        files = files_of(authority, authority.issue("own", HOST))
        async with phone(tls=files) as caller, phone(tls=files) as called:
            assert await status_of(caller, called, None) == 200

    async def test_the_name_known_for_the_address(self, files: TlsFiles) -> None:
        async with phone(tls=files, tls_name=lambda _flow: SNI) as caller, phone(tls=files) as called:
            assert await status_of(caller, called, None) == 200

    async def test_an_authority_that_we_do_not_trust(self, files: TlsFiles, tmp_path: Path) -> None:
        other = Authority(tmp_path, "other")
        async with phone(tls=replace(files, ca=str(other.certificate))) as caller, phone(tls=files) as called:
            assert await status_of(caller, called) == 503
            assert caller.endpoint.failed_handshakes == (0, 1)
            await until(lambda: called.endpoint.failed_handshakes == (1, 0))

    async def test_no_tls_here(self, files: TlsFiles) -> None:
        async with phone() as caller, phone(tls=files) as called:
            assert await status_of(caller, called) == 503

    async def test_connections_to_two_names_at_one_address_are_two(self, authority: Authority) -> None:
        files = files_of(authority, authority.issue("own", "a.example", "b.example"))
        async with phone(tls=files) as caller, phone(tls=files) as called:
            for name in ("a.example", "b.example", "a.example"):
                caller.options(called.flow(Transport.TLS, name))
                await caller.event(OptionsCompleted)
            assert called.endpoint.connections == 2


class TestWhoCalls:
    async def test_a_caller_without_a_certificate(self, authority: Authority, files: TlsFiles) -> None:
        mutual = replace(files, client_ca=str(authority.certificate))
        bare = TlsFiles(ca=files.ca)
        async with phone(tls=bare) as caller, phone(tls=mutual) as called:
            assert await status_of(caller, called) == 503
            await until(lambda: called.endpoint.failed_handshakes == (1, 0))
            assert called.events.empty()

    async def test_a_certificate_of_another_authority(
        self, authority: Authority, files: TlsFiles, tmp_path: Path
    ) -> None:
        mutual = replace(files, client_ca=str(authority.certificate))
        foreign = Authority(tmp_path, "foreign").issue("foreign")
        wrong = TlsFiles(
            ca=files.ca, client_certificate=str(foreign.certificate), client_key=str(foreign.key)
        )
        async with phone(tls=wrong) as caller, phone(tls=mutual) as called:
            assert await status_of(caller, called) == 503

    async def test_what_is_no_handshake_is_counted(self, files: TlsFiles) -> None:
        failures: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
        async with phone(tls=files, limits=StreamLimits(handshake_s=0.2)) as called:
            for first in (PING, b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.0\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*called.secure)
                writer.write(first)
                with contextlib.suppress(OSError):
                    await asyncio.wait_for(reader.read(), 30)
                writer.close()
            _, gone = await asyncio.open_connection(*called.secure)
            gone.close()
            reader, silent = await asyncio.open_connection(*called.secure)
            assert await asyncio.wait_for(reader.read(), 30) == b""
            silent.close()
            await until(lambda: called.endpoint.failed_handshakes == (5, 0))
            assert called.endpoint.connections == 0
        assert failures == []

    async def test_unfinished_handshakes_take_seats_and_give_them_back(self, files: TlsFiles) -> None:
        limits = StreamLimits(connections_per_host=1, handshake_s=0.3)
        async with phone(tls=files, limits=limits) as called:
            waiting, first = await asyncio.open_connection(*called.secure)
            turned_away, second = await asyncio.open_connection(*called.secure)
            assert await asyncio.wait_for(turned_away.read(), 30) == b""
            assert called.endpoint.failed_handshakes == (0, 0)
            assert await asyncio.wait_for(waiting.read(), 30) == b""
            async with phone(tls=files) as caller:
                assert await status_of(caller, called) == 200
            first.close()
            second.close()

    async def test_strangers_that_are_dropped_get_no_handshake(self, files: TlsFiles) -> None:
        async with phone(tls=files, admit=lambda _flow: Admission.DROP) as called:
            reader, writer = await asyncio.open_connection(*called.secure)
            assert await asyncio.wait_for(reader.read(), 30) == b""
            assert called.endpoint.failed_handshakes == (0, 0)
            writer.close()

    async def test_stop_while_shaking_hands(self, files: TlsFiles) -> None:
        async with phone(tls=files) as called:
            _, writer = await asyncio.open_connection(*called.secure)
            await asyncio.sleep(0.05)
        writer.close()


async def test_a_new_certificate_is_shown_to_the_next_and_the_running_stay(
    authority: Authority, files: TlsFiles
) -> None:
    async with phone(tls=files) as called, phone(tls=files) as first, phone(tls=files) as second:
        first.options(called.flow(Transport.TLS, SNI))
        await first.event(OptionsCompleted)
        contexts = called.endpoint._streams._tls
        assert isinstance(contexts, TlsContexts)
        authority.issue("own", "renewed.example.com")
        assert contexts.reload()
        assert await status_of(second, called, "renewed.example.com") == 200
        assert await status_of(first, called, SNI) == 200
        assert first.endpoint.connections == 1


async def test_a_running_call_outlives_its_connection(files: TlsFiles) -> None:
    """The callee's BYE opens a connection to the caller's Contact, under the name known for its address."""
    async with phone(tls=files, tls_name=lambda _flow: SNI) as called, phone(tls=files) as caller:
        caller.invite(called.flow(Transport.TLS, SNI))
        offered = await called.event(InviteReceived)
        assert isinstance(offered, InviteReceived)
        called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
        await called.event(AckReceived)
        for connection in list(caller.endpoint._streams._by_number.values()):
            connection.abort()
        await until(lambda: called.endpoint.connections == caller.endpoint.connections == 0)
        called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now))
        await caller.event(ByeReceived)
        done = await called.event(ByeCompleted)
        assert isinstance(done, ByeCompleted)
        assert done.status == 200


# ---------------------------------------------------------------------------------------------- the openssl program


@asynccontextmanager
async def openssl(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "openssl", *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def client_words(called: Phone, files: TlsFiles, *more: str) -> tuple[str, ...]:
    host, port = called.secure
    return (
        "s_client", "-connect", f"{host}:{port}", "-CAfile", str(files.ca), "-verify_return_error",
        "-servername", SNI, "-verify_hostname", SNI, "-quiet", *more,
    )  # fmt: skip


@pytest.mark.needs("openssl")
class TestOpenssl:
    @pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
    async def test_a_client_pings_us(self, files: TlsFiles, version: str) -> None:
        async with phone(tls=files) as called:
            async with openssl(*client_words(called, files, version)) as client:
                assert client.stdin is not None
                assert client.stdout is not None
                client.stdin.write(PING)
                answer = await asyncio.wait_for(client.stdout.readuntil(b"\r\n\r\n"), 30)
            assert b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS" in answer
            await called.event(OptionsReceived)

    @pytest.mark.parametrize(
        "words",
        [
            ("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"),
            ("-tls1_2", "-cipher", "AES128-SHA256"),
            ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"),
        ],
    )
    async def test_old_versions_and_weak_ciphers_are_refused(
        self, files: TlsFiles, words: tuple[str, ...]
    ) -> None:
        async with phone(tls=files) as called:
            async with openssl(*client_words(called, files, *words)) as client:
                assert await asyncio.wait_for(client.wait(), 30) != 0
            await until(lambda: called.endpoint.failed_handshakes == (1, 0))

    async def test_a_client_with_and_without_the_certificate_that_we_ask_for(
        self, authority: Authority, files: TlsFiles
    ) -> None:
        shown = authority.issue("client")
        mutual = replace(files, client_ca=str(authority.certificate))
        async with phone(tls=mutual) as called:
            words = ("-cert", str(shown.certificate), "-key", str(shown.key))
            async with openssl(*client_words(called, files, *words)) as client:
                assert client.stdin is not None
                assert client.stdout is not None
                client.stdin.write(PING)
                assert b"SIP/2.0 200" in await asyncio.wait_for(client.stdout.readuntil(b"\r\n\r\n"), 30)
            async with openssl(*client_words(called, files)) as client:
                assert client.stdin is not None
                client.stdin.write(PING)
                assert await asyncio.wait_for(client.wait(), 30) != 0
            assert called.endpoint.failed_handshakes == (1, 0)

    @pytest.mark.parametrize("mutual", [False, True])
    async def test_we_call_a_server_by_its_name_and_show_our_certificate(
        self, authority: Authority, files: TlsFiles, mutual: bool
    ) -> None:
        """The server has another certificate for callers that do not name it: only SNI brings the right one."""
        host, port = HOST, free_port()
        default, named = authority.issue("default", "default.example.com"), authority.issue("named", SNI)
        words = [
            "s_server", "-accept", f"{host}:{port}", "-quiet", "-naccept", "1",
            "-cert", str(default.certificate), "-key", str(default.key), "-servername", SNI,
            "-cert2", str(named.certificate), "-key2", str(named.key), "-CAfile", str(authority.certificate),
            *(["-Verify", "1", "-verify_return_error"] if mutual else []),
        ]  # fmt: skip
        async with openssl(*words) as server, phone(tls=files) as caller:
            await listening(host, port)
            leg = caller.invite(Flow(Transport.TLS, (host, port), None, SNI))
            assert server.stdin is not None
            assert server.stdout is not None
            invite = (await asyncio.wait_for(server.stdout.readuntil(b"\r\n\r\nv=0\r\n"), 30)).decode()
            start = invite.index("INVITE sip:")
            kept = [
                line for line in invite[start:].split("\r\n") if line.startswith(("Via:", "From:", "Call-ID:", "CSeq:"))
            ]  # fmt: skip
            assert kept[0].startswith("Via: SIP/2.0/TLS ")
            answer = ["SIP/2.0 486 Busy Here", *kept, "To: <sip:x@127.0.0.1>;tag=1", "Content-Length: 0"]
            server.stdin.write(("\r\n".join(answer) + "\r\n\r\n").encode())
            busy = await caller.event(LegRefused)
            assert isinstance(busy, LegRefused)
            assert (busy.leg_id, busy.status) == (leg, 486)

    async def test_a_server_that_speaks_only_old_versions(
        self, authority: Authority, files: TlsFiles
    ) -> None:
        host, port = HOST, free_port()
        own = authority.issue("server", SNI)
        words = [
            "s_server", "-accept", f"{host}:{port}", "-quiet", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0",
            "-cert", str(own.certificate), "-key", str(own.key),
        ]  # fmt: skip
        async with openssl(*words), phone(tls=files) as caller:
            await listening(host, port)
            leg = caller.invite(Flow(Transport.TLS, (host, port), None, SNI))
            assert await caller.event(LegRefused) == LegRefused(leg, 503, None)
            assert caller.endpoint.failed_handshakes == (0, 1)


async def listening(host: str, port: int) -> None:
    """Wait until the port is taken, without connecting: the server takes one connection only."""

    await until(lambda: _bound(host, port))


def _bound(host: str, port: int) -> bool:
    local = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1] == local and line.split()[3] == "0A" for line in lines)
