"""What every store must do for people, their sessions and one-time links, and the audit log, as tests to inherit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tieline.errors import Conflict, NotFound
from tieline.model.audit import AuditChange, AuditEntry
from tieline.model.principal import PrincipalKind
from tieline.model.user import LinkPurpose, OneTimeLink, Role, User, UserSession
from tieline.store.base import Store
from tieline.store.people import AuditFilter
from tieline.testing.store_samples import T0, after


def person(name: str = "ada", **fields: Any) -> User:
    """Somebody; an owner of all unless told otherwise."""
    known: dict[str, Any] = {
        "id": f"id-{name}",
        "email": f"{name}@example.com",
        "name": name.title(),
        "role": Role.OWNER,
        "password_hash": "hash",
        "created_at": T0,
    }
    return User(**(known | fields))


def session(token: str = "t", user: str = "id-ada", *, seen: float = 0.0, ends: float = 60.0) -> UserSession:
    """A browser that is signed in from the start of the story on."""
    return UserSession(
        token_hash=token,
        user_id=user,
        created_at=T0,
        seen_at=after(seen),
        expires_at=after(ends),
        address="192.0.2.1",
        browser="Firefox",
    )


def link(
    token: str = "l",
    user: str | None = "id-ada",
    purpose: LinkPurpose = LinkPurpose.INVITATION,
    *,
    made: float = 0.0,
) -> OneTimeLink:
    """A link that works for a minute."""
    return OneTimeLink(
        token_hash=token, purpose=purpose, user_id=user, created_at=after(made), expires_at=after(made + 60)
    )


class PeopleContract:
    """People, and where they are signed in."""

    async def test_people_are_found_by_id_and_address(self, store: Store) -> None:
        assert list(await store.users()) == []
        await store.add_user(person("bob"))
        await store.add_user(person("ada"))
        assert [one.name for one in await store.users()] == ["Ada", "Bob"]
        assert await store.user("id-bob") == person("bob")
        assert await store.user_by_email("bob@example.com") == person("bob")
        assert await store.user("id-eve") is None
        assert await store.user_by_email("eve@example.com") is None

    async def test_an_address_is_taken_once(self, store: Store) -> None:
        await store.add_user(person("ada"))
        await store.add_user(person("bob"))
        with pytest.raises(Conflict):
            await store.add_user(person("eve", email="ada@example.com"))
        with pytest.raises(Conflict):
            await store.save_user(person("bob", email="ada@example.com"))
        assert await store.user("id-bob") == person("bob")

    async def test_who_is_not_there_cannot_be_changed(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.save_user(person("ada"))
        with pytest.raises(NotFound):
            await store.remove_user("id-ada")
        with pytest.raises(NotFound):
            await store.add_user_session(session())

    @pytest.mark.parametrize(
        "change", [{"role": Role.BUILDER}, {"disabled": True}, {"account": "a"}, {"password_hash": None}]
    )
    async def test_the_last_owner_of_all_stays_one(self, store: Store, change: dict[str, Any]) -> None:
        await store.add_user(person("ada"))
        await store.add_user(person("bob", password_hash=None))
        await store.add_user(person("eve", account="a"))
        less = msgspec.structs.replace(person("ada"), **change)
        with pytest.raises(Conflict):
            await store.save_user(less)
        with pytest.raises(Conflict):
            await store.remove_user("id-ada")
        assert await store.user("id-ada") == person("ada")
        await store.save_user(person("bob"))
        await store.save_user(less)
        assert await store.user("id-ada") == less

    async def test_somebody_goes_with_sessions_and_links(self, store: Store) -> None:
        await store.add_user(person("ada"))
        await store.add_user(person("bob", role=Role.OPERATOR))
        await store.add_user_session(session("t", "id-bob"))
        await store.add_link(link("l", "id-bob"))
        await store.remove_user("id-bob")
        assert await store.user_session("t", T0) is None
        assert await store.link("l", T0) is None
        assert await store.user("id-bob") is None

    async def test_a_session_holds_until_it_expires(self, store: Store) -> None:
        await store.add_user(person("ada"))
        await store.add_user_session(session())
        assert await store.user_session("t", after(59)) == (session(), person("ada"))
        assert await store.user_session("t", after(60)) is None
        assert await store.user_session("other", T0) is None
        await store.touch_user_session("t", after(50), after(110))
        assert await store.user_session("t", after(109)) == (session(seen=50, ends=110), person("ada"))
        await store.touch_user_session("other", after(50), after(110))
        assert await store.user_session("other", T0) is None

    async def test_a_disabled_person_has_no_session(self, store: Store) -> None:
        await store.add_user(person("ada"))
        await store.add_user(person("bob"))
        await store.add_user_session(session("t", "id-bob"))
        await store.save_user(person("bob", disabled=True))
        assert await store.user_session("t", T0) is None

    async def test_sessions_are_listed_and_ended(self, store: Store) -> None:
        await store.add_user(person("ada"))
        await store.add_user(person("bob"))
        for token, seen in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
            await store.add_user_session(session(token, seen=seen))
        await store.add_user_session(session("d", "id-bob"))
        assert [one.token_hash for one in await store.user_sessions("id-ada", T0)] == ["b", "c", "a"]
        await store.end_user_session("c")
        assert await store.end_user_sessions("id-ada", keep="a") == 1
        assert [one.token_hash for one in await store.user_sessions("id-ada", T0)] == ["a"]
        assert await store.end_user_sessions("id-ada") == 1
        assert await store.user_session("d", T0) is not None
        assert list(await store.user_sessions("id-bob", after(60))) == []

    async def test_a_link_works_once(self, store: Store) -> None:
        await store.add_user(person("ada", password_hash=None))
        await store.add_link(link())
        assert await store.link("l", after(59)) == link()
        assert await store.link("l", after(60)) is None
        assert not await store.use_link("l", person("ada"), after(60))
        assert not await store.use_link("l", person("bob"), T0)
        assert await store.use_link("l", person("ada"), T0)
        assert await store.user("id-ada") == person("ada")
        assert await store.link("l", T0) is None
        assert not await store.use_link("l", person("ada", password_hash="other"), T0)
        assert await store.user("id-ada") == person("ada")

    async def test_a_new_link_ends_those_before_it(self, store: Store) -> None:
        await store.add_user(person("ada"))
        await store.add_link(link("invitation"))
        await store.add_link(link("first", purpose=LinkPurpose.NEW_PASSWORD))
        await store.add_link(link("second", purpose=LinkPurpose.NEW_PASSWORD, made=1))
        assert await store.link("first", after(2)) is None
        assert await store.link("second", after(2)) is not None
        assert await store.link("invitation", after(2)) is not None

    async def test_the_first_owner_is_the_first_of_all(self, store: Store) -> None:
        await store.add_link(link("early", None, LinkPurpose.FIRST_OWNER))
        await store.add_link(link("late", None, LinkPurpose.FIRST_OWNER, made=1))
        assert await store.link("early", after(2)) is None
        assert await store.use_link("late", person("ada"), after(2))
        assert await store.user("id-ada") == person("ada")
        await store.add_link(link("more", None, LinkPurpose.FIRST_OWNER, made=3))
        assert await store.link("more", after(4)) is None
        assert not await store.use_link("more", person("bob"), after(4))


def _entry(actor: str, kind: str, name: str, account: str | None = None) -> AuditEntry:
    change = AuditChange(field="role", before="operator", after="owner")
    return AuditEntry(
        at=T0, actor_kind=PrincipalKind.USER, actor=actor, address="192.0.2.1", account=account, action="update",
        kind=kind, name=name, changes=(change,),
    )  # fmt: skip


class AuditContract:
    """The audit log."""

    async def test_entries_come_newest_first_and_are_filtered(self, store: Store) -> None:
        await store.add_audit([_entry("ada", "users", "bob"), _entry("bob", "pools", "p", "a")])
        await store.add_audit([_entry("ada", "pools", "p", "b")])
        found = await store.audit(AuditFilter())
        assert [(one.actor, one.account) for one in found] == [("ada", "b"), ("bob", "a"), ("ada", None)]
        assert found[2].changes == _entry("ada", "users", "bob").changes
        ids = [one.id for one in found]
        assert ids == sorted(ids, reverse=True)

        async def names(**wanted: Any) -> list[int]:
            return [one.id for one in await store.audit(AuditFilter(**wanted))]

        assert await names(account="a") == [ids[1]]
        assert await names(actor="ada") == [ids[0], ids[2]]
        assert await names(kind="pools", name="p") == ids[:2]
        assert await names(before_id=ids[0], limit=1) == [ids[1]]
