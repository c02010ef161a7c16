"""Secrets at rest: what projects, trunks and the like hold of them is encrypted before it reaches the database.

Fernet does it: AES-128-CBC and HMAC. The key is not in the database. It comes from the environment or from a file
beside the database, which is made when the first secret has to be sealed. Several keys make a rotation: the first
seals, all of them open. A secret that none of them opens stays as it is stored, so that only what it belongs to
is kept from service.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tieline.errors import ConfigurationError
from tieline.model.project import Project
from tieline.model.trunk import Trunk
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEndpoint

KEY_VARIABLE = "TIELINE_STORE_KEY"
MARK = "tieline-sealed:1:"
"""How a sealed value begins in the database."""

Holder = Project | Trunk | WebhookEndpoint | TwilioConnection
"""What has secrets."""

HINT = f"bring back the key that sealed them (in {KEY_VARIABLE} or the key file), or apply the secrets anew"


class Seal:
    """Seals and opens secrets. Keys are looked up when they are needed, and never kept or shown."""

    def __init__(self, key_file: Path, environ: Mapping[str, str] | None = None) -> None:
        self.key_file = key_file
        self._environ = os.environ if environ is None else environ

    @property
    def place(self) -> str:
        """Where the keys come from, in words."""
        return KEY_VARIABLE if self._environ.get(KEY_VARIABLE, "").strip() else str(self.key_file)

    def has_key(self) -> bool:
        """Whether there is a key. Raises `ConfigurationError` when what is there is none, or cannot be read."""
        return bool(self._keys())

    def open(self, stored: Sequence[Holder]) -> tuple[Holder, ...]:
        """Holders with their secrets in clear; one that cannot be opened stays sealed (see `unopened`)."""
        return tuple(
            _with_secrets(one, {name: self._open(value) for name, value in secrets_of(one).items()})
            for one in stored
        )

    def close(self, wanted: Sequence[Holder], stored: Sequence[Holder]) -> tuple[Holder, ...]:
        """Holders as they are stored, in the order of `wanted`.

        What is `stored` already under the first key stays byte for byte.

        Raises `ConfigurationError` when a secret has to be sealed and there is no key, and none may be made because
        it could not open what is sealed already.
        """
        before = {_key_of(one): secrets_of(one) for one in stored}
        kept = [
            _is_kept(value, before.get(_key_of(one), {}).get(name))
            for one in wanted
            for name, value in secrets_of(one).items()
        ]
        if all(kept):
            return tuple(wanted)
        keys = self._keys() or [self._make_key(lost=any(kept))]
        found = []
        for one in wanted:
            old = before.get(_key_of(one), {})
            sealed = {name: _seal(keys[0], value, old.get(name)) for name, value in secrets_of(one).items()}
            found.append(_with_secrets(one, sealed))
        return tuple(found)

    def count_outdated(self, stored: Sequence[Holder]) -> int:
        """How many stored secrets are in clear, or under a key that is not the first."""
        with contextlib.suppress(ConfigurationError):
            keys = self._keys()
            return sum(
                not value.startswith(MARK) or (_opens(keys[1:], value) and not _opens(keys[:1], value))
                for one in stored
                for value in secrets_of(one).values()
            )
        return 0

    def _open(self, value: str) -> str:
        if value.startswith(MARK):
            with contextlib.suppress(ConfigurationError, InvalidToken):
                keys = self._keys()
                if keys:
                    return MultiFernet(keys).decrypt(value.removeprefix(MARK)).decode()
        return value

    def _keys(self) -> list[Fernet]:
        """Every key, the sealing one first; none when there is neither variable nor file."""
        text = self._environ.get(KEY_VARIABLE, "")
        if not text.strip():
            try:
                text = self.key_file.read_text(encoding="ascii")
            except FileNotFoundError:
                return []
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is not text"
                raise ConfigurationError(f"{self.key_file}: the key file cannot be read: {why}") from None
        try:
            return [Fernet(word) for word in text.replace(",", " ").split()]
        except ValueError:
            raise ConfigurationError(
                f"{self.place}: holds something that is no key; a key is 32 random bytes in base64,"
                " as `openssl rand -base64 32` writes them"
            ) from None

    def _make_key(self, *, lost: bool) -> Fernet:
        """A new key in a new file that only its owner may read, on the disk before anything is sealed with it."""
        if lost:
            raise ConfigurationError(
                f"{self.key_file}: there is no key, and secrets are sealed with one: {HINT}"
            )
        key = Fernet.generate_key()
        try:
            descriptor = os.open(self.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                file.write(key + b"\n")
                file.flush()
                os.fsync(file.fileno())
            folder = os.open(self.key_file.absolute().parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            why = error.strerror
            raise ConfigurationError(f"{self.key_file}: the key file cannot be made: {why}") from None
        return Fernet(key)


def seal_of(database: Path, key_file: str | None = None) -> Seal:
    """The seal of a database: its keys in the environment, in `key_file`, or in the file `<database>.key`."""
    return Seal(Path(key_file) if key_file else database.with_name(f"{database.name}.key"))


def unopened(holder: Holder) -> str | None:
    """Why the secrets of a holder cannot be used, and the fix; None when they can."""
    names = sorted(name for name, value in secrets_of(holder).items() if value.startswith(MARK))
    return f"secrets that cannot be opened: {', '.join(names)}; {HINT}" if names else None


def secrets_of(holder: Holder) -> dict[str, str]:
    """What is sealed of a holder, by name."""
    if isinstance(holder, Project):
        return holder.secrets
    return {field: value for field in holder.hidden if (value := getattr(holder, field)) is not None}


def _with_secrets(holder: Holder, secrets: Mapping[str, str]) -> Holder:
    if not secrets:
        return holder
    if isinstance(holder, Project):
        return msgspec.structs.replace(holder, secrets=dict(secrets))
    return msgspec.structs.replace(holder, **secrets)


def _key_of(holder: Holder) -> tuple[str, str]:
    return type(holder).__name__, holder.id if isinstance(holder, Project) else holder.name


def _is_kept(value: str, stored: str | None) -> bool:
    """Whether a value is a stored one that could not be opened."""
    return value == stored and value.startswith(MARK)


def _seal(key: Fernet, value: str, stored: str | None) -> str:
    """The stored form of a value: as it is stored, where that is still good."""
    if _is_kept(value, stored):
        return value
    if stored is not None and stored.startswith(MARK):
        with contextlib.suppress(InvalidToken):
            if key.decrypt(stored.removeprefix(MARK)) == value.encode():
                return stored
    return MARK + key.encrypt(value.encode()).decode()


def _opens(keys: list[Fernet], value: str) -> bool:
    if not keys:
        return False
    try:
        MultiFernet(keys).decrypt(value.removeprefix(MARK))
    except InvalidToken:
        return False
    return True
