"""A trunk: a SIP peer that may send us calls, and the rules for reading what it sends."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from tieline.model.record import ConfidentialRecord, Record


class NumberSource(StrEnum):
    """Where a trunk puts the dialled number."""

    REQUEST_URI = "request_uri"
    TO = "to"
    HEADER = "header"


class Transport(StrEnum):
    """How a trunk is reached when we call it."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class CallerSource(StrEnum):
    """Where a trunk puts the caller's number: From, P-Asserted-Identity (RFC 3325) or Remote-Party-ID."""

    FROM = "from"
    PAI = "pai"
    RPID = "rpid"


class AssertIdentity(StrEnum):
    """How a trunk is told whose call it is, beside From: not at all, by P-Asserted-Identity or by Remote-Party-ID."""

    OFF = "off"
    PAI = "pai"
    RPID = "rpid"


class Encryption(StrEnum):
    """What we make of SRTP with SDES keys (RFC 4568): refuse it, take and offer it, or insist on it."""

    REFUSED = "refused"
    OFFERED = "offered"
    REQUIRED = "required"


class Support(StrEnum):
    """What we make of a SIP extension: never use it, use it where the peer does, or insist on it."""

    OFF = "off"
    SUPPORTED = "supported"
    REQUIRED = "required"


class DigestAlgorithm(StrEnum):
    """What passwords are hashed with in digest authentication (RFC 8760), as it is written in a challenge."""

    SHA256 = "SHA-256"
    MD5 = "MD5"


class FirstBye(StrEnum):
    """Who ends our leg after a REFER has succeeded: we at once, or the peer, for whom we wait a while."""

    US = "us"
    PEER = "peer"


class Trunk(ConfidentialRecord):
    """A SIP peer, recognised by its source address.

    `networks` are CIDR blocks (IPv4 or IPv6); the longest match over all trunks wins. `account` confines the
    trunk to one tenant. `number_header` names the header when `number_from` is HEADER (for example Diversion).
    With `caller_from` other than FROM the trunk is trusted to say who calls, with `assert_identity` to be told.
    `default_region` (ISO 3166 alpha-2) completes national numbers. `max_calls` and `max_cps` of None mean no limit.
    """

    hidden: ClassVar[tuple[str, ...]] = ("password", "auth_password")

    name: str
    networks: tuple[str, ...]
    account: str | None = None
    token_header: str | None = None
    require_token: bool = False
    number_from: NumberSource = NumberSource.REQUEST_URI
    number_header: str | None = None
    caller_from: CallerSource = CallerSource.FROM
    default_region: str | None = None
    max_calls: int | None = None
    max_cps: float | None = None
    attach_forwarded: bool = False
    shared_id_header: str | None = None
    advertised_host: str | None = None
    advertised_port: int | None = None
    profile: str = "generic"
    # How we reach it: `target` is a host, host:port or SIP URI; a name without a port is looked up by RFC 3263.
    target: str | None = None
    transport: Transport | None = None
    tls_name: str | None = None
    username: str | None = None
    password: str | None = None
    register: bool = False
    register_expires_s: int = 300
    options_interval_s: float | None = None
    assert_identity: AssertIdentity = AssertIdentity.OFF
    # What it has to prove to us: digest authentication of its INVITEs.
    auth_username: str | None = None
    auth_password: str | None = None
    auth_algorithms: tuple[DigestAlgorithm, ...] = (DigestAlgorithm.SHA256, DigestAlgorithm.MD5)
    # Its dialect: None takes what the profile says.
    encryption: Encryption | None = None
    session_timer: Support | None = None
    session_expires_s: int | None = None
    reliable_provisional: Support | None = None
    refer_domain: str | None = None
    first_bye: FirstBye | None = None
    bye_wait_s: float | None = None
    notify_timeout_s: float | None = None
    alive_s: float | None = None
    max_headers: int | None = None


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
    SERVER_RATE_LIMIT = "server_rate_limit"
    OVERLOADED = "overloaded"
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
