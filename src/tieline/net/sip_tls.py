"""TLS of the SIP side: contexts made from files, and made anew when the files change. Bad files leave the old ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from tieline.errors import ConfigurationError
from tieline.net.certificate_names import certifies
from tieline.observe.logging import get_logger

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all good."""

WARN_BEFORE = timedelta(days=14)
"""How long before its end a certificate is worth a warning."""

_MOMENT_S = 0.3
_SAY_AGAIN = timedelta(days=1)
_MISMATCH = "KEY_VALUES_MISMATCH"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificates and keys are, as PEM. Without `certificate` there is no server.

    `key` None means that the certificate's file holds the key too. `ca` is whom we trust when we call, None for the
    system's authorities; `client_ca` is who must have signed the certificate of a peer that calls us, None when it
    needs none. `client_certificate` and `client_key` are shown when we call; without them, `certificate` and `key`.
    """

    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    client_ca: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def paths(self) -> list[str]:
        """Every file that is named."""
        named = (
            self.certificate, self.key, self.ca, self.client_ca, self.client_certificate, self.client_key,
        )  # fmt: skip
        return [path for path in named if path is not None]


@dataclass(frozen=True, slots=True)
class TlsLoaded:
    """What one reading of the files gave. `expires_at` is when the first of our own certificates ends."""

    server: ssl.SSLContext | None
    client: ssl.SSLContext
    expires_at: datetime | None


def load_tls(files: TlsFiles) -> TlsLoaded:
    """Read every file. Raises `ConfigurationError` that names the setting and the file."""
    ends: list[datetime] = []
    server = None
    if files.certificate is not None:
        server = _context(ssl.PROTOCOL_TLS_SERVER)
        ends.append(_load_own(server, files.certificate, files.key, "sip.tls_certificate"))
        if files.client_ca is not None:
            server.verify_mode = ssl.CERT_REQUIRED
            _load_trusted(server, files.client_ca, "sip.tls_client_ca")
    client = _context(ssl.PROTOCOL_TLS_CLIENT)
    # The names are compared after the handshake, since the library knows no sip: URIs.
    client.check_hostname = False
    client.verify_mode = ssl.CERT_REQUIRED
    if files.ca is not None:
        _load_trusted(client, files.ca, "sip.tls_ca")
    else:
        client.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if files.client_certificate is not None:
        ends.append(
            _load_own(client, files.client_certificate, files.client_key, "sip.tls_client_certificate")
        )
    elif files.certificate is not None:
        _load_own(client, files.certificate, files.key, "sip.tls_certificate")
    return TlsLoaded(server, client, min(ends, default=None))


def _context(protocol: ssl._SSLMethod) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _load_own(context: ssl.SSLContext, certificate: str, key: str | None, field: str) -> datetime:
    """Take a certificate chain and its key; when the chain's first certificate ends."""
    try:
        chain = x509.load_pem_x509_certificates(Path(certificate).read_bytes())
    except OSError as error:
        raise _fault(field, f"{certificate} cannot be read: {error.strerror}") from None
    except ValueError:
        raise _fault(field, f"{certificate} holds no PEM certificate") from None
    shown = key or certificate
    try:
        Path(shown).read_bytes()
        context.load_cert_chain(certificate, key, password=b"")  # an empty one: nobody is there to be asked
    except ssl.SSLError as error:
        if error.reason == _MISMATCH:
            raise _fault(field, f"the key in {shown} does not belong to {certificate}") from None
        raise _fault(field, f"{shown} holds no PEM key that can be read without a password") from None
    except OSError as error:
        raise _fault(field, f"{shown} cannot be read: {error.strerror}") from None
    return chain[0].not_valid_after_utc


def _load_trusted(context: ssl.SSLContext, path: str, field: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise _fault(field, f"{path} holds no PEM certificate") from None
    except OSError as error:
        raise _fault(field, f"{path} cannot be read: {error.strerror}") from None


def _fault(field: str, message: str) -> ConfigurationError:
    return ConfigurationError(f"{field}: {message}", field=field)


def failure_reason(error: Exception) -> str:
    """Why a connection failed, in the library's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    if isinstance(error, TimeoutError):
        return "not in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def greet(loaded: TlsLoaded, address: tuple[str, int], name: str, limit_s: float) -> str | None:
    """Connect, see whether the peer proves to be `name`, and leave; what went wrong, None when nothing did.

    A peer that wants a certificate of ours says so after the handshake: it is given a moment to do that.
    """
    try:
        async with asyncio.timeout(limit_s):
            name.encode("idna")
            reader, writer = await asyncio.open_connection(*address, ssl=loaded.client, server_hostname=name)
            try:
                if not certifies(writer.get_extra_info("peercert") or {}, name):
                    return f"the certificate does not name {name}"
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_MOMENT_S):
                        if not await reader.read(1):
                            return "the peer ends the connection at once"
                return None
            finally:
                writer.transport.abort()
    except (OSError, ValueError) as error:
        return failure_reason(error)


_Marks = tuple[tuple[int, int, int] | None, ...]


class TlsContexts:
    """The contexts in use. New connections take the present ones; those that are up keep what they have.

    Raises `ConfigurationError` when the files cannot be used at the start.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._tried = self._seen = self._marks()
        self._loaded = load_tls(files)
        self._warned_at: datetime | None = None
        self._log = get_logger("sip")

    @property
    def server(self) -> ssl.SSLContext | None:
        """For connections to us; None without a certificate."""
        return self._loaded.server

    @property
    def client(self) -> ssl.SSLContext:
        """For connections of ours."""
        return self._loaded.client

    @property
    def expires_at(self) -> datetime | None:
        """When the first of our certificates ends; None without one."""
        return self._loaded.expires_at

    def reload(self) -> bool:
        """Read the files now; False, with a line in the log, when the old contexts stay."""
        self._tried = self._seen = self._marks()
        try:
            self._loaded = load_tls(self._files)
        except ConfigurationError as error:
            self._log.error("= TLS certificates not reloaded, the old ones stay", detail=error.message)
            return False
        self._warned_at = None
        if self._tried:
            shown = self.expires_at.isoformat() if self.expires_at is not None else None
            self._log.info("= TLS certificates loaded", expires_at=shown)
        return True

    def follow(self, now: datetime) -> None:
        """Read the files again once they have changed and then stood still from one look to the next.

        A certificate and its key are two files, and seldom written at one moment.
        """
        marks = self._marks()
        if marks != self._tried and marks == self._seen:
            self.reload()
        self._seen = marks
        self._warn(now)

    def _warn(self, now: datetime) -> None:
        """Once a day from two weeks before the end."""
        ends = self.expires_at
        if ends is None or ends - now > WARN_BEFORE:
            return
        if self._warned_at is None or now - self._warned_at >= _SAY_AGAIN:
            self._warned_at = now
            word = "has expired" if ends <= now else "expires soon"
            self._log.warning(f"= TLS certificate {word}", expires_at=ends.isoformat())

    def _marks(self) -> _Marks:
        marks: list[tuple[int, int, int] | None] = []
        for path in self._files.paths():
            try:
                found = os.stat(path)  # noqa: PTH116 - once a second, on the loop
            except OSError:
                marks.append(None)
            else:
                marks.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(marks)


def expires_in_s(expires_at: datetime | None, now: datetime | None = None) -> float:
    """Seconds until a certificate ends, negative afterwards; infinity without one."""
    if expires_at is None:
        return float("inf")
    return (expires_at - (now or datetime.now(UTC))).total_seconds()
