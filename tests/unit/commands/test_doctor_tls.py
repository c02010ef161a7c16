"""What `tieline doctor` says of certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, Pair
from tieline.commands.doctor_tls import check_certificates
from tieline.config import load_settings


def said(**sip: Any) -> list[tuple[str, str]]:
    settings = load_settings(environ={}, overrides={f"sip.{name}": str(value) for name, value in sip.items()})
    return [(each.level, each.message) for each in check_certificates(settings)]


def own(pair: Pair) -> dict[str, Any]:
    return {"tls_certificate": pair.certificate, "tls_key": pair.key}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_none() -> None:
    assert said() == [("ok", "no certificate: nobody can call by TLS, calls out by TLS work")]


def test_good(authority: Authority) -> None:
    pair = authority.issue("own", "sip.example.com", "sip:example.com", "192.0.2.1")
    pair.key.chmod(0o600)
    levels = said(**own(pair), advertised_host="sip.example.com")
    assert [level for level, _ in levels] == ["ok", "ok"]
    assert "good until" in levels[0][1]
    assert levels[1][1].endswith("made for sip.example.com, sip:example.com, 192.0.2.1")


def test_faults(authority: Authority, tmp_path: Path) -> None:
    assert said(tls_certificate=tmp_path / "none.pem")[0][0] == "fault"
    pair = authority.issue("own", "other.example.com")
    pair.key.chmod(0o644)
    found = said(**own(pair), advertised_host="sip.example.com")
    assert [level for level, _ in found] == ["ok", "advice", "fault"]
    assert "made for other.example.com, but peers are told sip.example.com" in found[1][1]
    assert "everybody may read the key" in found[2][1]
    nameless = authority.issue("nameless")
    nameless.key.chmod(0o600)
    assert "bears no name" in said(**own(nameless))[1][1]


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [(-1, "fault", "ended"), (5, "advice", "good until"), (100, "fault", "good only from")],
)
def test_time(authority: Authority, days: int, level: str, words: str) -> None:
    pair = authority.issue("shown", "a.example", ends=datetime.now(UTC) + timedelta(days=days))
    pair.key.chmod(0o600)
    found = said(tls_client_certificate=pair.certificate, tls_client_key=pair.key)
    assert found[0][0] == "ok"
    assert found[1][0] == level
    assert words in found[1][1]
