"""Passwords: which are good enough, and Argon2id in a thread.

Rules after NIST SP 800-63B: length counts, composition does not; the commonest and those that name the person are
refused. Two hashes are made at one time: each takes 64 MiB and a core.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tieline.errors import Unavailable

SHORTEST = 12
LONGEST = 256

AT_ONCE = 2
"""Hashes made at one time."""

WAITING = 32
"""Further ones that may wait for their turn."""

_COMMON = frozenset(
    [
        "password",
        "passwort",
        "motdepasse",
        "contrasena",
        "wachtwoord",
        "parola",
        "senha",
        "passw0rd",
        "p@ssword",
        "p@ssw0rd",
        "qwerty",
        "qwertz",
        "azerty",
        "qwertyuiop",
        "qwertzuiop",
        "azertyuiop",
        "asdfghjkl",
        "yxcvbnm",
        "zxcvbnm",
        "qazwsxedc",
        "qwer",
        "asdf",
        "letmein",
        "letmeinplease",
        "welcome",
        "willkommen",
        "bienvenue",
        "bienvenido",
        "admin",
        "administrator",
        "root",
        "superuser",
        "owner",
        "user",
        "login",
        "signin",
        "changeme",
        "changeit",
        "changethis",
        "default",
        "secret",
        "topsecret",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "basketball",
        "monkey",
        "dragon",
        "master",
        "shadow",
        "superman",
        "batman",
        "pokemon",
        "starwars",
        "trustno",
        "michael",
        "jennifer",
        "jessica",
        "charlie",
        "whatever",
        "computer",
        "internet",
        "freedom",
        "mustang",
        "access",
        "hello",
        "helloworld",
        "test",
        "testing",
        "tester",
        "demo",
        "guest",
        "temp",
        "temporary",
        "company",
        "office",
        "server",
        "telephone",
        "phone",
        "asterisk",
        "freeswitch",
        "voip",
        "sip",
        "tieline",
        "spring",
        "summer",
        "autumn",
        "winter",
        "january",
        "december",
        "abcdefghijkl",
        "abcdefgh",
        "abcdef",
        "correcthorsebatterystaple",
        "letmeinnow",
        "thisisapassword",
        "mypassword",
        "yourpassword",
        "newpassword",
        "iamtheadmin",
        "opensesame",
    ]
)
"""Words that the commonest passwords are made of, without the digits and signs around them."""

_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
)


def password_fault(password: str, email: str, name: str = "") -> str | None:
    """Why it is not good enough, in words; None when it is."""
    if len(password) < SHORTEST:
        return f"is too short: take {SHORTEST} characters or more; a few words do well"
    if len(password) > LONGEST:
        return f"is too long: take {LONGEST} characters at most"
    plain = unicodedata.normalize("NFKC", password).casefold()
    if len(set(plain)) < 5:
        return "repeats the same few characters"
    for known in (email, email.partition("@")[0], name):
        if len(known) >= 4 and (
            known.casefold() in plain and len(plain.replace(known.casefold(), "")) < SHORTEST - 4
        ):
            return "is little more than your name or e-mail address"
    if _is_common(plain):
        return "is one of the commonest, or nearly so"
    return None


def _is_common(plain: str) -> bool:
    """Whether nothing is left but common words, runs of keys, digits and signs."""
    core = re.sub(r"[\W\d_]+", "", plain)
    letters = re.sub(r"[\W_]+", "", plain)
    if not core or core in _COMMON or letters in _COMMON:
        return True
    for size in range(1, len(core) // 2 + 1):
        if len(core) % size == 0 and core == core[:size] * (len(core) // size):
            return core[:size] in _COMMON or size <= 3
    return any(letters in run or letters[::-1] in run for run in _RUNS)


class Passwords:
    """Hashes passwords and compares them; without a hash it works as long, and says no."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody = _hash_of_nothing(self._hasher)

    async def hash(self, password: str) -> str:
        """Argon2id in its PHC text form."""
        text = _normal(password)
        return str(await self._work(lambda: self._hasher.hash(text)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is that of the hash."""
        text = _normal(password)
        known = password_hash or self._nobody

        def compare() -> bool:
            try:
                return self._hasher.verify(known, text)
            except (VerificationError, InvalidHashError):
                return False

        return bool(await self._work(compare)) and password_hash is not None

    async def _work(self, work: object) -> object:
        if self._waiting >= WAITING:
            raise Unavailable("too many people sign in at this moment; try again shortly", retry_after_s=5.0)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)  # type: ignore[arg-type]
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """The same characters however a keyboard composes them; what no password can be becomes what none is."""
    text = unicodedata.normalize("NFKC", password[: LONGEST * 4])
    return text.encode("utf-8", "backslashreplace").decode()


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """A hash that costs as much to compare with as a real one, and fits no password that anybody knows."""
    salt, tag = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${tag}"
