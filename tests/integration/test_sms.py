"""Text messages in the running product: out of the outbox by the official SDK, signed webhooks back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from twilio.request_validator import RequestValidator

from tests.integration.served import Served, eventually
from tests.integration.twilio_api.server import ACCOUNT, TOKEN, TwilioApiServer, number_sid, twilio_api
from tieline.model.sms import SmsMessage, SmsState
from tieline.store.outbox import SmsFilter
from tieline.store.sqlite import SqliteStore

pytestmark = pytest.mark.needs("node", "prism")
PUBLIC = "https://tieline.example"
RESOURCES = f"""
accounts: [{{slug: northwind}}]
projects: [{{slug: desk, account: northwind, answer_only: true, numbers: [100]}}]
twilio:
  - name: main
    account: northwind
    account_sid: {ACCOUNT}
    auth_token: {TOKEN}
    numbers: [{{number: "+15555550100", sid: {number_sid(0)}, project: desk}}]
"""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioApiServer]:
    with twilio_api(tmp_path_factory.mktemp("twilio")) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, account: TwilioApiServer) -> Iterator[Served]:
    settings: dict[str, dict[str, Any]] = {
        "twilio": {"api_url": account.url},
        "server": {"public_url": PUBLIC},
        "sms": {"answer_keywords": True},
    }
    server = Served(tmp_path_factory.mktemp("server"), settings, resources=RESOURCES)
    server.apply()
    server.start()
    try:
        yield server
    finally:
        server.process.stop()


@pytest.fixture
async def store(served: Served) -> AsyncIterator[SqliteStore]:
    """The server's database, opened beside it."""
    opened = SqliteStore(served.folder / "tieline.db")
    await opened.open(datetime.now(UTC))
    yield opened
    await opened.close()


async def put(store: SqliteStore, name: str, **fields: Any) -> None:
    """A message into the outbox."""
    resources = await store.resources()
    now = datetime.now(UTC)
    known: dict[str, Any] = {
        "id": name, "account": resources.accounts[0].id, "project": resources.projects[0].id, "conversation_id": None,
        "to": "+15557654321", "from_": "", "content": f"Hello from {name}", "created_at": now, "changed_at": now,
        "next_at": now,
    }  # fmt: skip
    await store.add_sms([SmsMessage(**(known | fields))])


async def until(store: SqliteStore, name: str, *states: SmsState) -> SmsMessage:
    """The message once it is in one of the states."""

    async def look() -> SmsMessage | None:
        found = await store.sms(name)
        return found if found is not None and found.state in states else None

    return await eventually(look)


async def post(served: Served, path: str, *, token: str = TOKEN, **fields: str) -> httpx.Response:
    """A webhook as Twilio signs it: over the public URL."""
    form = {"AccountSid": ACCOUNT, **fields}
    signature = RequestValidator(token).compute_signature(f"{PUBLIC}{path}", form)
    async with httpx.AsyncClient() as client:
        return await client.post(
            f"{served.addresses.http}{path}", data=form, headers={"X-Twilio-Signature": str(signature)}
        )


async def test_a_message_goes_out_and_its_states_come_back(
    served: Served, account: TwilioApiServer, store: SqliteStore
) -> None:
    await put(store, "one")
    sent = await until(store, "one", SmsState.ACCEPTED)
    (made,) = [one for one in account.messages if one["body"] == "Hello from one"]
    assert (made["from"], made["to"], sent.provider_sid) == ("+15555550100", "+15557654321", made["sid"])
    assert account.callback_of(made["sid"]) == f"{PUBLIC}/sms/status?message=one"
    path = "/sms/status?message=one"
    for word in ("sent", "delivered", "sent", "delivered"):
        answer = await post(served, path, MessageSid=made["sid"], MessageStatus=word)
        assert answer.status_code == 200
    found = await until(store, "one", SmsState.DELIVERED)
    assert [one.state.value for one in found.history] == ["waiting", "sending", "accepted", "sent"]


async def test_what_twilio_refuses_is_explained(
    account: TwilioApiServer, store: SqliteStore, served: Served
) -> None:
    await put(store, "bad", to="+15550000999")
    failed = await until(store, "bad", SmsState.FAILED)
    assert failed.error_code == 21211
    assert failed.detail.startswith("The recipient's number is not valid.")


async def test_an_answer_that_is_lost_sends_nothing_twice(
    served: Served, account: TwilioApiServer, store: SqliteStore
) -> None:
    account.cut = True
    await put(store, "lost")
    await until(store, "lost", SmsState.SENDING)

    async def look() -> dict[str, Any] | None:
        return next((one for one in account.messages if one["body"] == "Hello from lost"), None)

    made = await eventually(look)
    await post(served, "/sms/status?message=lost", MessageSid=made["sid"], MessageStatus="sent")
    found = await until(store, "lost", SmsState.SENT)
    assert found.provider_sid == made["sid"]
    assert len([one for one in account.messages if one["body"] == "Hello from lost"]) == 1


async def test_stop_is_honoured_until_start(
    served: Served, account: TwilioApiServer, store: SqliteStore
) -> None:
    person = {"From": "+15557770000", "To": "+15555550100"}
    answer = await post(served, "/sms/inbound", MessageSid="SM1", Body="Stop", **person)
    assert "no more messages" in answer.text
    assert answer.headers["content-type"].startswith("text/xml")
    await put(store, "unwanted", to=person["From"])
    assert "STOP" in (await until(store, "unwanted", SmsState.REFUSED)).detail
    for _ in range(2):
        await post(served, "/sms/inbound", MessageSid="SM2", Body="START", **person)
    await put(store, "wanted", to=person["From"])
    await until(store, "wanted", SmsState.ACCEPTED)
    received = await store.messages(SmsFilter(state=SmsState.RECEIVED))
    assert [one.content for one in received] == ["START", "Stop"]
    assert await store.opt_outs() == []


async def test_webhooks_without_a_good_signature_are_refused(served: Served, store: SqliteStore) -> None:
    fields = {"MessageSid": "SM9", "From": "+15557770001", "To": "+15555550100", "Body": "STOP"}
    assert (await post(served, "/sms/inbound", token="another", **fields)).status_code == 403
    for path in ("/sms/inbound", "/sms/status"):
        async with httpx.AsyncClient() as client:
            url = f"{served.addresses.http}{path}"
            assert (await client.post(url, data={"AccountSid": ACCOUNT, **fields})).status_code == 403
            assert (await client.post(url, content=b"x" * 70_000)).status_code == 413
            assert (await client.get(url)).status_code == 405
    assert await store.opt_outs() == []
    assert await store.sms("in-SM9") is None
