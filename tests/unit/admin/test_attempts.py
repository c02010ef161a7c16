"""The limit on attempts, and which passwords are good enough."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.admin.people_parts import quick_hasher
from tieline.admin.attempts import AttemptRules, Attempts
from tieline.admin.passwords import WAITING, Passwords, password_fault
from tieline.admin.person import email_fault, place_of
from tieline.errors import Unavailable

RULES = AttemptRules(free=3, first_wait_s=1.0, longest_wait_s=8.0, forget_s=100.0, kept=4)


def test_each_failure_doubles_the_wait() -> None:
    tries, now, waits = Attempts(RULES), 0.0, []
    for _ in range(9):
        now += tries.wait_s("k", now)
        assert tries.begin("k", now) == 0.0
        waits.append(tries.wait_s("k", now))
    assert waits == [0, 0, 0, 1, 2, 4, 8, 8, 8]
    assert tries.begin("k", now + 1) == 7.0
    assert tries.wait_s("other", now) == 0.0


def test_many_at_once_are_many_failures() -> None:
    tries = Attempts(RULES)
    assert [tries.begin("k", 0.0) for _ in range(6)] == [0, 0, 0, 0, 1, 1]


def test_failures_are_forgotten() -> None:
    tries = Attempts(RULES)
    for _ in range(4):
        tries.begin("k", 0.0)
    assert tries.begin("k", 100.0) == 0.0
    assert tries.wait_s("k", 100.0) == 0.0
    tries.forget("k")
    tries.forget("none")
    tries.forgive("none")
    assert len(tries) == 0


def test_a_success_takes_one_back() -> None:
    tries = Attempts(RULES)
    for _ in range(4):
        tries.begin("k", 0.0)
    tries.forgive("k")
    assert tries.begin("k", 0.0) == 0.0
    assert tries.begin("k", 0.0) == 1.0
    tries.begin("one", 0.0)
    tries.forgive("one")
    assert len(tries) == 1


def test_memory_is_bounded() -> None:
    tries = Attempts(RULES)
    for key in range(100):
        tries.begin(str(key), float(key))
    assert len(tries) == RULES.kept


def test_a_thousand_failures_are_no_error() -> None:
    tries, now = Attempts(RULES), 0.0
    for _ in range(2000):
        tries.begin("k", now)
        now += 8.0
    assert tries.wait_s("k", now - 8.0) == 8.0


@pytest.mark.parametrize(
    "password",
    [
        "short", "x" * 300, "aaaaaaaaaaaaaaaa", "123456789012", "password1234", "PASSWORD-2024", "passwordpassword",
        "qwertyuiop12", "abcabcabcabc1", "abcdefghijklmnop", "zyxwvutsrqponm", "Administrator1!", "ada@example.com1",
        "ada.lovelace!!", "changeme12345", "....12345....!",
    ],
)  # fmt: skip
def test_bad_passwords(password: str) -> None:
    assert password_fault(password, "ada@example.com", "Ada.Lovelace") is not None


@pytest.mark.parametrize(
    "password", ["tall green horse", "ein Käfer im Glas", "u8$kq0!nB2vLx", "ada likes long walks on cliffs"]
)
def test_good_passwords(password: str) -> None:
    assert password_fault(password, "ada@example.com", "Ada Lovelace") is None


async def test_hashes_fit_their_password_alone() -> None:
    passwords = Passwords(quick_hasher())
    made = await passwords.hash("tall gr\u00fcn horse")
    assert made.startswith("$argon2id$")
    assert await passwords.verify(made, "tall gru\u0308n horse")
    assert not await passwords.verify(made, "tall green horse")
    assert not await passwords.verify("nonsense", "tall green horse")
    assert not await passwords.verify(None, "tall green horse")
    assert not await passwords.verify(made, "\udcff" * 5000)


async def test_nobody_costs_as_much_as_somebody() -> None:
    hasher = quick_hasher()
    seen: list[str] = []

    def verify(password_hash: str, password: str) -> bool:
        seen.append(password_hash)
        return hasher.verify(password_hash, password)

    spy: Any = SimpleNamespace(
        verify=verify, hash=hasher.hash, memory_cost=hasher.memory_cost, time_cost=hasher.time_cost,
        parallelism=hasher.parallelism,
    )  # fmt: skip
    passwords = Passwords(spy)
    assert not await passwords.verify(None, "x")
    (dummy,) = seen
    real = hasher.hash("x")
    assert dummy.rsplit("$", 2)[0] == real.rsplit("$", 2)[0]
    assert len(dummy) == len(real)


async def test_a_flood_of_sign_ins_is_turned_away() -> None:
    passwords = Passwords(quick_hasher())
    waiting = [asyncio.create_task(passwords.verify(None, "x")) for _ in range(WAITING + 5)]
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in done) == 5
    assert not await passwords.verify(None, "x")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("here", "unknown"),
    ],
)
def test_where_attempts_come_from(address: str, place: str) -> None:
    assert place_of(address) == place


@pytest.mark.parametrize("email", ["", "a", "a@", "@b", "a b@c", "a@b@c", "a\n@b.c", '"a"@b.c', "a@b c"])
def test_no_addresses(email: str) -> None:
    assert email_fault(email) is not None


@pytest.mark.parametrize("email", ["a@b", "ada.l+x@mail.example.com", "ädä@exämple.com"])
def test_addresses(email: str) -> None:
    assert email_fault(email) is None
