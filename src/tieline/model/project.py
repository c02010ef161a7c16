"""Accounts, projects and the credentials that name them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from tieline.model.environment import Environment
from tieline.model.handoff import Destination, HandoffApi
from tieline.model.record import ConfidentialRecord, Record
from tieline.model.sms import SmsTemplate


class Scope(StrEnum):
    """What an API key may do."""

    DNI_RESERVE = "dni:reserve"
    HANDOFF_READ = "handoff:read"
    CONVERSATIONS_READ = "conversations:read"
    CHAT = "chat"
    EXTERNAL_EVENTS = "external-events"
    ADMIN = "admin"


def hash_secret(secret: str | bytes) -> str:
    """The form in which keys and tokens of every kind are stored and compared: SHA-256 in hex."""
    data = secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogateescape")
    return hashlib.sha256(data).hexdigest()


class Account(Record):
    """A tenant. `id` (`ws-...`) and `slug` both resolve in URLs."""

    id: str
    slug: str
    name: str = ""


class Project(ConfidentialRecord):
    """One agent: its folder on disk, environment, numbers, destinations and Get Handoff exposure.

    `numbers` are canonical E.164 numbers or bare extensions that route here without a reservation.
    `answer_only` makes a project without an agent: calls are answered, held and never spoken to (trunk tests).
    `handoffs` from the resource file are merged over those of the folder's `config/handoffs.yaml` by name.
    `fallback_handoff` names the destination used when the agent fails; None means the default destination.
    """

    hidden: ClassVar[tuple[str, ...]] = ("secrets",)

    id: str
    slug: str
    account: str
    name: str = ""
    path: str | None = None
    env: Environment = Environment.LIVE
    numbers: tuple[str, ...] = ()
    answer_only: bool = False
    handoffs: tuple[Destination, ...] = ()
    fallback_handoff: str | None = None
    handoff_api: HandoffApi = HandoffApi()
    sms_templates: tuple[SmsTemplate, ...] = ()
    secrets: dict[str, str] = {}


class ApiKey(Record):
    """A stored API key: SHA-256 of the key, never the key. `project` None means every project of the account."""

    name: str
    account: str
    project: str | None
    scopes: frozenset[Scope]
    key_hash: str
    prefix: str
    expires_at: datetime | None = None


class SipToken(Record):
    """A token that a trunk sends in its token header to choose the project. Stored as SHA-256."""

    name: str
    project: str
    token_hash: str
    prefix: str
