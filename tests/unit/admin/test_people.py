"""Who may do what to whom, and what the audit log says of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.admin.people_parts import PASSWORD, VISITOR, Club, make_club
from tieline.admin.errors import Forbidden, InvalidFields, SignedOut, SignInRefused
from tieline.errors import Conflict, NotFound
from tieline.model.principal import COMMAND_LINE
from tieline.model.user import LinkPurpose, Right, Role
from tieline.store.people import AuditFilter


@pytest.fixture
async def club() -> Club:
    return await make_club()


async def test_inviting_and_joining(club: Club) -> None:
    owner = await club.join()
    invited = await club.people.invite(owner, " Bob@Example.com", " Bob ", "builder", account="acme")
    assert (invited.person.email, invited.person.name) == ("bob@example.com", "Bob")
    assert (invited.person.account, invited.person.invited) == ("ws-acme", True)
    assert invited.purpose is LinkPurpose.INVITATION
    with pytest.raises(SignInRefused):
        await club.enter("bob")
    opened = await club.sign_in.open_link(invited.token)
    assert (opened.email, opened.name) == ("bob@example.com", "Bob")
    await club.sign_in.use_link(invited.token, PASSWORD, VISITOR)
    assert club.sessions.who(await club.enter("bob")).account == "ws-acme"
    assert [one.email for one in await club.people.people(owner)] == ["bob@example.com", "olive@example.com"]
    assert not (await club.people.person(owner, invited.person.id)).invited
    with pytest.raises(Conflict):
        await club.people.invite(owner, "bob@example.com", "Bob", Role.BUILDER)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"email": "bob"}, "email"),
        ({"email": "bob@exam ple.com"}, "email"),
        ({"email": "<b>@example.com"}, "email"),
        ({"name": " "}, "name"),
        ({"name": "a\r\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"role": "king"}, "role"),
        ({"account": "nowhere"}, "account"),
        ({"personal_data": "yes"}, "personal_data"),
    ],
)
async def test_faults_are_told_by_field(club: Club, fields: dict[str, Any], faulty: str) -> None:
    given = {"email": "bob@example.com", "name": "Bob", "role": "operator", **fields}
    with pytest.raises(InvalidFields) as refused:
        await club.people.invite(COMMAND_LINE, **given)
    assert refused.value.of(faulty)


@pytest.mark.parametrize("role", [Role.BUILDER, Role.OPERATOR, Role.READ_ONLY])
async def test_only_owners_have_to_do_with_people(club: Club, role: Role) -> None:
    owner = await club.join()
    who = await club.join("eve", role)
    for act in (
        club.people.people(who),
        club.people.person(who, owner.id),
        club.people.by_email(who, "olive@example.com"),
        club.people.invite(who, "bob@example.com", "Bob", Role.READ_ONLY),
        club.people.change(who, who.id, {"role": Role.OWNER}),
        club.people.new_link(who, owner.id),
        club.people.remove(who, owner.id),
        club.audit.entries(who),
    ):
        with pytest.raises(Forbidden):
            await act


async def test_nobody_gives_what_they_lack(club: Club) -> None:
    full = await club.join("full")
    who = await club.join("olive", personal_data=False)
    with pytest.raises(Forbidden) as refused:
        await club.people.invite(who, "bob@example.com", "Bob", Role.OPERATOR, personal_data=True)
    assert refused.value.right is Right.PERSONAL_DATA
    with pytest.raises(Forbidden):
        await club.people.change(who, who.id, {"personal_data": True})
    with pytest.raises(Forbidden):
        await club.people.new_link(who, full.id)
    await club.people.change(who, full.id, {"disabled": True})
    with pytest.raises(Forbidden):
        await club.people.change(who, full.id, {"disabled": False})
    await club.people.change(who, full.id, {"personal_data": False})
    assert not (await club.people.change(who, full.id, {"disabled": False})).disabled


async def test_an_account_knows_its_own_people_alone(club: Club) -> None:
    owner = await club.join()
    inside = await club.join("ada", account="acme")
    other = await club.join("bob", account="other")
    assert [one.email for one in await club.people.people(inside)] == ["ada@example.com"]
    for unseen in (owner, other):
        for act in (
            club.people.person(inside, unseen.id),
            club.people.by_email(inside, unseen.name),
            club.people.change(inside, unseen.id, {"disabled": True}),
            club.people.new_link(inside, unseen.id),
            club.people.remove(inside, unseen.id),
        ):
            with pytest.raises(NotFound):
                await act
    for account in (None, "other"):
        with pytest.raises(Forbidden):
            await club.people.invite(inside, "eve@example.com", "Eve", Role.OPERATOR, account=account)
        with pytest.raises(Forbidden):
            await club.people.change(inside, inside.id, {"account": account})
    made = await club.people.invite(inside, "eve@example.com", "Eve", Role.OPERATOR, account="acme")
    assert made.person.account == "ws-acme"
    seen = await club.audit.entries(inside)
    assert {one.account for one in seen} == {"ws-acme"}
    assert len(await club.audit.entries(owner)) > len(seen)


async def test_one_owner_of_all_stays(club: Club) -> None:
    owner = await club.join()
    for changes in ({"role": Role.BUILDER}, {"disabled": True}, {"account": "acme"}):
        with pytest.raises(Conflict):
            await club.people.change(owner, owner.id, changes)
    with pytest.raises(Conflict):
        await club.people.remove(owner, owner.id)
    await club.join("ada")
    await club.people.remove(owner, owner.id)
    assert await club.store.user(owner.id) is None


async def test_changes_are_seen_at_the_next_act(club: Club) -> None:
    owner = await club.join()
    bob = await club.join("bob", Role.BUILDER)
    session = await club.enter("bob")
    assert club.sessions.who(session).may(Right.BUILD)
    await club.people.change(owner, bob.id, {"role": "read-only"})
    assert not club.sessions.who(session).may(Right.BUILD)
    ended: list[str] = []
    club.sessions.watch(session, lambda: ended.append("x"))
    await club.people.change(owner, bob.id, {"disabled": True})
    assert ended == ["x"]
    with pytest.raises(SignedOut):
        club.sessions.who(session)
    with pytest.raises(SignInRefused):
        await club.enter("bob")


async def test_somebody_removed_is_out_at_once(club: Club) -> None:
    owner = await club.join()
    bob = await club.join("bob", Role.BUILDER)
    session = await club.enter("bob")
    await club.people.remove(owner, bob.id)
    with pytest.raises(SignedOut):
        club.sessions.who(session)
    with pytest.raises(Forbidden):
        await club.people.own(bob)


async def test_what_cannot_be_changed(club: Club) -> None:
    owner = await club.join()
    with pytest.raises(InvalidFields) as refused:
        await club.people.change(owner, owner.id, {"email": "x@example.com", "password_hash": "y"})
    assert [one.field for one in refused.value.faults] == ["email", "password_hash"]
    before = await club.actions()
    await club.people.change(owner, owner.id, {"role": "owner"})
    assert await club.actions() == before


async def test_a_new_link_gives_a_new_password(club: Club) -> None:
    owner = await club.join()
    bob = await club.join("bob", Role.BUILDER)
    session = await club.enter("bob")
    link = await club.people.new_link(owner, bob.id)
    assert link.purpose is LinkPurpose.NEW_PASSWORD
    await club.enter("bob")
    await club.sign_in.use_link(link.token, "another long password", VISITOR)
    with pytest.raises(SignedOut):
        club.sessions.who(session)
    with pytest.raises(SignInRefused):
        await club.enter("bob")
    await club.enter("bob", "another long password")
    await club.people.change(owner, bob.id, {"disabled": True})
    with pytest.raises(Forbidden):
        await club.people.new_link(owner, bob.id)


async def test_ones_own_password(club: Club) -> None:
    await club.join()
    here, there = await club.enter(), await club.enter()
    who = club.sessions.who(here)
    for old, new, field in (
        ("wrong password", "another long password", "old"),
        (PASSWORD, "short", "new"),
        (PASSWORD, PASSWORD, "new"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await club.people.change_own_password(who, old, new, keep=here)
        assert refused.value.of(field)
    await club.people.change_own_password(who, PASSWORD, "another long password", keep=here)
    assert club.sessions.who(here).name == "olive@example.com"
    with pytest.raises(SignedOut):
        club.sessions.who(there)
    await club.enter("olive", "another long password")


async def test_ones_own_name_and_sessions(club: Club) -> None:
    await club.join()
    here, there = await club.enter(), await club.enter()
    who = club.sessions.who(here)
    assert (await club.people.rename_own(who, " Olive O. ")).name == "Olive O."
    assert club.sessions.person(here).name == "Olive O."
    with pytest.raises(InvalidFields):
        await club.people.rename_own(who, "")
    listed = await club.people.own_sessions(who, here)
    assert [one.current for one in listed].count(True) == 1
    assert {one.id for one in listed} >= {here[:16], there[:16]}
    await club.people.end_own_session(who, there[:16])
    with pytest.raises(SignedOut):
        club.sessions.who(there)
    for gone in (there[:16], ""):
        with pytest.raises(NotFound):
            await club.people.end_own_session(who, gone)
    await club.enter()
    assert await club.people.end_other_sessions(who, here) == 2
    assert len(await club.people.own_sessions(who, here)) == 1
    with pytest.raises(Forbidden):
        await club.people.own(COMMAND_LINE)


async def test_every_act_is_noted_without_secrets(club: Club) -> None:
    owner = await club.join()
    invited = await club.people.invite(owner, "bob@example.com", "Bob", Role.OPERATOR)
    await club.people.change(owner, invited.person.id, {"role": "builder", "name": "Robert"})
    await club.people.new_link(owner, invited.person.id)
    await club.people.remove(owner, invited.person.id)
    found = list(reversed(await club.store.audit(AuditFilter(name="bob@example.com"))))
    assert [one.action for one in found] == ["invite", "update", "new_link", "remove"]
    assert [(one.field, one.before, one.after) for one in found[1].changes] == [
        ("name", "Bob", "Robert"),
        ("role", "operator", "builder"),
    ]
    assert {one.actor for one in found} == {"olive@example.com"}
    assert "argon2" not in repr(found)
    assert invited.token not in repr(found)
    only = await club.audit.entries(owner, kind="users", name="bob@example.com", limit=1)
    assert [one.action for one in only] == ["remove"]
