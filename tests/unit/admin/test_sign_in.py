"""Sign-in, one-time links, sessions and their end, and the limit on attempts."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.unit.admin.people_parts import IDLE, PASSWORD, VISITOR, Club, make_club
from tieline.admin.errors import InvalidFields, SignedOut, SignInRefused, TooManyAttempts
from tieline.admin.sign_in import Visitor
from tieline.admin.tokens import hash_token
from tieline.errors import NotFound
from tieline.model.principal import COMMAND_LINE
from tieline.model.user import LinkPurpose, Role
from tieline.store.people import AuditFilter


@pytest.fixture
async def club() -> Club:
    return await make_club()


async def test_the_first_owner(club: Club) -> None:
    old = await club.sign_in.first_owner_token()
    token = await club.sign_in.first_owner_token()
    assert old is not None
    assert token is not None
    with pytest.raises(NotFound):
        await club.sign_in.open_link(old)
    assert (await club.sign_in.open_link(token)).purpose is LinkPurpose.FIRST_OWNER
    with pytest.raises(InvalidFields) as refused:
        await club.sign_in.use_link(token, "short", VISITOR, email="olive", name="")
    assert [one.field for one in refused.value.faults] == ["email", "name", "password"]
    session = await club.sign_in.use_link(token, PASSWORD, VISITOR, email="Olive@Example.com", name="Olive")
    found = await club.sessions.find(session, VISITOR.address)
    assert found is not None
    assert club.sessions.who(found).rights == COMMAND_LINE.rights
    with pytest.raises(NotFound):
        await club.sign_in.use_link(token, PASSWORD, VISITOR, email="eve@example.com", name="Eve")
    assert await club.sign_in.first_owner_token() is None
    assert await club.actions() == ["use_link_first_owner", "sign_in"]


async def test_links_end(club: Club) -> None:
    token = await club.sign_in.first_owner_token()
    assert token is not None
    club.clock.advance(86401)
    with pytest.raises(NotFound):
        await club.sign_in.use_link(token, PASSWORD, VISITOR, email="olive@example.com", name="Olive")
    invited = await club.people.invite(COMMAND_LINE, "bob@example.com", "Bob", Role.OPERATOR)
    await club.people.change(COMMAND_LINE, invited.person.id, {"disabled": True})
    with pytest.raises(NotFound):
        await club.sign_in.open_link(invited.token)
    await club.people.change(COMMAND_LINE, invited.person.id, {"disabled": False})
    club.clock.advance(7 * 86400)
    with pytest.raises(NotFound):
        await club.sign_in.use_link(invited.token, PASSWORD, VISITOR)
    for nonsense in ("", "x", "\udcff", invited.person.id):
        with pytest.raises(NotFound):
            await club.sign_in.open_link(nonsense)


async def test_a_wrong_password_and_nobody_look_alike(club: Club) -> None:
    await club.join()
    said = set()
    for email, password in (
        ("olive@example.com", "not the password"),
        ("nobody@example.com", PASSWORD),
        ("olive@example.com", ""),
    ):
        with pytest.raises(SignInRefused) as refused:
            await club.sign_in.sign_in(email, password, VISITOR)
        said.add(refused.value.message)
    assert len(said) == 1
    failed = await club.store.audit(AuditFilter(kind="users", limit=3))
    assert [(one.action, one.actor) for one in failed] == [
        ("sign_in_failed", "olive@example.com"),
        ("sign_in_failed", "nobody@example.com"),
        ("sign_in_failed", "olive@example.com"),
    ]


async def test_what_is_no_address_is_not_written_down(club: Club) -> None:
    with pytest.raises(SignInRefused):
        await club.sign_in.sign_in("my secret password", "x", VISITOR)
    (entry,) = await club.store.audit(AuditFilter())
    assert (entry.actor, entry.name) == ("unknown", "unknown")


async def test_attempts_on_a_person_are_slowed_down(club: Club) -> None:
    await club.join()
    for attempt in range(6):
        with pytest.raises(SignInRefused):
            await club.sign_in.sign_in("olive@example.com", "wrong", Visitor(f"192.0.2.{attempt}"))
    with pytest.raises(TooManyAttempts) as refused:
        await club.sign_in.sign_in("olive@example.com", PASSWORD, Visitor("192.0.2.99"))
    assert refused.value.retry_after_s == pytest.approx(1.0)
    club.clock.advance(1.1)
    await club.enter()
    with pytest.raises(SignInRefused):
        await club.sign_in.sign_in("olive@example.com", "wrong", VISITOR)


async def test_attempts_from_an_address_are_slowed_down(club: Club) -> None:
    await club.join()
    for attempt in range(11):
        with pytest.raises(SignInRefused):
            await club.sign_in.sign_in(f"{attempt}@example.com", "wrong", Visitor("2001:db8::1"))
    with pytest.raises(TooManyAttempts):
        await club.sign_in.sign_in("olive@example.com", PASSWORD, Visitor("2001:db8::2"))
    await club.sign_in.sign_in("olive@example.com", PASSWORD, Visitor("2001:db8:0:1::1"))


async def test_sessions_slide_and_end(club: Club) -> None:
    await club.join()
    token = await club.sign_in.sign_in("olive@example.com", PASSWORD, VISITOR)
    session = await club.sessions.find(token, VISITOR.address)
    assert session == hash_token(token)
    for _ in range(4):
        club.clock.advance(IDLE.total_seconds() - 1)
        assert await club.sessions.find(token, "192.0.2.7") == session
        await club.sessions.refresh()
    assert club.sessions.who(session).address == "192.0.2.7"
    club.clock.advance(IDLE.total_seconds() + 1)
    with pytest.raises(SignedOut):
        club.sessions.who(session)
    assert await club.sessions.find(token, VISITOR.address) is None


async def test_no_session_lasts_for_ever(club: Club) -> None:
    await club.join()
    token = await club.sign_in.sign_in("olive@example.com", PASSWORD, VISITOR)
    for _ in range(30 * 3):
        assert await club.sessions.find(token, VISITOR.address) is not None
        await club.sessions.refresh()
        club.clock.advance(timedelta(hours=8).total_seconds())
    assert await club.sessions.find(token, VISITOR.address) is None


async def test_signing_out_ends_what_is_open(club: Club) -> None:
    await club.join()
    session = await club.enter()
    ended: list[int] = []
    club.sessions.watch(session, lambda: ended.append(1))
    release = club.sessions.watch(session, lambda: ended.append(2))
    release()
    release()
    await club.sign_in.sign_out(session)
    assert ended == [1]
    with pytest.raises(SignedOut):
        await club.sign_in.sign_out(session)
    club.sessions.watch(session, lambda: ended.append(3))()
    assert ended == [1, 3]


async def test_what_another_process_changes_is_noticed(club: Club) -> None:
    await club.join("full")
    await club.join()
    session = await club.enter()
    ended: list[int] = []
    club.sessions.watch(session, lambda: ended.append(1))
    user = await club.store.user_by_email("olive@example.com")
    assert user is not None
    await club.store.save_user(msgspec.structs.replace(user, role=Role.READ_ONLY))
    club.clock.advance(2.5)
    await club.sessions.refresh()
    assert "users" not in club.sessions.who(session).rights
    await club.store.save_user(msgspec.structs.replace(user, disabled=True))
    club.clock.advance(2.5)
    await club.sessions.refresh()
    assert ended == [1]


async def test_sessions_that_nobody_uses_are_forgotten(club: Club) -> None:
    await club.join()
    held, loose = await club.enter(), await club.enter()
    release = club.sessions.watch(held, lambda: None)
    club.clock.advance(200)
    await club.sessions.refresh()
    assert club.sessions.who(held).name == "olive@example.com"
    with pytest.raises(SignedOut):
        club.sessions.who(loose)
    release()
    await club.sessions.refresh()
    with pytest.raises(SignedOut):
        club.sessions.who(held)
