"""What the admin functions of text messages show and take: listed templates, masked messages, drafts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tieline.admin.errors import FieldFault, InvalidFields
from tieline.admin.redaction import redact_sms
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
    "AccountRegistration", "ListedTemplate", "ReadMessage", "SmsFilter", "TemplateSource", "TokenName",
    "masked", "placed", "read_message", "template_fields",
]  # fmt: skip


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


def masked(who: Principal, message: SmsMessage) -> SmsMessage:
    """The message as they may see it: without the right, neither the person's number nor the text."""
    return message if who.may(Right.PERSONAL_DATA) else redact_sms(message)


def template_fields(draft: Mapping[str, Any]) -> dict[str, Any]:
    """A draft's fields as a resource file has them, senders that are empty left out."""
    given_senders = draft.get("senders") or ()
    if not isinstance(given_senders, list | tuple) or not all(
        isinstance(one, Mapping) for one in given_senders
    ):
        return {
            key: value for key, value in draft.items() if value is not None
        }  # a fault, told as it is read
    senders = []
    for sender in given_senders:
        given = {key: value for key, value in sender.items() if value not in (None, "")}
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
        values = nested(draft.get("values") or {})
        filled = fill_tokens(templates[name].content, values, values)
        names = {one.written: one.name for one in tokens_of(templates[name].content)}
        faults += [
            FieldFault(f"values.{names[one]}", f"there is no value for {one}") for one in filled.missing
        ]
        content = filled.text
    to = read("to", read_recipient, draft.get("to"))
    content = read("content", read_content, content)
    sender = read("from_", read_sender, draft["from_"]) if draft.get("from_") else ""
    if faults:
        raise InvalidFields(tuple(faults))
    return ReadMessage(to=to, sender=sender, content=content, template=name)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by tokens' names as objects within one another: `{"a.b": "c"}` is `{"a": {"b": "c"}}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            inner = place.get(parent)
            place[parent] = place = dict(inner) if isinstance(inner, Mapping) else {}
        place[last] = value
    return found


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
