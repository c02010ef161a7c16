"""What `tieline doctor` says of the servers that trunks are called at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.integration.dns_server import dns_server
from tests.integration.sip_phone import phone
from tests.ports import free_port
from tieline.commands import doctor_targets
from tieline.config import load_settings
from tieline.model.resources import Resources
from tieline.model.trunk import Transport, Trunk
from tieline.net.sip_tls import TlsFiles


async def said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *trunks: Trunk, **sip: Any
) -> list[tuple[str, str]]:
    async def read(_settings: object) -> tuple[Resources, int]:
        return Resources(trunks=trunks), 0

    monkeypatch.setattr(doctor_targets, "read_resources", read)
    (tmp_path / "tieline.db").touch()
    overrides = {
        "store.path": str(tmp_path / "tieline.db"),
        **{f"sip.{key}": str(value) for key, value in sip.items()},
    }
    settings = load_settings(environ={}, overrides=overrides)
    findings = await asyncio.to_thread(lambda: list(doctor_targets.check_targets(settings)))
    assert {each.check for each in findings} <= {"targets"}
    return [(each.level, each.message) for each in findings]


def test_nothing_configured(tmp_path: Path) -> None:
    settings = load_settings(environ={}, overrides={"store.path": str(tmp_path / "none.db")})
    assert list(doctor_targets.check_targets(settings)) == []


async def test_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with dns_server() as server:
        server.put("_sip._udp.example.com", "SRV", "1 1 5070 a.example.com.")
        server.put("a.example.com", "A", *(f"192.0.2.{number}" for number in range(1, 7)))
        trunks = (
            Trunk(name="silent", networks=()),
            Trunk(name="good", networks=(), target="example.com"),
            Trunk(name="bad", networks=(), target="no.example.org"),
        )
        found = await said(monkeypatch, tmp_path, *trunks, dns_servers=f"127.0.0.1:{server.address[1]}")
    assert [level for level, _ in found] == ["ok", "fault"]
    assert found[0][1].startswith("trunk good: example.com is UDP 192.0.2.")
    assert found[0][1].endswith("and 2 more")
    assert found[1][1] == "trunk bad: no.example.org has no SIP server that we can reach"


async def test_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("own", "sip.example.com")
    ca = str(authority.certificate)
    files = TlsFiles(certificate=str(own.certificate), key=str(own.key), client_ca=ca)
    async with phone(tls=files) as called:
        target = f"{called.secure[0]}:{called.secure[1]}"

        def trunk(name: str, **more: Any) -> Trunk:
            return Trunk(name=name, networks=(), target=target, transport=Transport.TLS, **more)

        named = trunk("named", tls_name="sip.example.com")
        closed = Trunk(name="closed", networks=(), target=f"sips:127.0.0.1:{free_port()}")
        shown = {"tls_client_certificate": own.certificate, "tls_client_key": own.key}
        good = await said(monkeypatch, tmp_path, named, trunk("nameless"), closed, tls_ca=ca, **shown)
        bare = await said(monkeypatch, tmp_path, named, tls_ca=ca)
        untrusted = await said(monkeypatch, tmp_path, named, **shown)
    assert [level for level, _ in good] == ["ok", "ok", "ok", "fault", "ok", "fault"]
    assert "has a certificate for sip.example.com that we trust" in good[1][1]
    assert "the certificate does not name 127.0.0.1" in good[3][1]
    assert "no TLS connection: Connect call failed" in good[5][1] or "refused" in good[5][1]
    assert [level for level, _ in bare] == ["ok", "fault"]
    assert "no TLS connection: certificate: " in untrusted[1][1]
