"""Checks of the certificates that SIP over TLS shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from tieline.commands.findings import Finding
from tieline.config import Settings
from tieline.errors import ConfigurationError
from tieline.net.certificate_names import certifies
from tieline.net.sip_tls import WARN_BEFORE, load_tls
from tieline.wiring import tls_files


def check_certificates(settings: Settings) -> Iterator[Finding]:
    """Whether the files can be used, for how long, and for the name that peers are told."""
    files = tls_files(settings)
    try:
        load_tls(files)
    except ConfigurationError as error:
        yield Finding("certificates", "fault", error.message, "Mend the file, or the setting that names it.")
        return
    if files.certificate is None:
        yield Finding("certificates", "ok", "no certificate: nobody can call by TLS, calls out by TLS work")
    else:
        yield from _check_own(files.certificate, "sip.tls_certificate")
        yield from _check_name(files.certificate, settings.sip.advertised_host)
        yield from _check_key(files.key or files.certificate)
    if files.client_certificate is not None:
        yield from _check_own(files.client_certificate, "sip.tls_client_certificate")
        yield from _check_key(files.client_key or files.client_certificate)


def _read(path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(Path(path).read_bytes())[0]


def _check_own(path: str, setting: str) -> Iterator[Finding]:
    certificate, now = _read(path), datetime.now(UTC)
    ends = certificate.not_valid_after_utc
    shown = f"{setting}: good until {ends:%Y-%m-%d %H:%M} UTC"
    if certificate.not_valid_before_utc > now:
        yield Finding(
            "certificates", "fault", f"{setting}: good only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            "Wait, or check the clock.",
        )  # fmt: skip
    elif ends <= now:
        yield Finding("certificates", "fault", f"{setting}: ended {ends:%Y-%m-%d %H:%M} UTC", "Renew it.")
    elif ends - now <= WARN_BEFORE:
        yield Finding(
            "certificates", "advice", shown, "Renew it; the running server takes the new files by itself."
        )
    else:
        yield Finding("certificates", "ok", shown)


def _check_name(path: str, advertised: str | None) -> Iterator[Finding]:
    try:
        names = _read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        yield Finding(
            "certificates", "fault", f"sip.tls_certificate: {path} bears no name (subjectAltName)",
            "Have one made for the host name that peers call.",
        )  # fmt: skip
        return
    listed = [
        *(("DNS", name) for name in names.get_values_for_type(x509.DNSName)),
        *(("URI", name) for name in names.get_values_for_type(x509.UniformResourceIdentifier)),
        *(("IP Address", str(name)) for name in names.get_values_for_type(x509.IPAddress)),
    ]
    shown = ", ".join(name for _, name in listed)
    if advertised is not None and not certifies({"subjectAltName": listed}, advertised):
        yield Finding(
            "certificates", "advice", f"sip.tls_certificate: made for {shown}, but peers are told {advertised}",
            "Have one made for that name, unless peers call you by one of those.",
        )  # fmt: skip
    else:
        yield Finding("certificates", "ok", f"sip.tls_certificate: made for {shown}")


def _check_key(path: str) -> Iterator[Finding]:
    if Path(path).stat().st_mode & 0o007:
        yield Finding(
            "certificates", "fault", f"everybody may read the key in {path}", f"Run `chmod o= {path}`."
        )
