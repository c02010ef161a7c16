"""Certificates from files: what is refused, what is renewed, and what is said of their end."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from tests.certificates import Authority, Pair
from tieline.errors import ConfigurationError
from tieline.net.sip_tls import TlsContexts, TlsFiles, expires_in_s, load_tls


def files_of(pair: Pair, **others: str) -> TlsFiles:
    return TlsFiles(certificate=str(pair.certificate), key=str(pair.key), **others)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class TestLoad:
    def test_nothing_configured_still_calls(self) -> None:
        loaded = load_tls(TlsFiles())
        assert loaded.server is None
        assert loaded.expires_at is None
        assert loaded.client.verify_mode is ssl.CERT_REQUIRED
        assert loaded.client.minimum_version is ssl.TLSVersion.TLSv1_2
        assert TlsFiles().paths() == []

    def test_whole(self, authority: Authority) -> None:
        first = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
        own, shown = authority.issue("own", "a.example"), authority.issue("shown", ends=first)
        trusted = str(authority.certificate)
        files = files_of(
            own, ca=trusted, client_ca=trusted,
            client_certificate=str(shown.certificate), client_key=str(shown.key),
        )  # fmt: skip
        loaded = load_tls(files)
        assert loaded.server is not None
        assert loaded.server.verify_mode is ssl.CERT_REQUIRED
        assert loaded.server.minimum_version is ssl.TLSVersion.TLSv1_2
        assert all(
            "CBC" not in cipher["name"] and "AES128-SHA" not in cipher["name"]
            for cipher in loaded.server.get_ciphers()
        )
        assert loaded.expires_at == first
        assert len(files.paths()) == 6

    def test_one_file_for_both(self, authority: Authority, tmp_path: Path) -> None:
        own = authority.issue("own", "a.example")
        both = tmp_path / "both.pem"
        both.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
        loaded = load_tls(TlsFiles(certificate=str(both)))
        assert loaded.server is not None
        assert loaded.server.verify_mode is ssl.CERT_NONE

    @pytest.mark.parametrize(
        ("changes", "field", "words"),
        [
            ({"certificate": "no"}, "sip.tls_certificate", "cannot be read: No such file"),
            ({"certificate": "junk"}, "sip.tls_certificate", "holds no PEM certificate"),
            ({"key": "no"}, "sip.tls_certificate", "cannot be read: No such file"),
            ({"key": "junk"}, "sip.tls_certificate", "holds no PEM key"),
            ({"key": "locked.key"}, "sip.tls_certificate", "without a password"),
            ({"key": "other.key"}, "sip.tls_certificate", "does not belong to"),
            ({"ca": "no"}, "sip.tls_ca", "cannot be read: No such file"),
            ({"ca": "junk"}, "sip.tls_ca", "holds no PEM certificate"),
            ({"client_ca": "junk"}, "sip.tls_client_ca", "holds no PEM certificate"),
            ({"client_certificate": "junk"}, "sip.tls_client_certificate", "holds no PEM certificate"),
        ],
    )
    def test_what_cannot_be_used_is_named(
        self, authority: Authority, tmp_path: Path, changes: dict[str, str], field: str, words: str
    ) -> None:
        own = authority.issue("own", "a.example")
        authority.issue("other")
        (tmp_path / "junk").write_text("not a certificate")
        key = serialization.load_pem_private_key(own.key.read_bytes(), None)
        (tmp_path / "locked.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        given = {"certificate": "own.pem", "key": "own.key", **changes}
        with pytest.raises(ConfigurationError, match=words) as caught:
            load_tls(TlsFiles(**{name: str(tmp_path / file) for name, file in given.items()}))
        assert caught.value.message.startswith(field)


class TestRenewal:
    def test_new_files_are_taken_once_they_stand_still(self, authority: Authority) -> None:
        now = datetime.now(UTC)
        own = authority.issue("own", "a.example")
        contexts = TlsContexts(files_of(own))
        before = contexts.server
        contexts.follow(now)
        assert contexts.server is before
        ends = now.replace(microsecond=0) + timedelta(days=25)
        authority.issue("own", "a.example", ends=ends)
        contexts.follow(now)
        assert contexts.server is before
        contexts.follow(now)
        assert contexts.server is not before
        assert contexts.expires_at == ends

    def test_a_broken_one_leaves_the_old_one_and_is_said_once(self, authority: Authority) -> None:
        now = datetime.now(UTC)
        own, other = authority.issue("own", "a.example"), authority.issue("other")
        contexts = TlsContexts(files_of(own))
        before = contexts.server, contexts.client
        own.key.write_bytes(other.key.read_bytes())
        with capture_logs() as logs:
            for _ in range(4):
                contexts.follow(now)
        assert [(each["log_level"], each["event"]) for each in logs] == [
            ("error", "= TLS certificates not reloaded, the old ones stay")
        ]
        assert (contexts.server, contexts.client) == before
        own.certificate.unlink()
        assert not contexts.reload()
        assert (contexts.server, contexts.client) == before

    def test_asked_for(self, authority: Authority) -> None:
        contexts = TlsContexts(files_of(authority.issue("own", "a.example")))
        before = contexts.server
        assert contexts.reload()
        assert contexts.server is not before
        with capture_logs() as logs:
            assert TlsContexts(TlsFiles()).reload()
        assert logs == []

    def test_same_size_and_time_but_another_file(self, authority: Authority, tmp_path: Path) -> None:
        own = authority.issue("own", "a.example")
        contexts = TlsContexts(files_of(own))
        before, found = contexts.server, own.certificate.stat()
        scratch = tmp_path / "scratch"
        scratch.write_bytes(own.certificate.read_bytes())
        os.utime(scratch, ns=(found.st_atime_ns, found.st_mtime_ns))
        scratch.replace(own.certificate)
        for _ in range(2):
            contexts.follow(datetime.now(UTC))
        assert contexts.server is not before


class TestExpiry:
    def test_said_once_a_day_in_the_last_two_weeks(self, authority: Authority) -> None:
        now = datetime.now(UTC)
        contexts = TlsContexts(files_of(authority.issue("own", ends=now + timedelta(days=15))))
        said = []
        for days in (0, 2, 2.5, 3.1, 14, 16):
            with capture_logs() as logs:
                contexts.follow(now + timedelta(days=days))
            said.append([each["event"] for each in logs])
        soon, late = ["= TLS certificate expires soon"], ["= TLS certificate has expired"]
        assert said == [[], soon, [], soon, soon, late]

    def test_seconds(self) -> None:
        now = datetime.now(UTC)
        assert expires_in_s(None) == float("inf")
        assert expires_in_s(now - timedelta(seconds=5), now) == -5
        assert expires_in_s(now + timedelta(days=1)) > 86_000
