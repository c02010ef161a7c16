"""Each noun at work: a change is made through its routes, and is there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.http.admin.desk import ALL_SEEING, PROJECT, Desk
from tieline.integrations.twilio.client import AccountView, TwilioApi
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.model.conversation import ConversationOpened

BILLS = {"name": "bills", "description": "Bills", "sip_config": {"method": "bye"}}


async def test_destinations(desk: Desk) -> None:
    base = "/projects/desk/handoffs"
    made = await desk.do("POST", base, BILLS)
    assert [(one["kind"], one["action"]) for one in made["changes"]] == [("projects", "update")]
    assert (await desk.ask("POST", base, BILLS)).json()["faults"][0]["field"] == "name"
    checked = await desk.do("POST", f"{base}/check", {"name": "billing", "sip_config": {"method": "fly"}})
    assert {one["field"] for one in checked["faults"]} == {"name", "sip_config.method"}
    await desk.do("PUT", f"{base}/bills", {**BILLS, "description": "All bills"})
    assert (await desk.get(f"{base}/bills"))["destination"]["description"] == "All bills"
    assert (await desk.do("POST", f"{base}/bills/duplicate"))["name"] == "bills copy"
    await desk.do("POST", f"{base}/bills/default")
    listed = (await desk.get(base))["items"]
    assert {one["destination"]["name"]: one["destination"]["is_default"] for one in listed} == {
        "billing": False, "bills": True, "bills copy": False,
    }  # fmt: skip
    await desk.do("DELETE", f"{base}/bills copy")
    assert (await desk.ask("GET", f"{base}/bills copy")).status_code == 404
    names = [one["name"] for one in (await desk.get("/projects/desk/handoff-variables"))["items"]]
    assert "caller_number" in names


async def test_exposure(desk: Desk) -> None:
    base = "/projects/desk/exposure"
    await desk.do("PUT", base, {"state_keys": ["reason"], "aliases": {"reason": "why"}})
    found = await desk.get(base)
    assert found["api"] == {
        "state_keys": ["reason"], "aliases": {"reason": "why"}, "shared_id_state_key": "shared_id",
    }  # fmt: skip
    assert found["path"] == "/v1/acme/desk/handoff_state"
    answer = await desk.ask("PUT", base, {"state_keys": ["a", "b"], "aliases": {"a": "b"}})
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "state_keys")
    assert "contained" in await desk.get(f"{base}/keys")


async def test_projects(desk: Desk) -> None:
    await desk.do("POST", "/projects", {"slug": "fresh", "account": "acme", "answer_only": True})
    await desk.do(
        "PATCH", "/projects/fresh", {"changes": {"name": "Fresh"}, "secrets": {"pin": "hidden-pin"}}
    )
    found = await desk.get("/projects/fresh")
    assert (found["name"], found["secrets"]) == ("Fresh", ["pin"])
    assert (await desk.get("/projects/fresh/code")) == {"done": True}
    assert (await desk.ask("GET", "/projects/fresh/source", path="functions/x.py")).status_code == 404
    await desk.do("DELETE", "/projects/fresh")
    assert [one["slug"] for one in (await desk.get("/projects"))["items"]] == ["desk", "shop"]
    assert (await desk.get("/accounts"))["items"] == ["acme"]


async def test_numbers_of_a_pool(desk: Desk) -> None:
    base = "/pools/main"
    preview = await desk.do("POST", f"{base}/numbers/preview", {"text": "+15550100000\n+15550100050\nfoo"})
    assert preview["numbers"] == ["+15550100050"]
    assert preview["repeated"] == ["+15550100000"]
    assert preview["faults"][0]["line"] == 3
    await desk.do("POST", f"{base}/numbers", {"numbers": ["+15550100050"]})
    assert (await desk.get(base))["stats"]["numbers"] == 11
    await desk.do("POST", f"{base}/numbers/remove", {"numbers": ["+15550100050"]})
    assert (await desk.get(base))["stats"]["numbers"] == 10


async def test_a_reservation_is_tried_seen_and_released(desk: Desk) -> None:
    trial = await desk.do("POST", "/pools/main/try", {"attributes": {"name": "hidden-name"}})
    number, made = trial["reservation"]["number"], trial["reservation"]["id"]
    assert trial["dial"].startswith(f"sip:{number}")
    for path in ("/pools/main/reservations", f"/pools/main/numbers/{number}/history"):
        answer = await desk.ask("GET", path)
        assert [one["attributes_hidden"] for one in answer.json()["items"]] == [True]
        assert "hidden-name" not in answer.text
        assert "hidden-name" in (await desk.ask("GET", path, key=ALL_SEEING)).text
    assert (await desk.do("DELETE", f"/pools/main/reservations/{made}"))["state"] == "released"
    await desk.admin.pools.sample()
    assert (await desk.get("/pools/main/forecast"))["numbers"] == 10
    assert ("admin", "release", f"reservations {made}") in await desk.actions()


async def test_trunks(desk: Desk) -> None:
    made = {"name": "carrier", "networks": ["192.0.2.50"], "target": "carrier.example.com"}
    await desk.do("POST", "/trunks", made)
    assert (await desk.get("/trunks/carrier"))["account"] == "acme"
    await desk.do("PATCH", "/trunks/carrier", {"max_calls": 5})
    assert (await desk.get("/trunks/carrier"))["max_calls"] == 5
    assert "items" in await desk.do("POST", "/trunks/carrier/remarks", {"profile": "five9"})
    assert "items" in await desk.get("/trunks/carrier/entries")
    await desk.do("DELETE", "/trunks/carrier")
    answer = await desk.ask("DELETE", "/trunks/five9")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await desk.ask("PATCH", "/trunks/shared", {"max_calls": 1})).status_code == 403
    assert (await desk.get("/profiles/five9"))["name"] == "five9"


async def test_keys_and_tokens_show_their_secret_once(desk: Desk) -> None:
    made = await desk.do("POST", "/keys", {"name": "fresh", "scopes": ["dni:reserve"], "project": "desk"})
    token = await desk.do("POST", "/tokens", {"name": "fresh-token", "project": "desk"})
    listed = (await desk.ask("GET", "/keys")).text + (await desk.ask("GET", "/tokens")).text
    assert made["secret"] not in listed
    assert token["secret"] not in listed
    assert '"fresh"' in listed
    assert "YOUR_KEY" in (await desk.ask("GET", "/keys/fresh/request")).text
    await desk.do("DELETE", "/keys/fresh")
    await desk.do("DELETE", "/tokens/fresh-token")
    assert '"fresh' not in (await desk.ask("GET", "/keys")).text + (await desk.ask("GET", "/tokens")).text


async def _called(desk: Desk, call_id: str) -> None:
    await desk.store.open_conversation(
        ConversationOpened(
            id=call_id, account="ws-acme", project="PROJECT-desk", env="live", channel_type="sip.polyai",
            trunk="five9", sip_call_id=f"sip-{call_id}", from_tag="t", caller_number="+15550109999",
            callee_number="+15550100000", reservation_id=None, shared_id=None, attributes_json='{"a": "hidden-a"}',
            sip_headers={}, rules=(), late=False, started_at=desk.server.clock.utc(),
        )
    )  # fmt: skip


async def test_a_call_and_figures(desk: Desk) -> None:
    await _called(desk, "one")
    assert "hidden-a" not in (await desk.ask("GET", "/calls/one")).text
    assert "hidden-a" in (await desk.ask("GET", "/calls/one", key=ALL_SEEING)).text
    for path in ("/calls/one/messages", "/calls/one/deliveries"):
        assert (await desk.get(path))["items"] == []
    now = desk.server.clock.utc()
    span = {"after": (now - timedelta(days=1)).isoformat(), "before": now.isoformat()}
    assert (await desk.get("/figures", **span, project="desk"))["calls"] == 0
    for wrong, field in (
        ({**span, "project": "theirs"}, "project"),
        ({**span, "after": "0001-01-01T00:00:00Z"}, "before"),
        ({**span, "after": (now - timedelta(days=300)).isoformat(), "step_h": 1}, "step_h"),
        ({**span, "after": "2026-01-01T00:00:00"}, "after"),
    ):
        answer = await desk.ask("GET", "/figures", **wrong)
        assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, field)


async def test_text_messages(desk: Desk) -> None:
    base = "/projects/desk/sms-templates"
    await desk.do("POST", base, {"name": "hello", "content": "Hello {{caller_number}}"})
    await desk.do("PUT", f"{base}/hello", {"name": "hello", "content": "Good day"})
    (listed,) = (await desk.get(base))["items"]
    assert (listed["template"]["content"], listed["size"]["segments"]) == ("Good day", 1)
    draft = {"to": "+15550107777", "content": "hidden-text", "from_": "+15550100000"}
    sent = await desk.do("POST", "/projects/desk/messages", draft)
    assert sent["to"].endswith("77")
    assert "15550107777" not in str(sent)
    (message,) = (await desk.get("/messages", project="desk"))["items"]
    assert message["id"] == sent["id"]
    assert "hidden-text" not in str(message)
    assert "hidden-text" in str(await desk.get(f"/messages/{sent['id']}", ALL_SEEING))
    assert (await desk.ask("POST", f"/messages/{sent['id']}/retry")).status_code == 409
    assert (await desk.ask("GET", "/messages", project="theirs")).status_code == 404
    await desk.do("DELETE", f"{base}/hello")
    ended = {"recipient": "+15550107777", "sender": "+15550100000", "reason": "they asked for it"}
    assert (await desk.ask("POST", "/opt-outs/end", ended)).status_code == 403
    assert (await desk.ask("POST", "/opt-outs/end", ended, key=ALL_SEEING)).status_code == 404
    assert (await desk.get("/opt-outs"))["items"] == (await desk.get("/sms-registration"))["items"] == []


async def test_twilio(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def account(_: TwilioApi) -> AccountView:
        return AccountView(sid="AC" + "1" * 32, name="Acme", status="active", type="Full")

    async def refused(_: TwilioApi) -> AccountView:
        raise TwilioRefused(401, 20003)

    fields = {
        "name": "acme",
        "account": "acme",
        "account_sid": "AC" + "1" * 32,
        "auth_token": "hidden" + "0" * 26,
    }
    monkeypatch.setattr(TwilioApi, "account", refused)
    answer = await desk.ask("POST", "/twilio", fields)
    assert (answer.status_code, answer.json()["code"]) == (409, "twilio_refused")
    monkeypatch.setattr(TwilioApi, "account", account)
    assert (await desk.do("POST", "/twilio", fields))["name"] == "Acme"
    answer = await desk.ask("GET", "/twilio")
    assert answer.json()["items"][0]["verifies"]
    assert fields["auth_token"] not in answer.text
    assert (await desk.get("/twilio-webhooks"))["voice_url"].endswith("/voice/call")
    assert (await desk.do("DELETE", "/twilio/acme")) == {"failed": []}


async def test_a_test_call_needs_an_agent(desk: Desk) -> None:
    answer = await desk.ask("POST", "/test-calls", {"project": "desk", "caller": "nobody"})
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["faults"]} == {"project", "caller"}
    assert (await desk.ask("POST", "/test-calls", {"project": "theirs"})).status_code == 404


async def test_resources_give_no_hash_and_are_removed_on_trial(desk: Desk) -> None:
    for kind in ("api_keys", "sip_tokens"):
        assert "_hash" not in (await desk.ask("GET", f"/resources/{kind}")).text
    tried = await desk.do("DELETE", "/resources/pools/main", dry_run="true")
    assert [(one["action"], one["name"]) for one in tried["changes"]] == [("remove", "main")]
    assert await desk.get("/resources/pools/main")


@pytest.mark.parametrize("name", [5, True, ["x"], {"a": 1}])
async def test_a_name_that_is_no_text_brings_nothing_past_the_accounts(desk: Desk, name: object) -> None:
    before = await desk.store.resources()
    body = {"name": name, "project": "theirs", "numbers": ["+15550900000"]}
    answer = await desk.ask("POST", "/resources/pools", body)
    assert answer.status_code == 422
    assert (await desk.store.resources()) == before


async def test_the_overview_is_the_keys_own(desk: Desk) -> None:
    assert [one["pool"]["name"] for one in (await desk.get("/overview"))["pools"]] == ["main"]
    assert [one["slug"] for one in (await desk.get("/projects", PROJECT))["items"]] == ["desk"]


@pytest.mark.parametrize("odd", [5, True, "x", [["x"]], {"a": 1}, ["\x00"]])
async def test_odd_fields_are_faults(desk: Desk, odd: object) -> None:
    for path, body in (
        ("/projects/desk/sms-templates", {"name": "odd", "content": "x", "senders": odd}),
        ("/projects/desk/handoffs", {**BILLS, "sip_headers": odd}),
        ("/projects/desk/handoffs", {**BILLS, "name": odd, "sip_config": odd}),
    ):
        answer = await desk.ask("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields"), answer.text
    checked = await desk.ask(
        "POST", "/projects/desk/handoffs/check", {**BILLS, "name": odd, "sip_config": odd}
    )
    assert checked.json()["faults"]
