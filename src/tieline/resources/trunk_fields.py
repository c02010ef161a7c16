"""The fields of a trunk: who may call, how it is reached, what it has to prove, and how it differs from its profile."""

from __future__ import annotations

from tieline.model.trunk import (
    AssertIdentity,
    CallerSource,
    DigestAlgorithm,
    Encryption,
    FirstBye,
    NumberSource,
    Support,
    Transport,
)
from tieline.resources.reader import Field, boolean, choice, name, number, several, text
from tieline.resources.values import header_name, host, network, password, region, target

_SECRET = "text, or `{value_from_env: NAME}`"

TRUNK_FIELDS = (
    Field("name", "name", "The trunk's name.", name, required=True),
    Field("networks", "list of networks", "Source addresses of the peer, like `192.0.2.0/24`. Trunks may share one if "
          "each has an `auth_username` of its own.",
          several(network), required=True),
    Field("profile", "name", "The [profile](profiles.md) of what is at the other end (generic).", name),
    Field("account", "name", "The only account it may reach; any without it.", name),
    Field("token_header", "header name", "Header that carries a SIP token; the profile's without it.",
          header_name),
    Field("require_token", "true or false", "Refuse calls without a token.", boolean),
    Field("number_from", "request_uri, to or header", "Where the dialled number stands (request_uri).",
          choice(NumberSource)),
    Field("number_header", "header name", "The header, for `number_from: header`.", header_name),
    Field("caller_from", "from, pai or rpid", "Where the caller's number stands: From, P-Asserted-Identity or "
          "Remote-Party-ID; From where that has none (from).", choice(CallerSource)),
    Field("default_region", "country code", "Country that completes national numbers.", region),
    Field("max_calls", "whole number", "Calls at one time.", number(1, 1e6, whole=True)),
    Field("max_cps", "number", "New calls in a second.", number(0.01, 1e6)),
    Field("attach_forwarded", "true or false", "Let forwarded calls have a reservation's attributes.", boolean),
    Field("shared_id_header", "header name", "Header whose value is the shared id; the profile's without it.",
          header_name),
    Field("advertised_host", "text", "Our address as this peer sees it.", text),
    Field("advertised_port", "port", "Our SIP port as this peer sees it.", number(1, 65535, whole=True)),
    Field("target", "host, host:port or SIP URI", "Where we reach it; without a port by DNS (RFC 3263).", target),
    Field("transport", "udp, tcp or tls", "How we reach it; the profile's without it.", choice(Transport)),
    Field("tls_name", "host", "Name that its certificate must bear; the target's host without it.", host),
    Field("username", "text", "Name that we answer its digest challenges with.", text),
    Field("password", _SECRET, "Password that goes with it; encrypted at rest, never exported.", password),
    Field("register", "true or false", "Register with it as `username`, so that it finds us.", boolean),
    Field("register_expires_s", "seconds", "How long a registration is asked for (300).",
          number(30, 86400, whole=True)),
    Field("options_interval_s", "seconds", "Ask it with OPTIONS whether it is up, so often; never without it.",
          number(5, 3600)),
    Field("assert_identity", "off, pai or rpid", "Tell it the caller's number in P-Asserted-Identity or "
          "Remote-Party-ID, too, also that of a caller who is anonymous to others (off).", choice(AssertIdentity)),
    Field("auth_username", "text", "Name that it has to authenticate its calls with.", text),
    Field("auth_password", _SECRET, "Password that goes with it; encrypted at rest, never exported.", password),
    Field("auth_algorithms", "list of SHA-256 and MD5", "Challenges that it gets, in this order; MD5 alone for a peer "
          "that reads only the first one and knows nothing better ([SHA-256, MD5]).", several(choice(DigestAlgorithm))),
    Field("encryption", "refused, offered or required", "What we make of SRTP; the profile's without it.",
          choice(Encryption)),
    Field("session_timer", "off, supported or required", "Session timers (RFC 4028); the profile's without it.",
          choice(Support)),
    Field("session_expires_s", "seconds", "Session interval that we ask for; the profile's without it.",
          number(90, 86400, whole=True)),
    Field("reliable_provisional", "off, supported or required", "100rel (RFC 3262); the profile's without it.",
          choice(Support)),
    Field("refer_domain", "host", "Host of the URI that a number becomes in Refer-To; the peer's without it.", host),
    Field("first_bye", "us or peer", "Who ends our leg after a REFER that succeeded; the profile's without it.",
          choice(FirstBye)),
    Field("bye_wait_s", "seconds", "How long the peer's BYE is waited for; the profile's without it.",
          number(0, 300)),
    Field("notify_timeout_s", "seconds", "How long the NOTIFYs of a REFER are waited for; the profile's without it.",
          number(1, 600)),
    Field("alive_s", "seconds", "How long a handed-off call has to live to count as alive; the profile's without it.",
          number(0, 3600)),
    Field("max_headers", "whole number", "Custom headers that get through; the profile's without it.",
          number(0, 100, whole=True)),
)  # fmt: skip
