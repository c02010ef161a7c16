"""A trunk: a SIP peer that may send us calls, and the rules for reading what it sends."""

from __future__ import annotations

from enum import StrEnum

from tieline.model.record import Record


class NumberSource(StrEnum):
    """Where a trunk puts the dialled number."""

    REQUEST_URI = "request_uri"
    TO = "to"
    HEADER = "header"


class Trunk(Record):
    """A SIP peer, recognised by its source address.

    `networks` are CIDR blocks (IPv4 or IPv6); the longest match over all trunks wins. `account` confines the
    trunk to one tenant. `number_header` names the header when `number_from` is HEADER (for example Diversion).
    `default_region` (ISO 3166 alpha-2) completes national numbers. `max_calls` and `max_cps` of None mean no limit.
    """

    name: str
    networks: tuple[str, ...]
    account: str | None = None
    token_header: str = "X-PolyAi-Auth-Token"
    require_token: bool = False
    number_from: NumberSource = NumberSource.REQUEST_URI
    number_header: str | None = None
    default_region: str | None = None
    max_calls: int | None = None
    max_cps: float | None = None
    attach_forwarded: bool = False
    shared_id_header: str | None = None
    advertised_host: str | None = None


class RuleResult(Record):
    """One rule of a routing decision: its name, whether it held, and in words what was seen."""

    rule: str
    held: bool
    detail: str


class RefusalReason(StrEnum):
    """The closed list of reasons for refusing an INVITE. Documented in docs/reference/refusals.md."""

    UNKNOWN_TRUNK = "unknown_trunk"
    BAD_TOKEN = "bad_token"
    TOKEN_REQUIRED = "token_required"
    NO_ROUTE = "no_route"
    TRUNK_CALL_LIMIT = "trunk_call_limit"
    TRUNK_RATE_LIMIT = "trunk_rate_limit"
    SERVER_FULL = "server_full"
    DRAINING = "draining"
    BAD_OFFER = "bad_offer"
    AGENT_UNAVAILABLE = "agent_unavailable"
    PROTOCOL = "protocol"
    INTERNAL_ERROR = "internal_error"


class Refusal(Record):
    """Why an INVITE was refused: the SIP answer, one word from `RefusalReason`, and each rule in turn."""

    status: int
    phrase: str
    reason: RefusalReason
    rules: tuple[RuleResult, ...]
    retry_after_s: int | None = None
