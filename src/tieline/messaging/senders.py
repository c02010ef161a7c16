"""Which account sends a message, and from where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tieline.integrations.sms_provider import SmsProvider
from tieline.integrations.twilio.client import TwilioApi
from tieline.integrations.twilio.sms import TwilioSms
from tieline.model.sms import SmsMessage
from tieline.model.twilio import TwilioConnection

ApiOf = Callable[[TwilioConnection], TwilioApi]
"""The API of an account. Raises `InvalidInput` when the connection lacks its secret."""


@dataclass(frozen=True, slots=True)
class Way:
    """The account and the sender that a message goes out by."""

    connection: TwilioConnection
    sender: str


class Senders:
    """The accounts that there are; `connections` are those of the resources."""

    def __init__(self, api_of: ApiOf) -> None:
        self._api_of = api_of
        self.connections: Sequence[TwilioConnection] = ()

    def way_of(self, message: SmsMessage) -> Way | str:
        """How a message goes out, or in words why it cannot."""
        return find_way(message, self.connections)

    def provider(self, connection: TwilioConnection) -> SmsProvider:
        """The account as one that sends. Raises `InvalidInput` when the connection lacks its secret."""
        return TwilioSms(self._api_of(connection))


def find_way(message: SmsMessage, connections: Sequence[TwilioConnection]) -> Way | str:
    """The connection of the message's account that its sender belongs to, or in words why there is none.

    A message without a sender goes out from the project's own number in its environment.
    """
    own = [one for one in connections if one.account == message.account]
    if not own:
        return "The account has no Twilio connection. Connect one under Telephony, Twilio."
    if not message.from_:
        for connection in own:
            for number in connection.numbers:
                if (number.project, number.env) == (message.project, message.env):
                    return Way(connection, number.number)
        return (
            f"It names no sender for the environment {message.env.value}, and the project has no Twilio number there. "
            "Give the template a number or a Messaging Service, or assign a number to the project."
        )
    for connection in own:
        if any(number.number == message.from_ for number in connection.numbers):
            return Way(connection, message.from_)
    if len(own) == 1:
        return Way(own[0], message.from_)
    theirs = [one for one in own if any(number.project == message.project for number in one.numbers)]
    if len(theirs) == 1:
        return Way(theirs[0], message.from_)
    return "The account has several Twilio connections, and the sender is assigned in none of them."
