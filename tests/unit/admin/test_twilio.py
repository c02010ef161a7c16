"""A customer's own Twilio account: connect, choose, pools, the SIP path, and all of it undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.twilio_api.server import ACCOUNT, KEY, KEY_SECRET, TOKEN, number_sid
from tests.unit.admin.office import BUILDER, LOOKER, NOBODY, OWNER, STRANGER, Office, somebody
from tests.unit.admin.twilio_parts import MAIN, URL, TwilioWorld
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.twilio import Choice
from tieline.errors import Conflict, InvalidInput, NotFound, Unavailable
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.integrations.twilio.sip_networks import SIP_NETWORKS, SOURCE
from tieline.model.environment import Environment
from tieline.model.trunk import Trunk
from tieline.model.twilio import CallPath
from tieline.model.user import Role
from tieline.store.people import AuditFilter

ZERO, ONE = number_sid(0), number_sid(1)
VOICE = ("voice_url", "voice_method", "voice_fallback_url", "status_callback", "sms_url")
OURS = (f"{URL}/voice/call", "POST", f"{URL}/voice/fallback", f"{URL}/voice/status", f"{URL}/sms/inbound")
REFERENCE = Path(__file__).parents[3] / "docs/reference/twilio.md"


@pytest.fixture
def world(office: Office) -> TwilioWorld:
    return TwilioWorld(office)


async def test_an_account_is_connected_once_twilio_has_accepted_it(
    world: TwilioWorld, office: Office
) -> None:
    found = await world.twilio.connect(BUILDER, {**MAIN, "region": None})
    assert (found.name, found.status, found.type) == ("Northwind", "active", "Full")
    (one,) = await world.twilio.connections(LOOKER)
    assert (one.name, one.account_sid, one.verifies, one.sip_trunk) == ("main", ACCOUNT, True, None)
    assert TOKEN not in repr(one)
    assert (await world.twilio.check(BUILDER, "main")).name == "Northwind"
    assert (await world.twilio.connection(LOOKER, "main")) == one
    noted = await office.store.audit(AuditFilter(kind="twilio"))
    assert [entry.action for entry in noted] == ["create"]
    assert TOKEN not in repr(noted)
    with pytest.raises(Conflict, match="already"):
        await world.connect()


async def test_nothing_is_kept_of_credentials_that_twilio_refuses(world: TwilioWorld) -> None:
    with pytest.raises(TwilioRefused, match="does not accept these credentials"):
        await world.connect(auth_token="wrong")
    with pytest.raises(InvalidFields) as faults:
        await world.connect(account_sid="AC12")
    assert [one.field for one in faults.value.faults] == ["account_sid"]
    with pytest.raises(InvalidFields):
        await world.connect(auth_token=None)
    with pytest.raises(InvalidInput):
        await world.twilio.connect(OWNER, {})
    world.accounts.down = True
    with pytest.raises(Unavailable, match="cannot be reached"):
        await world.connect()
    assert await world.twilio.connections(OWNER) == []


async def test_an_account_that_is_suspended_is_not_connected(
    world: TwilioWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = {"sid": ACCOUNT, "friendly_name": "N", "status": "suspended", "type": "Full"}
    monkeypatch.setattr(type(world.api), "answer", lambda *_: (200, account))
    with pytest.raises(Conflict, match="suspended"):
        await world.connect()


async def test_rights_and_accounts_are_kept(world: TwilioWorld) -> None:
    twilio = await world.connect()
    for who in (LOOKER, NOBODY, somebody(Role.OPERATOR)):
        for act in (
            twilio.connect(who, MAIN), twilio.change(who, "main", {}), twilio.check(who, "main"),
            twilio.numbers(who, "main"), twilio.choose(who, "main", ZERO, Choice()), twilio.release(who, "main", ZERO),
            twilio.disconnect(who, "main"), twilio.add_to_pool(who, "main", [ZERO], "main"),
            twilio.make_trunk(who, "main"),
        ):  # fmt: skip
            with pytest.raises(Forbidden):
                await act
    assert await twilio.connections(STRANGER) == []
    for hidden in (
        twilio.connection(STRANGER, "main"), twilio.check(STRANGER, "main"), twilio.numbers(STRANGER, "main"),
        twilio.change(STRANGER, "main", {}), twilio.choose(STRANGER, "main", ZERO, Choice()),
        twilio.disconnect(STRANGER, "main"), twilio.make_trunk(STRANGER, "main"),
        twilio.add_to_pool(STRANGER, "main", [ZERO], "main"),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await hidden
    assert world.settings(0, "voice_url") == ("",)


async def test_credentials_change_when_twilio_accepts_the_new_ones(
    world: TwilioWorld, office: Office
) -> None:
    twilio = await world.connect()
    with pytest.raises(TwilioRefused):
        await twilio.change(OWNER, "main", {"auth_token": "wrong"})
    await twilio.change(OWNER, "main", {"auth_token": None, "api_key_sid": KEY, "api_key_secret": KEY_SECRET})
    (kept,) = (await office.store.resources()).twilio
    assert (kept.auth_token, kept.api_key_sid, kept.api_key_secret) == (TOKEN, KEY, KEY_SECRET)
    with pytest.raises(NotFound):
        await twilio.change(OWNER, "none", {"auth_token": TOKEN})


async def test_an_api_key_alone_lists_and_cannot_be_pointed_here(world: TwilioWorld) -> None:
    twilio = await world.connect(auth_token=None, api_key_sid=KEY, api_key_secret=KEY_SECRET)
    assert not (await twilio.connection(OWNER, "main")).verifies
    assert len(await twilio.numbers(OWNER, "main")) == 2
    with pytest.raises(InvalidInput, match="without the Auth Token"):
        await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))
    by_hand = await twilio.choose(OWNER, "main", ZERO, Choice(project="desk", manage=False))
    assert not by_hand.managed
    assert world.settings(0, "voice_url") == ("",)


async def test_a_server_that_twilio_cannot_reach_points_nothing_at_itself(office: Office) -> None:
    world = TwilioWorld(office, public_url=None)
    twilio = await world.connect()
    assert not twilio.reachable
    with pytest.raises(InvalidInput, match=r"server\.public_url"):
        await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))


async def test_a_number_is_chosen_and_let_go(world: TwilioWorld) -> None:
    """What stood in its webhooks is remembered once, and put back; what pointed here by hand is emptied."""
    world.api.number(0).update(
        voice_url="https://old.example/v", voice_method="GET", trunk_sid="TK" + "0a" * 16
    )
    world.api.number(0)["status_callback"] = OURS[3]
    twilio = await world.connect()
    first, _ = await twilio.numbers(OWNER, "main")
    assert (first.chosen, first.taken_by) == (None, "a SIP trunk")
    chosen = await twilio.choose(OWNER, "main", ZERO, Choice(project="desk", env=Environment.SANDBOX))
    assert (chosen.number, chosen.env, chosen.path, chosen.managed) == (
        "+15555550100", Environment.SANDBOX, CallPath.MEDIA_STREAM, True,
    )  # fmt: skip
    assert world.settings(0, *VOICE) == OURS
    assert world.settings(0, "trunk_sid") == ("",)
    again = await twilio.choose(OWNER, "main", ZERO, Choice(project="desk", path=CallPath.SIP))
    assert (again.path, again.previous) == (CallPath.SIP, chosen.previous)
    first, second = await twilio.numbers(OWNER, "main")
    assert (first.project, first.taken_by, second.chosen) == ("desk", "", None)
    await twilio.release(OWNER, "main", ZERO)
    assert world.settings(0, *VOICE) == ("https://old.example/v", "GET", "", "", "")
    assert world.settings(0, "trunk_sid") == ("TK" + "0a" * 16,)
    with pytest.raises(NotFound, match="was not chosen"):
        await twilio.release(OWNER, "main", ZERO)
    with pytest.raises(TwilioRefused):
        await twilio.choose(OWNER, "main", number_sid(9), Choice())


async def test_messages_are_taken_where_that_is_chosen(world: TwilioWorld) -> None:
    world.api.number(0).update(sms_url="https://old.example/s", sms_application_sid="")
    twilio = await world.connect()
    await twilio.choose(OWNER, "main", ZERO, Choice(project="desk", messages=False))
    assert world.settings(0, "sms_url", "voice_url") == ("https://old.example/s", OURS[0])
    await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))
    assert world.settings(0, "sms_url") == (OURS[4],)
    chosen = await twilio.choose(OWNER, "main", ZERO, Choice(project="desk", messages=False))
    assert world.settings(0, "sms_url", "voice_url") == ("https://old.example/s", OURS[0])
    assert "sms_url" not in chosen.previous


async def test_what_somebody_has_changed_since_stays(world: TwilioWorld) -> None:
    world.api.number(0)["voice_url"] = "https://old.example/v"
    twilio = await world.connect()
    await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))
    world.api.number(0)["voice_url"] = "https://new.example/v"
    await twilio.release(OWNER, "main", ZERO)
    assert world.settings(0, "voice_url", "sms_url") == ("https://new.example/v", "")


async def test_a_choice_that_twilio_refuses_leaves_things_as_they_were(
    world: TwilioWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    twilio = await world.connect()
    kept = await twilio.choose(OWNER, "main", ONE, Choice(project="desk"))
    answer = world.api.answer

    def refuse_changes(method: str, *rest: Any) -> tuple[int, Any]:
        world.api.refuse = (400, 21502, "Invalid") if method == "POST" else None
        return answer(method, *rest)

    monkeypatch.setattr(world.api, "answer", refuse_changes)
    with pytest.raises(TwilioRefused):
        await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))
    for choice in (Choice(env=Environment.SANDBOX), Choice(project="desk", manage=False)):
        with pytest.raises(TwilioRefused):
            await twilio.choose(OWNER, "main", ONE, choice)
    assert (await twilio.connection(OWNER, "main")).numbers == (kept,)


async def test_no_longer_managed_puts_back_at_once(world: TwilioWorld) -> None:
    twilio = await world.connect()
    await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))
    chosen = await twilio.choose(OWNER, "main", ZERO, Choice(project="desk", manage=False))
    assert (chosen.managed, chosen.previous) == (False, {})
    assert world.settings(0, "voice_url") == ("",)


async def test_disconnecting_undoes_everything(world: TwilioWorld) -> None:
    twilio = await world.connect()
    for sid in (ZERO, ONE):
        await twilio.choose(OWNER, "main", sid, Choice(project="desk"))
    assert await twilio.disconnect(OWNER, "main") == []
    assert world.settings(0, *VOICE) == world.settings(1, *VOICE) == ("", "POST", "", "", "")
    assert await twilio.connections(OWNER) == []


async def test_a_connection_stays_while_a_number_cannot_be_put_back(world: TwilioWorld) -> None:
    twilio = await world.connect()
    await twilio.choose(OWNER, "main", ZERO, Choice(project="desk"))
    world.accounts.down = True
    with pytest.raises(Conflict, match=r"\+15555550100: Twilio's API cannot be reached"):
        await twilio.disconnect(OWNER, "main")
    assert len(await twilio.connections(OWNER)) == 1
    (failed,) = await twilio.disconnect(OWNER, "main", anyway=True)
    assert failed.startswith("+15555550100")
    assert await twilio.connections(OWNER) == []


async def test_numbers_become_members_of_a_pool(world: TwilioWorld, office: Office) -> None:
    """The pool that names its trunks names the connection as well; letting a number go takes it out again."""
    twilio = await world.connect()
    made = await twilio.add_to_pool(OWNER, "main", [ZERO, ONE], "main", Choice(path=CallPath.SIP))
    assert (made.numbers, made.failed) == (("+15555550100", "+15555550101"), ())
    assert (await world.pool_numbers())[-3:] == ("+15550109", "+15555550100", "+15555550101")
    (pool,) = (await office.store.resources()).pools
    assert pool.trunks == ("five9", "shared", "main")
    first, _ = await twilio.numbers(OWNER, "main")
    assert (first.pools, first.project) == (("main",), None)
    assert first.chosen is not None
    assert first.chosen.path is CallPath.SIP
    assert world.settings(0, *VOICE) == OURS
    await twilio.add_to_pool(OWNER, "main", [ZERO], "main")
    assert len(await world.pool_numbers()) == 12
    await twilio.release(OWNER, "main", ZERO)
    assert (await world.pool_numbers())[-2:] == ("+15550109", "+15555550101")
    assert world.settings(0, "voice_url") == ("",)


async def test_disconnecting_leaves_the_pools_as_they_were(world: TwilioWorld, office: Office) -> None:
    twilio = await world.connect()
    (before,) = (await office.store.resources()).pools
    await twilio.add_to_pool(OWNER, "main", [ZERO], "main")
    await twilio.disconnect(OWNER, "main")
    assert (await office.store.resources()).pools == (before,)
    await world.connect()
    await office.resources.update(OWNER, "pools", "main", {"trunks": ["main"]})
    with pytest.raises(Conflict, match="change its trunks first"):
        await twilio.disconnect(OWNER, "main")


async def test_a_pool_takes_no_number_that_cannot_ring(
    world: TwilioWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    twilio = await world.connect()
    for sids in ([], [number_sid(7)], [ZERO, number_sid(7)]):
        with pytest.raises(NotFound, match="numbers of this account"):
            await twilio.add_to_pool(OWNER, "main", sids, "main")
    with pytest.raises(NotFound, match="no pool"):
        await twilio.add_to_pool(OWNER, "main", [ZERO], "none")
    theirs = {"name": "theirs", "project": "theirs", "numbers": ["+15550300"]}
    await world.office.resources.create(OWNER, "pools", theirs)
    with pytest.raises(Conflict, match="another account's"):
        await twilio.add_to_pool(OWNER, "main", [ZERO], "theirs")
    answer = world.api.answer

    def refuse_one(method: str, path: str, *rest: Any) -> tuple[int, Any]:
        world.api.refuse = (400, 21502, "Invalid") if method == "POST" and ONE in path else None
        return answer(method, path, *rest)

    monkeypatch.setattr(world.api, "answer", refuse_one)
    made = await twilio.add_to_pool(OWNER, "main", [ZERO, ONE], "main")
    assert made.numbers == ("+15555550100",)
    assert made.failed[0].startswith("+15555550101: ")
    assert (await world.pool_numbers())[-1] == "+15555550100"


async def test_a_number_of_another_pool_is_refused_before_twilio_is_asked(world: TwilioWorld) -> None:
    await world.office.resources.create(
        OWNER,
        "pools",
        {"name": "second", "project": "desk", "numbers": ["+15555550100"], "trunks": ["five9"]},
    )
    twilio = await world.connect()
    with pytest.raises(InvalidFields, match="also in the pool"):
        await twilio.add_to_pool(OWNER, "main", [ZERO], "main")
    assert world.settings(0, "voice_url") == ("",)


async def test_the_trunk_of_the_sip_path_takes_twilio_alone(world: TwilioWorld, office: Office) -> None:
    """From Twilio's addresses, and by a password, for those addresses are all its customers'."""
    twilio = await world.connect()
    assert await twilio.make_trunk(OWNER, "main") == "main-sip"
    resources = await office.store.resources()
    (connection,) = resources.twilio
    trunk: Trunk = next(one for one in resources.trunks if one.name == "main-sip")
    assert (trunk.profile, trunk.account, trunk.auth_username) == ("twilio_voice", "ws-acme", "twilio-main")
    assert trunk.networks == tuple(one.network for one in SIP_NETWORKS)
    assert (connection.sip_username, connection.sip_password) == (trunk.auth_username, trunk.auth_password)
    assert len(connection.sip_password or "") > 20
    assert connection.auth_token == TOKEN
    assert (await twilio.connection(OWNER, "main")).sip_trunk == "main-sip"
    with pytest.raises(Conflict, match="main-sip takes its calls by SIP already"):
        await twilio.make_trunk(OWNER, "main")


async def test_a_password_that_there_is_stays(world: TwilioWorld, office: Office) -> None:
    twilio = await world.connect(sip_username="us", sip_password="as agreed")
    await twilio.make_trunk(BUILDER, "main")
    trunk = next(one for one in (await office.store.resources()).trunks if one.name == "main-sip")
    assert (trunk.auth_username, trunk.auth_password) == ("us", "as agreed")


def test_the_addresses_are_documented_with_their_source() -> None:
    text = REFERENCE.read_text()
    assert SOURCE in text
    for one in SIP_NETWORKS:
        assert f"| {one.place} | `{one.network}` |" in text
