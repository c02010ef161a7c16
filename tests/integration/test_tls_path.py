"""`tieline serve` over TLS: a call through Kamailio from SIPp, certificates renewed in service, figures."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.certificates import Authority, Pair
from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import HOST, Served, eventually, serving
from tests.ports import free_port

NAME = "sip.example.com"
CONFIG = Path(__file__).parent / "kamailio" / "tls_edge.cfg"
TLS_CONFIG = """
[server:default]
method = TLSv1.2+
certificate = {own.certificate}
private_key = {own.key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes

[client:default]
method = TLSv1.2+
certificate = {own.certificate}
private_key = {own.key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.issue("own", NAME, "127.0.0.1")


@pytest.fixture(scope="module")
def secure(authority: Authority, own: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings: dict[str, dict[str, Any]] = {
        "sip": {
            "udp_host": HOST, "udp_port": 0, "tcp_host": "", "tls_host": HOST, "tls_port": 0,
            "tls_certificate": str(own.certificate), "tls_key": str(own.key),
            "tls_ca": str(authority.certificate), "tls_client_ca": str(authority.certificate),
        },
        "log": {"level": "debug"},
    }  # fmt: skip
    with serving(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


def sip_tls(served: Served) -> tuple[str, int]:
    address = served.addresses.sip_tls
    assert address is not None
    return address


@asynccontextmanager
async def edge(authority: Authority, server: tuple[str, int], folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Kamailio between UDP, at the address given, and the server's TLS port."""
    udp, tls = (HOST, free_port()), (HOST, free_port())
    pair = authority.issue("edge", HOST)
    (folder / "tls.cfg").write_text(TLS_CONFIG.format(own=pair, ca=authority.certificate))
    text = CONFIG.read_text()
    for word, address in (("UDPLISTEN", udp), ("TLSLISTEN", tls), ("SERVER", server)):
        text = text.replace(word, f"{address[0]}:{address[1]}")
    (folder / "edge.cfg").write_text(text.replace("FOLDER", str(folder)))
    with (folder / "kamailio.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "kamailio", "-DD", "-E", "-m", "64", "-f", str(folder / "edge.cfg"), "-Y", str(folder),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        await eventually(lambda: _taken(udp) or process.returncode is not None)
        assert process.returncode is None, (folder / "kamailio.log").read_text()
        yield udp
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _taken(address: tuple[str, int]) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
    return False


@pytest.mark.needs("sipp")
@pytest.mark.needs("kamailio")
async def test_a_call_through_kamailio(
    authority: Authority, secure: Served, ear: RtpEnd, tmp_path: Path
) -> None:
    """SIPp speaks UDP to Kamailio, Kamailio mutual TLS to us; our BYE with its headers goes back the same way."""
    shared_id = f"case-{uuid.uuid4()}"
    reserved = await secure.reserve(shared_id=shared_id)
    acknowledged = sipp.send(sipp.request("ACK", 1, headers=["[routes]"]), retransmitted=False)
    steps: sipp.Steps = [
        sipp.invite(), sipp.answered(), acknowledged, sipp.receive_request("BYE"), sipp.thank(),
    ]  # fmt: skip
    async with edge(authority, sip_tls(secure), tmp_path) as entrance:

        async def talk() -> None:
            await ear.speech()
            await ear.press("2")

        async with asyncio.TaskGroup() as both:
            playing = both.create_task(
                sipp.play(tmp_path, steps, entrance, reserved["dni"], media_port=ear.port)
            )
            both.create_task(talk())
        played = playing.result()
    bye = played.received("BYE ")[0]
    assert bye.header("X-Destination") == "service"
    assert any(via.startswith("SIP/2.0/TLS ") for via in bye.headers("Via"))
    ok = played.responses(200, "INVITE")[0]
    assert ok.header("Contact").endswith(";transport=tls>")
    assert ";transport=tls" in " ".join(ok.headers("Record-Route"))
    found = await secure.handoff(shared_id, wait_s=5)
    assert found.status == 200
    call = await secure.ended_call(ok.header("Call-ID"))
    assert call["termination"]["reason"] == "handed_off"


def shown(address: tuple[str, int], authority: Authority, pair: Pair) -> datetime:
    """When the certificate that the server shows ends."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(pair.certificate, pair.key)
    with socket.create_connection(address, 10) as raw, context.wrap_socket(raw, server_hostname=NAME) as sock:
        data = sock.getpeercert(binary_form=True)
    assert data is not None
    return x509.load_der_x509_certificate(data).not_valid_after_utc


async def test_certificates_are_renewed_in_service(authority: Authority, secure: Served, own: Pair) -> None:
    address, client = sip_tls(secure), authority.issue("client")
    left = await secure.metric("tieline_tls_certificate_expires_seconds")
    assert 19 * 86_400 < left <= 20 * 86_400
    ends = (datetime.now(UTC) + timedelta(days=40)).replace(microsecond=0)
    authority.issue("own", NAME, "127.0.0.1", ends=ends)
    await eventually(lambda: shown(address, authority, client) == ends)

    async def noticed() -> bool:
        return await secure.metric("tieline_tls_certificate_expires_seconds") > 39 * 86_400

    await eventually(noticed)
    own.key.write_bytes(client.key.read_bytes())
    await eventually(lambda: "TLS certificates not reloaded" in secure.process.log.read_text())
    assert shown(address, authority, client) == ends
    later = ends + timedelta(days=1)
    authority.issue("own", NAME, "127.0.0.1", ends=later)
    await eventually(lambda: shown(address, authority, client) == later)


async def test_who_shows_no_certificate_is_counted_out(authority: Authority, secure: Served) -> None:
    before = await secure.metric("tieline_tls_handshakes_failed_total", direction="in")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    reader, writer = await asyncio.open_connection(*sip_tls(secure), ssl=context, server_hostname=NAME)
    with contextlib.suppress(OSError):  # the server says so after the client's side of the handshake
        assert await asyncio.wait_for(reader.read(1), 30) == b""
    writer.transport.abort()

    async def counted() -> bool:
        return await secure.metric("tieline_tls_handshakes_failed_total", direction="in") > before

    await eventually(counted)
