"""A customer's own Twilio account: the connection, and which of its numbers come to us, and how."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from tieline.model.environment import Environment
from tieline.model.record import ConfidentialRecord, Record


class CallPath(StrEnum):
    """How a call to a Twilio number is brought in."""

    SIP = "sip"
    MEDIA_STREAM = "media_stream"


class TwilioNumber(Record):
    """One number of the connection. `project` None: it is a member of pools only, which say whose calls it takes.

    `managed` says that we set its webhooks at Twilio and may unset them; `previous` is what stood in each of the
    number's settings that we changed, by Twilio's own name for it (`voice_url`, `voice_method`, ...), for
    disconnecting puts that back.
    """

    number: str
    sid: str
    project: str | None = None
    env: Environment = Environment.LIVE
    path: CallPath = CallPath.MEDIA_STREAM
    managed: bool = False
    previous: dict[str, str] = {}


class TwilioConnection(ConfidentialRecord):
    """Access to a Twilio account. Requests use the API key where there is one, else Account SID and Auth Token.

    Twilio signs its webhooks with the Auth Token alone: without one, no webhook of the account can be verified and
    none is accepted. `sip_username` and `sip_password`, where given, are sent in `<Sip>` for our digest challenge.
    """

    hidden: ClassVar[tuple[str, ...]] = ("auth_token", "api_key_secret", "sip_password")

    name: str
    account: str
    account_sid: str
    auth_token: str | None = None
    api_key_sid: str | None = None
    api_key_secret: str | None = None
    region: str | None = None
    edge: str | None = None
    sip_username: str | None = None
    sip_password: str | None = None
    numbers: tuple[TwilioNumber, ...] = ()
