"""Facts as events: what they name, what they leave out, and which are one and the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tieline.model.facts import (
    event,
    pool_exhausted,
    reservation_expired,
    sms_received,
    sms_status,
    trial_event,
    trunk_changed,
)
from tieline.model.reservation import Reservation, ReservationState
from tieline.model.sms import SmsMessage, SmsState
from tieline.model.trunk import Trunk
from tieline.model.webhook import DeliveryAttempt, EventType, WebhookEndpoint
from tieline.model.webhook_payloads import PAYLOADS, PoolExhaustedPayload

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


def message(**fields: object) -> SmsMessage:
    known = {
        "id": "m1", "account": "a", "project": "x", "conversation_id": None, "to": "+15550100001",
        "from_": "+15550100002", "content": "hello", "created_at": NOW, "changed_at": NOW,
    }  # fmt: skip
    return SmsMessage(**(known | fields))  # type: ignore[arg-type]


def test_every_type_has_a_payload() -> None:
    assert set(PAYLOADS) == set(EventType)


def test_ids_follow_from_what_is_told() -> None:
    payload = PoolExhaustedPayload(pool="p", retry_after_s=1.0)
    made = [
        event(EventType.POOL_EXHAUSTED, NOW, "a", None, subject, payload, mark)
        for subject, mark in (("p", ""), ("p", ""), ("p", "2"), ("q\udce9", ""))
    ]
    assert made[0].id == made[1].id
    assert len({one.id for one in made}) == 3
    assert all(one.id.startswith("evt_") and len(one.id) == 36 for one in made)


def test_a_full_pool_is_one_event_a_minute() -> None:
    ids = {pool_exhausted("p", "x", "a", NOW + timedelta(seconds=at), 1.0).id for at in (0, 59, 60)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("account", "shared", "detail"), [("a", False, "192.0.2.1 said 503"), (None, True, "")]
)
def test_a_shared_trunk_shows_no_addresses(account: str | None, shared: bool, detail: str) -> None:
    trunk = Trunk(name="carrier", networks=("192.0.2.0/24",), account=account)
    down = trunk_changed(trunk, "a", NOW, "192.0.2.1 said 503", down=True)
    assert (down.type, down.account, down.subject) == (EventType.TRUNK_DOWN, "a", "carrier")
    assert down.data == {"trunk": "carrier", "shared": shared, "detail": detail}
    assert trunk_changed(trunk, "a", NOW, "", down=False).type is EventType.TRUNK_UP
    assert trunk_changed(trunk, "b", NOW, "", down=True).id != down.id


def test_messages_are_told_without_what_they_say() -> None:
    came = sms_received(message(inbound=True, state=SmsState.RECEIVED), opted_out=True)
    assert (came.type, came.subject, came.data["opted_out"]) == (EventType.SMS_RECEIVED, "m1", True)
    assert came.data["number"] == "+15550100001"
    sent = sms_status(message(conversation_id="c1", state=SmsState.SENT, template="t"))
    assert (sent.type, sent.subject, sent.data["template"]) == (EventType.SMS_STATUS, "c1", "t")
    delivered = sms_status(message(conversation_id="c1", state=SmsState.DELIVERED))
    assert delivered.id != sent.id
    text = msgspec.json.encode([sent, came]).decode()
    assert "hello" not in text
    assert "+15550100002" not in text


def test_an_expired_reservation() -> None:
    held = Reservation(
        id="rsv-1", pool="p", project="x", number="+15550100000", epoch=1, state=ReservationState.RESERVED,
        attributes_json="{}", reserved_at=NOW, expires_at=NOW + timedelta(seconds=60),
    )  # fmt: skip
    told = reservation_expired(held, "a")
    assert (told.subject, told.at, told.data["pool"]) == ("rsv-1", held.expires_at, "p")


def test_a_trial_is_of_its_own_each_time() -> None:
    endpoint = WebhookEndpoint(name="e", account="a", url="https://example.com/", secret="s" * 20)
    first, second = (trial_event(endpoint, "jo", NOW + timedelta(seconds=at)) for at in (0, 1))
    assert first.data == {"endpoint": "e", "by": "jo"}
    assert (first.type, first.id != second.id) == (EventType.TEST, True)


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (299, True), (300, False), (410, False), (None, False)]
)
def test_what_counts_as_taken(status: int | None, taken: bool) -> None:
    assert DeliveryAttempt(at=NOW, status=status, error=None, duration_ms=1.0).succeeded is taken
