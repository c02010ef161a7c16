"""The REST API of one account. Every request and answer passes Prism, which holds it against Twilio's description."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.integration.twilio_api.prism import behind_prism

ACCOUNT = "AC" + "0a" * 16
TOKEN = "an-auth-token-of-32-characters-00"
KEY, KEY_SECRET = "SK" + "0c" * 16, "an-api-key-secret"
_CALL = re.compile(rf"/2010-04-01/Accounts/{ACCOUNT}/Calls/(CA[0-9a-f]{{32}})\.json")
_NUMBER = re.compile(rf"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/(PN[0-9a-f]{{32}})\.json")


def number_sid(last: int) -> str:
    """The SID of the account's number so and so."""
    return f"PN{last:032x}"


def a_number(last: int, **settings: str | None) -> dict[str, Any]:
    """A number of the account, +1555555010x, as Twilio describes one."""
    sid, base = number_sid(last), f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers"
    return {
        "account_sid": ACCOUNT, "address_requirements": "none", "address_sid": None, "api_version": "2010-04-01",
        "beta": False, "bundle_sid": None, "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        "date_created": "Thu, 30 Jul 2015 23:19:04 +0000", "date_updated": "Thu, 30 Jul 2015 23:19:04 +0000",
        "emergency_address_sid": None, "emergency_address_status": "unregistered", "emergency_status": "Inactive",
        "friendly_name": f"(555) 555-01{last:02d}", "identity_sid": None, "origin": "twilio",
        "phone_number": f"+155555501{last:02d}", "sid": sid, "sms_application_sid": None,
        "sms_fallback_method": "POST", "sms_fallback_url": "", "sms_method": "POST", "sms_url": "",
        "status": "in-use", "status_callback": "", "status_callback_method": "POST", "trunk_sid": None,
        "uri": f"{base}/{sid}.json", "voice_application_sid": None, "voice_caller_id_lookup": False,
        "voice_fallback_method": "POST", "voice_fallback_url": "", "voice_method": "POST",
        "voice_receive_mode": "voice", "voice_url": "",
        "subresource_uris": {"assigned_add_ons": f"{base}/{sid}/AssignedAddOns.json"},
    } | settings  # fmt: skip


@dataclass
class TwilioApiServer:
    """What the account holds, and what has been asked of it. `on_call` is told of changes of a live call.

    `statuses` are those of calls, which are in progress otherwise; `legs` the statuses of those made for them, newest
    first. `cut` breaks the connection off after the next message was made. No message goes to a number that ends with
    999.
    """

    url: str = ""
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    cut: bool = False
    statuses: dict[str, str] = field(default_factory=dict)
    legs: dict[str, list[str]] = field(default_factory=dict)
    on_call: Callable[[str, dict[str, str]], None] = lambda sid, fields: None
    refuse: tuple[int, int, str] | None = None

    def number(self, last: int) -> dict[str, Any]:
        """One of the numbers."""
        return self.numbers[number_sid(last)]

    def answer(self, method: str, path: str, authorization: str, fields: dict[str, str]) -> tuple[int, Any]:
        """What Twilio answers."""
        self.asked.append((method, path, fields))
        known = [f"{ACCOUNT}:{TOKEN}", f"{KEY}:{KEY_SECRET}"]
        if authorization not in [f"Basic {b64encode(one.encode()).decode()}" for one in known]:
            return 401, _error(401, 20003, "Authenticate")
        if self.refuse is not None:
            return self.refuse[0], _error(*self.refuse)
        if path == f"/2010-04-01/Accounts/{ACCOUNT}.json":
            return 200, _account()
        if path == f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json":
            return 200, self._page(path)
        if (found := _NUMBER.fullmatch(path)) and found[1] in self.numbers:
            number = self.numbers[found[1]]
            number.update({_snake(name): value if value or not name.endswith("Sid") else None
                           for name, value in fields.items()})  # fmt: skip
            return 200, number
        if path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            return self._send(fields) if method == "POST" else (200, self._page(path, "messages"))
        if found := _CALL.fullmatch(path):
            if method == "POST":
                self.on_call(found[1], fields)
            return 200, _call(found[1], {"Status": self.statuses.get(found[1], "in-progress"), **fields})
        if path == f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json":
            return 200, self._page(path, "calls", self._dialled(fields["ParentCallSid"]))
        return 404, _error(404, 20404, f"The requested resource {path} was not found")

    def _send(self, fields: dict[str, str]) -> tuple[int, Any]:
        if fields["To"].endswith("999"):
            return 400, _error(400, 21211, "Invalid 'To' Phone Number")
        self.messages.append(_message(len(self.messages), fields))
        return 201, self.messages[-1]

    def callback_of(self, sid: str) -> str:
        """Where the states of a message are to be told."""
        sent = [
            one for _, path, one in self.asked if path.endswith("/Messages.json") and "StatusCallback" in one
        ]
        made = next(one for one in self.messages if one["sid"] == sid)
        return next(one["StatusCallback"] for one in sent if one["Body"] == made["body"])

    def _dialled(self, parent: str) -> list[dict[str, Any]]:
        now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        return [
            _call(f"CA{index:032x}", {"Status": status}) | {"parent_call_sid": parent, "date_created": now}
            for index, status in enumerate(self.legs.get(parent, ()))
        ]

    def _page(
        self, path: str, of: str = "incoming_phone_numbers", rows: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        found = list(self.numbers.values()) if of != "messages" else list(reversed(self.messages))
        found = found if rows is None else rows
        return {
            of: found, "page": 0, "page_size": 1000, "start": 0, "end": max(0, len(found) - 1),
            "uri": f"{path}?PageSize=1000&Page=0", "first_page_uri": f"{path}?PageSize=1000&Page=0",
            "next_page_uri": None, "previous_page_uri": None,
        }  # fmt: skip


def _account() -> dict[str, Any]:
    return {
        "auth_token": "hidden", "date_created": "Thu, 30 Jul 2015 20:00:00 +0000",
        "date_updated": "Thu, 30 Jul 2015 20:00:00 +0000", "friendly_name": "Northwind", "owner_account_sid": ACCOUNT,
        "sid": ACCOUNT, "status": "active", "subresource_uris": {}, "type": "Full",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}.json",
    }  # fmt: skip


def _call(sid: str, fields: dict[str, str]) -> dict[str, Any]:
    return {
        "account_sid": ACCOUNT, "sid": sid, "status": fields.get("Status", "in-progress"), "direction": "inbound",
        "from": "+15557654321", "to": "+15555550100", "api_version": "2010-04-01", "duration": None,
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json", "subresource_uris": {},
    }  # fmt: skip


def _message(index: int, fields: dict[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    sid, base = f"SM{index:032x}", f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
    return {
        "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": fields["Body"], "date_created": now,
        "date_sent": None, "date_updated": now, "direction": "outbound-api", "error_code": None, "error_message": None,
        "from": fields.get("From"), "messaging_service_sid": fields.get("MessagingServiceSid"), "num_media": "0",
        "num_segments": "1", "price": None, "price_unit": "USD", "sid": sid, "status": "queued", "to": fields["To"],
        "subresource_uris": {"media": f"{base}/{sid}/Media.json"}, "uri": f"{base}/{sid}.json",
    }  # fmt: skip


def _error(status: int, code: int, message: str) -> dict[str, Any]:
    return {
        "code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status,
    }  # fmt: skip


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@contextmanager
def twilio_api(folder: Path) -> Iterator[TwilioApiServer]:
    """An account of two numbers, served behind Prism."""
    api = TwilioApiServer(numbers={number_sid(last): a_number(last) for last in (0, 1)})

    def answer(method: str, path: str, authorization: str, fields: dict[str, str]) -> tuple[int, Any] | None:
        found = api.answer(method, path, authorization, fields)
        if api.cut and found[0] == 201:
            api.cut = False
            return None
        return found

    with behind_prism(folder, "twilio_api_v2010.json", answer, api.asked.clear) as api.url:
        yield api
