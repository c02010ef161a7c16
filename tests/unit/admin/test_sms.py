"""Text messages: templates, messages by hand, opt-outs, registration; people are masked without the right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.unit.admin.office import ACCOUNT_OWNER, BUILDER, LOOKER, NOBODY, OWNER, STRANGER, Office, somebody
from tests.unit.integrations.twilio.test_client import api_at
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.recent import RecentStates
from tieline.admin.redaction import HIDDEN
from tieline.admin.sms import SmsAdmin, SmsParts, SmsReach
from tieline.admin.sms_views import TemplateSource
from tieline.errors import Conflict, NotFound
from tieline.integrations.twilio.a2p import Registration
from tieline.integrations.twilio.client import TwilioApi
from tieline.model.environment import Environment
from tieline.model.sms import OptOut, SmsMessage, SmsSender, SmsState
from tieline.model.user import Role
from tieline.store.outbox import SmsFilter
from tieline.store.people import AuditFilter
from tieline.testing.store_contract_sms import message

SERVICE = "MG" + "0a" * 16
OPERATOR = somebody(Role.OPERATOR)
KNOWING = somebody(Role.OPERATOR, personal_data=True)
FOLDER = """\
sms_templates:
  - {name: booking, text: "Hi $name", env_phone_numbers: {live: "+15550100"}}
  - {name: thanks, text: "Thank you."}
"""
TWILIO = f"""
twilio:
  - name: main
    account: acme
    account_sid: AC{"0a" * 16}
    auth_token: token
    numbers:
      - {{number: "+12025550143", sid: PN{"0a" * 16}, project: desk}}
      - {{number: "+442071838750", sid: PN{"0b" * 16}}}
"""


class World:
    """The admin functions, with what they woke and an API of Twilio that answers as told."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.woken = 0
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(500)
        parts = SmsParts(
            office.resources, office.store, office.clock, office.trail, RecentStates(office.store)
        )
        self.sms = SmsAdmin(parts, SmsReach(self.api, self.wake))

    def api(self, _: Any) -> TwilioApi:
        return api_at(self.answer)

    def wake(self) -> None:
        self.woken += 1

    async def put(self, *messages: SmsMessage) -> None:
        await self.office.store.add_sms(messages)


@pytest.fixture
def world(office: Office) -> World:
    return World(office)


@pytest.fixture
async def agent(office: Office, tmp_path: Path) -> World:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/sms_templates.yaml").write_text(FOLDER)
    await office.apply(
        f"accounts: [{{slug: acme}}]\nprojects: [{{slug: desk, account: acme, path: {tmp_path}, numbers: [100]}}]\n"
    )
    return World(office)


def a_message(name: str = "m1", at: float = 0, **fields: Any) -> SmsMessage:
    return message(name, at, account="ws-acme", project="PROJECT-desk", **fields)


async def sources(sms: SmsAdmin) -> dict[str, TemplateSource]:
    return {one.template.name: one.source for one in await sms.templates(LOOKER, "desk")}


async def test_templates_are_made_changed_and_taken_away(world: World) -> None:
    sms = world.sms
    assert await sms.templates(LOOKER, "desk") == []
    draft = {
        "name": "hello", "content": "Hi {{ho:desk}}",
        "senders": [{"env": "live", "number": "+15550100", "messaging_service_sid": ""},
                    {"env": "sandbox", "messaging_service_sid": SERVICE}, {"env": "pre-release", "number": ""}],
    }  # fmt: skip
    await sms.save_template(BUILDER, "desk", draft)
    (hello,) = await sms.templates(LOOKER, "desk")
    assert hello.template.senders == (
        SmsSender(env=Environment.LIVE, number="+15550100"),
        SmsSender(env=Environment.SANDBOX, messaging_service_sid=SERVICE),
    )
    assert (hello.unknown, hello.size.segments) == (("{{ho:desk}}",), 1)
    await sms.save_template(BUILDER, "desk", {"name": "hi", "content": "Hi"}, replaces="hello")
    assert await sources(sms) == {"hi": TemplateSource.RESOURCES}
    await sms.remove_template(BUILDER, "desk", "hi")
    assert await sources(sms) == {}
    actions = [one.action for one in await world.office.store.audit(AuditFilter(kind="projects"))]
    assert actions == ["update", "update", "update"]


async def test_templates_of_the_folder_are_laid_over_and_never_written(agent: World) -> None:
    sms = agent.sms
    assert await sources(sms) == {"booking": TemplateSource.FOLDER, "thanks": TemplateSource.FOLDER}
    await sms.save_template(OWNER, "desk", {"name": "thanks", "content": "Many thanks."}, replaces="thanks")
    assert (await sources(sms))["thanks"] is TemplateSource.LAID_OVER
    with pytest.raises(InvalidFields, match="is in the agent's folder, where its name is given"):
        await sms.save_template(OWNER, "desk", {"name": "x", "content": "y"}, replaces="thanks")
    with pytest.raises(Conflict, match="take it out of config"):
        await sms.remove_template(OWNER, "desk", "booking")
    await sms.remove_template(OWNER, "desk", "thanks")
    assert (await sources(sms))["thanks"] is TemplateSource.FOLDER
    with pytest.raises(NotFound):
        await sms.remove_template(OWNER, "desk", "none")


@pytest.mark.parametrize(
    ("draft", "field", "words"),
    [
        ({"name": "a", "content": "x"}, "name", "there is a template 'a' already"),
        ({"name": "b", "content": "x" * 1601}, "content", "has 1601 characters; 1600 can be sent"),
        ({"name": "b"}, "content", "is missing"),
        ({"name": "b", "content": "x", "senders": [{"env": "live", "number": "no number at all"}]},
         "senders[0].number", "SMS sender"),
    ],
)  # fmt: skip
async def test_faults_name_the_field(world: World, draft: dict[str, Any], field: str, words: str) -> None:
    await world.sms.save_template(BUILDER, "desk", {"name": "a", "content": "A"})
    with pytest.raises(InvalidFields) as refused:
        await world.sms.save_template(BUILDER, "desk", draft)
    assert [(one.field, words in one.message) for one in refused.value.faults] == [(field, True)]


async def test_rights_and_accounts(world: World) -> None:
    sms = world.sms
    for who in (LOOKER, OPERATOR):
        with pytest.raises(Forbidden):
            await sms.save_template(who, "desk", {"name": "a", "content": "A"})
    with pytest.raises(Forbidden):
        await sms.templates(NOBODY, "desk")
    with pytest.raises(NotFound):
        await sms.templates(STRANGER, "desk")
    await world.put(a_message())
    assert await sms.messages(STRANGER, SmsFilter()) == []
    assert await sms.messages(STRANGER, SmsFilter(account="ws-acme")) == []
    for act in (sms.message(STRANGER, "m1"), sms.retry(STRANGER, "m1"), sms.message(OWNER, "none")):
        with pytest.raises(NotFound):
            await act
    for act in (sms.retry(LOOKER, "m1"), sms.send(LOOKER, "desk", {}), sms.message(NOBODY, "m1")):
        with pytest.raises(Forbidden):
            await act


async def test_people_are_masked_without_the_right(world: World) -> None:
    inbound = a_message("m2", 1, inbound=True, to="+15550199", from_="+15550100", state=SmsState.RECEIVED)
    await world.put(a_message(conversation_id="c"), inbound)
    for who, number, text in ((OPERATOR, "••••••00", HIDDEN), (KNOWING, "+15550100", "Hello")):
        came, sent = await world.sms.messages(who, SmsFilter())
        assert (came.from_, came.to, came.content) == (number, "+15550199", text)
        assert (sent.to, sent.from_, sent.content) == (number, "+15550199", text)
        assert (await world.sms.message(who, "m1")).to == number
        assert [one.to for one in await world.sms.of_call(who, "c")] == [number]


async def test_a_message_by_hand(world: World) -> None:
    await world.sms.save_template(
        BUILDER,
        "desk",
        {"name": "hi", "content": "Hi $name", "senders": [{"env": "live", "number": "+15550100"}]},
    )
    order = {"name": "order", "content": "{{attr:order.id}} {{vrbl:order.name}}"}
    await world.sms.save_template(BUILDER, "desk", order)
    with pytest.raises(InvalidFields) as refused:
        await world.sms.send(KNOWING, "desk", {"to": "x", "content": "", "from_": "not a sender at all"})
    assert {one.field for one in refused.value.faults} == {"to", "content", "from_"}
    with pytest.raises(InvalidFields, match=r"there is no value for \$name"):
        await world.sms.send(KNOWING, "desk", {"to": "+15550777", "template": "hi"})
    with pytest.raises(InvalidFields, match="there is no template 'none'"):
        await world.sms.send(KNOWING, "desk", {"to": "+15550777", "template": "none"})
    sent = await world.sms.send(
        KNOWING, "desk", {"to": "+1 555 010 0777", "template": "hi", "values": {"name": "Ann"}}
    )
    assert (sent.to, sent.from_, sent.content) == ("+15550100777", "+15550100", "Hi Ann")
    with pytest.raises(InvalidFields) as missing:
        await world.sms.send(KNOWING, "desk", {"to": "+15550777", "template": "order"})
    assert [one.field for one in missing.value.faults] == ["values.order.id", "values.order.name"]
    values = {"order.id": "7", "order.name": "tea"}
    ordered = await world.sms.send(
        KNOWING, "desk", {"to": "+15550777", "template": "order", "values": values, "from_": SERVICE}
    )
    assert ordered.content == "7 tea"
    hidden = await world.sms.send(OPERATOR, "desk", {"to": "+15550777", "content": "x", "from_": SERVICE})
    assert (hidden.content, hidden.from_) == (HIDDEN, SERVICE)
    assert world.woken == 3
    assert len(await world.office.store.due_sms(world.office.clock.utc(), 10)) == 3
    noted = await world.office.store.audit(AuditFilter(kind="sms"))
    assert {(one.action, one.changes[0].after) for one in noted} == {
        ("send", "•••••••••77"),
        ("send", "••••••77"),
    }


async def test_what_failed_can_be_sent_again(world: World) -> None:
    await world.put(a_message(state=SmsState.FAILED, attempts=4, next_at=None), a_message("m2"))
    again = await world.sms.retry(KNOWING, "m1")
    assert (again.state, again.attempts, again.detail) == (
        SmsState.WAITING, 0, "Sent again by somebody@example.com.",
    )  # fmt: skip
    with pytest.raises(Conflict, match="the message is waiting"):
        await world.sms.retry(KNOWING, "m2")
    assert world.woken == 1


async def test_an_opt_out_is_taken_back_for_a_reason(world: World) -> None:
    opted = OptOut(
        account="ws-acme", recipient="+15550777", sender=SERVICE, at=world.office.clock.utc(), keyword="STOP"
    )
    await world.office.store.opt_out(opted)
    assert [one.recipient for one in await world.sms.opt_outs(OPERATOR)] == ["••••••77"]
    assert await world.sms.opt_outs(STRANGER) == []
    reason = "asked for messages at the counter"
    with pytest.raises(Forbidden):
        await world.sms.end_opt_out(OPERATOR, opted.recipient, SERVICE, reason)
    with pytest.raises(InvalidFields, match="say why"):
        await world.sms.end_opt_out(KNOWING, opted.recipient, SERVICE, " x ")
    for who, recipient in (
        (KNOWING, "+1"),
        (msgspec.structs.replace(KNOWING, account="ws-other"), "+15550777"),
    ):
        with pytest.raises(NotFound):
            await world.sms.end_opt_out(who, recipient, SERVICE, reason)
    assert list(await world.sms.opt_outs(KNOWING)) == [opted]
    await world.sms.end_opt_out(KNOWING, opted.recipient, SERVICE, reason)
    assert await world.sms.opt_outs(KNOWING) == []
    (noted,) = await world.office.store.audit(AuditFilter(kind="opt_out"))
    assert (noted.name, noted.changes[-1].after) == (f"••••••77 from {SERVICE}", reason)


async def test_tokens_come_from_recent_calls(world: World) -> None:
    await world.office.call("c1", state={"name": "Ann", "not a name": 1})
    found = {one.name: one.about for one in await world.sms.tokens(LOOKER, "desk")}
    assert found["name"] == "recent calls"
    assert found["caller_number"] == "every call"
    assert "not a name" not in found


async def test_registration_is_read_from_the_account(world: World) -> None:
    from tests.unit.admin.office import BASE

    await world.office.apply(BASE + TWILIO)
    pages: dict[str, dict[str, Any]] = {
        "/v1/Services": {"services": [{"sid": SERVICE, "friendly_name": "Desk"}]},
        f"/v1/Services/{SERVICE}/PhoneNumbers": {"phone_numbers": [{"phone_number": "+12025550143", "sid": "PN1"}]},
        f"/v1/Services/{SERVICE}/Compliance/Usa2p": {
            "compliance": [{"campaign_status": "FAILED", "brand_registration_sid": "BN1",
                            "errors": [{"error_code": 30908, "description": "x"}]}]
        },
        "/v1/a2p/BrandRegistrations": {"data": [{"sid": "BN1", "status": "APPROVED"}]},
    }  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/base")
        if path not in pages:
            return httpx.Response(403, json={"code": 20403, "message": "no", "status": 403})
        (key,) = pages[path]
        return httpx.Response(200, json={**pages[path], "meta": {"key": key, "next_page_url": None}})

    world.answer = answer
    (found,) = await world.sms.registration(ACCOUNT_OWNER)
    us, gb = found.senders
    assert (us.state, us.service_name) == (Registration.CAMPAIGN_FAILED, "Desk")
    assert "privacy policy" in us.problems[0]
    assert gb.state is Registration.NOT_NEEDED
    assert [one.partition(":")[0] for one in found.facts.missing] == ["toll-free verifications"]
    assert await world.sms.registration(STRANGER) == []


async def test_an_account_out_of_reach_is_said(world: World) -> None:
    from tests.unit.admin.office import BASE

    await world.office.apply(BASE + TWILIO)
    (found,) = await world.sms.registration(OWNER)
    assert len(found.facts.missing) == 3
    assert found.senders[0].state is Registration.UNKNOWN
