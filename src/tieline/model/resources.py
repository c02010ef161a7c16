"""Everything an operator configures, as one value: what `tieline apply` makes so and the server routes by."""

from __future__ import annotations

from tieline.model.pool import Pool
from tieline.model.project import Account, ApiKey, Project, SipToken
from tieline.model.record import Record
from tieline.model.trunk import Trunk
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEndpoint


class Resources(Record):
    """All configured resources. Names and ids are unique within each kind (an id also against slugs)."""

    accounts: tuple[Account, ...] = ()
    projects: tuple[Project, ...] = ()
    pools: tuple[Pool, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    sip_tokens: tuple[SipToken, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    webhooks: tuple[WebhookEndpoint, ...] = ()
    twilio: tuple[TwilioConnection, ...] = ()
