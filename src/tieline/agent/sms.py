"""Text messages as a function sees them: templates, the queue, and what is checked before a message is queued."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tieline.agent.messages import OutgoingMessage
from tieline.model.environment import Environment
from tieline.model.number import canonical
from tieline.model.sms import MAX_CONTENT, SmsSender, SmsTemplate
from tieline.model.sms_tokens import fill_tokens

MAX_QUEUED = 20
"""Messages that one turn may send."""

MAX_RETRIES = 10
"""The largest `retry_count`."""

_SENDER = re.compile(r"\+[1-9]\d{4,14}|\d{3,8}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 +\-_&]{1,11}")
_RECIPIENT = re.compile(r"\+[1-9]\d{4,14}")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


class MissingTemplate(LookupError):
    """`conv.send_sms_template` named a template that the project does not have."""


class MissingToken(LookupError):
    """A template has tokens without a value; the message names them, and nothing is sent."""


@dataclass(frozen=True)
class SMSTemplate:
    """One entry of `conv.sms_templates`. `phone_number` is the sender in this environment, None for the project's."""

    name: str
    content: str
    phone_number: str | None


@dataclass(frozen=True)
class OutgoingSMS:
    """An entry of `conv.sms_queue` made by `conv.send_sms`."""

    to_number: str
    from_number: str
    content: str


@dataclass(frozen=True)
class OutgoingSMSTemplate:
    """An entry of `conv.sms_queue` made by `conv.send_sms_template`."""

    to_number: str
    template: str


class SmsQueue:
    """The messages that the functions of one turn have asked for. `env` is the conversation's."""

    def __init__(self, templates: Sequence[SmsTemplate], env: str) -> None:
        self._templates = {template.name: template for template in templates}
        self._env = env
        self.messages: list[OutgoingMessage] = []

    def templates(self) -> dict[str, SMSTemplate]:
        """The project's templates by name, each with its sender in this environment."""
        return {
            name: SMSTemplate(name, template.content, sender_in(template, self._env))
            for name, template in self._templates.items()
        }

    def entries(self) -> list[OutgoingSMS | OutgoingSMSTemplate]:
        """What was queued so far."""
        return [
            OutgoingSMSTemplate(one.to, one.template)
            if one.template is not None
            else OutgoingSMS(one.to, one.from_, one.content)
            for one in self.messages
        ]

    def add(self, to_number: str, from_number: str, content: str, retry_count: int | None) -> None:
        """Queue a text as it is. Raises `TypeError` and `ValueError`."""
        self._queue(to_number, read_sender(from_number), content, None, retry_count)

    def add_template(
        self,
        to_number: str,
        name: str,
        retry_count: int | None,
        attributes: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> None:
        """Queue a template, filled in now. Raises `MissingTemplate` and `MissingToken`, and as `add` does."""
        if not isinstance(name, str):
            raise TypeError(
                f"the template of conv.send_sms_template must be text, not {type(name).__name__}."
            )
        template = self._templates.get(name)
        if template is None:
            known = ", ".join(self._templates) or "none"
            raise MissingTemplate(f"There is no SMS template {name!r}. Configured: {known}.")
        filled = fill_tokens(template.content, attributes, variables)
        if filled.missing:
            raise MissingToken(
                f"The SMS template {name!r} is not sent: there is no value for {', '.join(filled.missing)}."
            )
        self._queue(to_number, sender_in(template, self._env) or "", filled.text, name, retry_count)

    def _queue(
        self, to_number: str, sender: str, content: str, template: str | None, retry_count: int | None
    ) -> None:
        message = OutgoingMessage(
            to=read_recipient(to_number),
            from_=sender,
            content=read_content(content),
            template=template,
            retry_count=read_retry_count(retry_count),
        )
        if len(self.messages) >= MAX_QUEUED:
            raise ValueError(f"A turn may send {MAX_QUEUED} messages; this one asks for more.")
        self.messages.append(message)


def read_recipient(number: Any) -> str:
    """The E.164 number that a message goes to. Raises `TypeError` and `ValueError`."""
    if not isinstance(number, str):
        raise TypeError(f"to_number of an SMS must be text, not {type(number).__name__}.")
    found = canonical(number.strip())
    if found is None or not _RECIPIENT.fullmatch(found):
        raise ValueError("to_number of an SMS must be an E.164 number such as +15550100.")
    return found


def read_sender(sender: Any) -> str:
    """Who a message comes from: a number, short code, sender id or Messaging Service. `TypeError`, `ValueError`."""
    if not isinstance(sender, str):
        raise TypeError(f"from_number of an SMS must be text, not {type(sender).__name__}.")
    text = sender.strip()
    if _SENDER.fullmatch(text):
        return text
    found = canonical(text)
    if found is None or not _RECIPIENT.fullmatch(found):
        raise ValueError(
            "from_number of an SMS must be an E.164 number such as +15550100, a short code, a sender id of at most "
            "11 letters and digits, or a Messaging Service SID (MG...)."
        )
    return found


def read_content(content: Any) -> str:
    """The text of a message. Raises `TypeError` and `ValueError`."""
    if not isinstance(content, str):
        raise TypeError(f"the content of an SMS must be text, not {type(content).__name__}.")
    if not content.strip():
        raise ValueError("The content of an SMS is empty.")
    if len(content) > MAX_CONTENT:
        raise ValueError(f"The content of an SMS has {len(content)} characters; {MAX_CONTENT} can be sent.")
    if _UNSENDABLE.search(content):
        raise ValueError("The content of an SMS holds a character that cannot be sent.")
    return content


def read_retry_count(count: Any) -> int | None:
    """How often sending is tried again; None for the default. Raises `TypeError` and `ValueError`."""
    if count is None:
        return None
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"retry_count of an SMS must be a whole number, not {type(count).__name__}.")
    if not 0 <= count <= MAX_RETRIES:
        raise ValueError(f"retry_count of an SMS must be from 0 to {MAX_RETRIES}.")
    return count


def sender_in(template: SmsTemplate, env: str) -> str | None:
    """A template's number or Messaging Service in an environment; None where it names none."""
    for sender in template.senders:
        if sender.env == env:
            return sender.messaging_service_sid or sender.number
    return None


def merge_templates(base: tuple[SmsTemplate, ...], over: tuple[SmsTemplate, ...]) -> tuple[SmsTemplate, ...]:
    """`base` with the templates of `over` in place of those of the same name, and the rest behind."""
    named = {item.name: item for item in over}
    merged = [named.pop(item.name, item) for item in base]
    return (*merged, *named.values())


def sender_of(env: Environment, text: str) -> SmsSender | None:
    """The sender that a text names in an environment; None when it names none."""
    try:
        found = read_sender(text)
    except ValueError:
        return None
    if found.startswith("MG"):
        return SmsSender(env=env, messaging_service_sid=found)
    return SmsSender(env=env, number=found)
