"""What the admin functions of text messages show and take: listed templates, masked messages, drafts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from tieline.admin.errors import FieldFault, InvalidFields
from tieline.agent.sms import read_content, read_recipient, read_sender
from tieline.integrations.twilio.a2p import AccountFacts, SenderRegistration
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.model.sms import SmsMessage, SmsTemplate
from tieline.model.sms_segments import SmsSize
from tieline.model.sms_tokens import fill_tokens, tokens_of
from tieline.model.user import Right
from tieline.store.outbox import SmsFilter

__all__ = [
    "HIDDEN", "AccountRegistration", "ListedTemplate", "ReadMessage", "SmsFilter", "TemplateSource", "TokenName",
    "mask_number", "masked", "placed", "read_message", "template_fields",
]  # fmt: skip

HIDDEN = "(hidden: personal data)"
"""What stands for a text that one may not read."""

_SHOWN = 4


class TemplateSource(StrEnum):
    """Where a template comes from; one that is laid over is in the folder, too, where it does not hold."""

    FOLDER = "folder"
    RESOURCES = "resources"
    LAID_OVER = "laid_over"


class ListedTemplate(Record):
    """A template as it holds. `size` is that of its text with the tokens as they are written."""

    template: SmsTemplate
    source: TemplateSource
    size: SmsSize

    @property
    def unknown(self) -> tuple[str, ...]:
        """References in it that can never be filled."""
        return tuple(one.written for one in tokens_of(self.template.content) if one.kind is None)


class TokenName(Record):
    """A name for tokens, and where it is known from."""

    name: str
    about: str


class AccountRegistration(Record):
    """One Twilio connection: its senders' registration, and what was read to judge it."""

    connection: str
    account: str
    senders: tuple[SenderRegistration, ...]
    facts: AccountFacts


class ReadMessage(Record):
    """A message to be sent by hand, checked and filled in."""

    to: str
    sender: str
    content: str
    template: str | None


def mask_number(number: str) -> str:
    """A number with only its last digits."""
    return f"…{number[-_SHOWN:]}" if len(number) > 2 * _SHOWN else "…"


def masked(who: Principal, message: SmsMessage) -> SmsMessage:
    """The message as they may see it: without the right, neither the person's number nor the text."""
    if who.may(Right.PERSONAL_DATA):
        return message
    side = "from_" if message.inbound else "to"
    return msgspec.structs.replace(message, content=HIDDEN, **{side: mask_number(message.person)})


def template_fields(draft: Mapping[str, Any]) -> dict[str, Any]:
    """A draft's fields as a resource file has them, senders that are empty left out."""
    senders = []
    for sender in draft.get("senders") or ():
        given = {key: value for key, value in sender.items() if value not in {None, ""}}
        if set(given) - {"env"}:
            senders.append(given)
    fields = {key: value for key, value in draft.items() if value is not None and key != "senders"}
    return {**fields, "senders": senders} if senders else fields


def read_message(draft: Mapping[str, Any], templates: Mapping[str, SmsTemplate]) -> ReadMessage:
    """A message by hand. Raises `InvalidFields` with every fault."""
    faults: list[FieldFault] = []

    def read(field: str, reader: Any, value: Any) -> str:
        try:
            return str(reader(value))
        except (TypeError, ValueError) as error:
            faults.append(FieldFault(field, str(error)))
            return ""

    name = draft.get("template") or None
    content = draft.get("content")
    if name is not None:
        if name not in templates:
            raise InvalidFields((FieldFault("template", f"there is no template {name!r}"),))
        values = draft.get("values") or {}
        filled = fill_tokens(templates[name].content, values, values)
        if filled.missing:
            faults.append(FieldFault("values", f"there is no value for {', '.join(filled.missing)}"))
        content = filled.text
    to = read("to", read_recipient, draft.get("to"))
    content = read("content", read_content, content)
    sender = read("from_", read_sender, draft["from_"]) if draft.get("from_") else ""
    if faults:
        raise InvalidFields(tuple(faults))
    return ReadMessage(to=to, sender=sender, content=content, template=name)


def placed(error: InvalidFields, index: int) -> InvalidFields:
    """The faults with their fields as paths within the template at `index`."""
    start = f"sms_templates[{index}]"
    return InvalidFields(
        tuple(
            FieldFault(one.field.removeprefix(start).lstrip("."), one.message)
            if one.field.startswith(start)
            else one
            for one in error.faults
        )
    )
