"""Who is asking: API keys, looked up by their SHA-256, and what they may do.

A key is 256 random bits, so its hash needs no salt and a look-up by hash tells an attacker nothing; the stored hash
is still compared in constant time, in case a directory ever finds keys by less than the whole hash.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from tieline.calls.credential_use import CredentialUse
from tieline.calls.directory import Directory
from tieline.clock import Clock
from tieline.http.errors import HttpError
from tieline.model.project import Account, ApiKey, Project, Scope, hash_secret

KEY_HEADER = b"x-api-key"
MAX_KEY_BYTES = 512


def key_from_headers(headers: Mapping[bytes, bytes], *, bearer: bool = False) -> bytes | None:
    """The key that the request carries in `x-api-key`, or with `bearer` also in `Authorization: Bearer`."""
    key = headers.get(KEY_HEADER)
    if key is None and bearer:
        scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            key = value.strip()
    return key


def authenticate(directory: Directory, key: bytes | None, clock: Clock, uses: CredentialUse) -> ApiKey:
    """The stored key, whose use is noted. Raises `HttpError` 401 when it is missing, wrong or expired."""
    if not key:
        raise HttpError(401, "missing_key", "an API key is needed")
    if len(key) <= MAX_KEY_BYTES:
        key_hash = hash_secret(key)
        found = directory.key(key_hash)
        if found is not None and hmac.compare_digest(found.key_hash, key_hash):
            now = clock.utc()
            if found.expires_at is not None and found.expires_at <= now:
                raise HttpError(401, "expired_key", "the API key has expired")
            uses.note(key_hash, now)
            return found
    raise HttpError(401, "wrong_key", "the API key is not valid")


def require_scope(key: ApiKey, scope: Scope) -> None:
    """Raises `HttpError` 403 when the key lacks the scope; `admin` includes every other."""
    if scope not in key.scopes and Scope.ADMIN not in key.scopes:
        raise HttpError(403, "missing_scope", f"the API key lacks the scope {scope}")


class KeyGate:
    """Lets keys with one scope pass, and knows those again that have passed under the same directory.

    Knowing a key again saves the busiest route its hash. Only keys that the directory holds are remembered, so there
    are no more of them than were configured; how long the look-up takes depends on the whole key, through a hash
    that is secret to the process, and tells nothing of its parts. All is forgotten whenever uses are stored, so that
    a key in use is noted once in each round, and not at each request.
    """

    def __init__(self, scope: Scope, clock: Clock, uses: CredentialUse) -> None:
        self._scope = scope
        self._clock = clock
        self._uses = uses
        uses.on_save(self.forget)
        self._directory: Directory | None = None
        self._passed: dict[bytes, ApiKey] = {}

    def check(self, directory: Directory, key: bytes | None) -> ApiKey:
        """The stored key. Raises as `authenticate` and `require_scope` do."""
        if directory is not self._directory:
            self._directory = directory
            self._passed = {}
        key = key or b""
        found = self._passed.get(key)
        if found is None or found.expires_at is not None:
            found = authenticate(directory, key, self._clock, self._uses)
            require_scope(found, self._scope)
            self._passed[key] = found
        return found

    def forget(self) -> None:
        """Know no key again."""
        self._passed = {}


def resolve_project(
    directory: Directory, key: ApiKey, account_name: str, project_name: str
) -> tuple[Account, Project]:
    """The account and project named in a path, as far as the key may see them.

    Raises `HttpError` 403 when they are not the key's, 404 when its own account has no such project.
    """
    account = directory.account(account_name)
    if account is None or account.id != key.account:
        raise HttpError(403, "wrong_account", "the API key does not belong to this account")
    project = directory.project(project_name, account.id)
    if key.project is not None and (project is None or project.id != key.project):
        raise HttpError(403, "wrong_project", "the API key does not belong to this project")
    if project is None:
        raise HttpError(404, "unknown_project", "the account has no such project")
    return account, project


def key_project(directory: Directory, key: ApiKey, pool_name: str | None = None) -> str:
    """The id of the project that the key alone selects; a key for all projects may point by a pool's name.

    Raises `HttpError` 403 when that leaves more than one project.
    """
    if key.project is not None:
        return key.project
    mine = [project.id for project in directory.projects() if project.account == key.account]
    pool = directory.pool(pool_name) if pool_name is not None else None
    if pool is not None and pool.project in mine:
        return pool.project
    if len(mine) == 1:
        return mine[0]
    raise HttpError(403, "key_without_project", "the API key names no project; use a key of one project")
