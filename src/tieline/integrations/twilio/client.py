"""One Twilio account through the official SDK: its numbers and live calls. `sdk` is there for all else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from tieline.errors import InvalidInput, Unavailable
from tieline.integrations.twilio import sdk
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.integrations.twilio.http import TIMEOUT_S, ApiHttpClient
from tieline.model.record import Record
from tieline.model.twilio import TwilioConnection

MOST_NUMBERS = 2000
"""Numbers of an account that are listed; more than that is not for a page."""

MOST_LEGS = 20
"""Legs dialled for one call that are looked at."""

NUMBER_SETTINGS = (
    "voice_url", "voice_method", "voice_fallback_url", "voice_fallback_method", "status_callback",
    "status_callback_method", "voice_application_sid", "trunk_sid", "sms_url", "sms_method", "sms_application_sid",
)  # fmt: skip
"""What of a number decides where its calls and messages go, by Twilio's names."""

_Result = TypeVar("_Result")


class AccountView(Record):
    """What Twilio says of the account: `status` is `active`, `suspended` or `closed`, `type` `Trial` or `Full`."""

    sid: str
    name: str
    status: str
    type: str


class NumberView(Record):
    """A number of the account. `settings` are those of `NUMBER_SETTINGS`, an empty text where one is not set."""

    sid: str
    number: str
    name: str
    voice: bool
    sms: bool
    settings: dict[str, str]


class DialledLeg(Record):
    """A call that Twilio has made for another: `status` in Twilio's words, and when it was made, if that is known."""

    status: str
    at: datetime | None


class TwilioApi:
    """Requests in the name of one connection. Raises `TwilioRefused`, and `Unavailable` when Twilio is out of reach."""

    def __init__(
        self, connection: TwilioConnection, base_url: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        user = connection.api_key_sid or connection.account_sid
        secret = connection.api_key_secret if connection.api_key_sid else connection.auth_token
        if not secret:
            raise InvalidInput("a Twilio connection needs an Auth Token, or an API key with its secret")
        self.connection = connection
        self._http = ApiHttpClient(base_url, timeout_s)
        self.sdk = sdk.Client(
            user,
            secret,
            connection.account_sid,
            connection.region,
            http_client=self._http,
            # Never what the environment of the server happens to say.
            environment={"": ""},
            edge=connection.edge,
        )

    async def close(self) -> None:
        """Let go of the connections to Twilio."""
        await self._http.close()

    async def call(self, request: Awaitable[_Result]) -> _Result:
        """Wait for a request of `sdk`, with its errors turned into ours."""
        with translated():
            return await request

    async def account(self) -> AccountView:
        """The account itself: what tells whether the credentials are good."""
        found = await self.call(self.sdk.api.accounts(self.connection.account_sid).fetch_async())
        return AccountView(
            sid=str(found.sid),
            name=str(found.friendly_name or ""),
            status=_word(found.status),
            type=_word(found.type),
        )

    async def numbers(self) -> list[NumberView]:
        """The account's numbers, in Twilio's order."""
        found = await self.call(
            self.sdk.incoming_phone_numbers.list_async(limit=MOST_NUMBERS, page_size=1000)
        )
        return [_number(one) for one in found]

    async def number(self, sid: str) -> NumberView:
        """One number."""
        return _number(await self.call(self.sdk.incoming_phone_numbers(sid).fetch_async()))

    async def change_number(self, sid: str, settings: Mapping[str, str]) -> NumberView:
        """Change settings of a number, named as in `NUMBER_SETTINGS`; an empty text takes one away."""
        # A number without a URL takes no method, and one of a trunk or an app neither.
        given = {name: value for name, value in settings.items() if value or not name.endswith("_method")}
        return _number(await self.call(self.sdk.incoming_phone_numbers(sid).update_async(**given)))

    async def redirect_call(self, call_sid: str, twiml: str) -> None:
        """Let a live call go on with other TwiML."""
        await self.call(self.sdk.calls(call_sid).update_async(twiml=twiml))

    async def call_status(self, call_sid: str) -> str:
        """Where a call is, in Twilio's words."""
        return _word((await self.call(self.sdk.calls(call_sid).fetch_async())).status)

    async def dialled_legs(self, call_sid: str) -> list[DialledLeg]:
        """The calls that Twilio has made for a call, newest first."""
        found = await self.call(self.sdk.calls.list_async(parent_call_sid=call_sid, limit=MOST_LEGS))
        return [DialledLeg(status=_word(one.status), at=one.date_created) for one in found]

    async def end_call(self, call_sid: str) -> None:
        """Hang a call up."""
        await self.call(self.sdk.calls(call_sid).update_async(status="completed"))


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the SDK into ours."""
    try:
        yield
    except sdk.TwilioRestException as error:
        # Without a code of Twilio's, the SDK gives that of HTTP.
        code = None if error.code == error.status else error.code
        if error.status >= 500 and code is None:
            raise Unavailable(
                f"Twilio's API failed with HTTP {error.status}; try again", retry_after_s=10
            ) from None
        raise TwilioRefused(error.status, code, error.msg) from None
    except (sdk.TwilioException, ValueError, KeyError, TypeError, AttributeError) as error:
        # Of a list that is refused, the SDK gives nothing but the answer itself.
        answer = next((one for one in error.args if isinstance(one, sdk.Response)), None)
        if answer is not None and 400 <= answer.status_code < 500:
            raise TwilioRefused(answer.status_code, _code_of(answer)) from None
        # The SDK fails in many ways over an answer that is not what Twilio documents.
        raise Unavailable(
            f"Twilio's API gave an answer that cannot be read ({type(error).__name__})", retry_after_s=10
        ) from None


def _code_of(answer: Any) -> int | None:
    """The code of Twilio's in a refusal, where it has one."""
    try:
        code = json.loads(answer.text)["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None


def _number(found: Any) -> NumberView:
    able = found.capabilities or {}
    return NumberView(
        sid=str(found.sid),
        number=str(found.phone_number),
        name=str(found.friendly_name or ""),
        voice=bool(able.get("voice")),
        sms=bool(able.get("sms", able.get("SMS"))),
        settings={name: str(getattr(found, name) or "") for name in NUMBER_SETTINGS},
    )


def _word(value: Any) -> str:
    """A value of the SDK's enumerations, which are sometimes plain text."""
    return str(getattr(value, "value", value) or "")
