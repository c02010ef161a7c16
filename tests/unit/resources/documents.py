"""Plans made from text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tieline.errors import ConfigurationError
from tieline.model.resources import Resources
from tieline.resources.plan import Applier, Plan

FILE = Path("/srv/tieline/resources.yaml")

WHOLE = """\
accounts:
  - slug: acme
    name: Acme Ltd
projects:
  - slug: desk
    answer_only: true
    env: sandbox
    numbers: [100, 0049 30 1234567, +15550999000]
    handoffs:
      - name: billing
        description: Bills
        sip_config: {method: refer, phone_number: "+15550123"}
        sip_headers: [{key: X-Reason, value: $reason}]
        fallback: [invite, {destination: sales, method: refer}, {destination: sales}]
        between: One moment.
      - name: sales
        sip_config: {method: bye, phone_number: "200", accept_key: "1", ring_sound: tone, ring_timeout_s: 20}
        fallback: []
    fallback_handoff: sales
    handoff_api:
      state_keys: [a, b]
      aliases: {a: public}
      shared_id_state_key: sid
    secrets: {PLAIN: p, GIVEN: {value_from_env: SECRET}}
pools:
  - name: main
    project: desk
    numbers: [+15550100000-+15550100009, +15550200000]
    trunks: [sbc]
    ttl_s: 30
    late_policy: never
trunks:
  - name: sbc
    networks: [192.0.2.0/24, "2001:db8::/32"]
    account: acme
    number_from: header
    number_header: Diversion
    default_region: US
    max_calls: 10
    max_cps: 2.5
    require_token: true
    target: sip:sbc.example.com:5061
    transport: tls
    username: acme
    password: {value_from_env: PBX}
    auth_username: sbc
    auth_password: opensesame
    auth_algorithms: MD5
    register: true
    session_timer: required
    first_bye: peer
    bye_wait_s: 3
sip_tokens:
  - {name: live, project: desk}
api_keys:
  - {name: reserve, project: desk, scopes: [dni:reserve], expires_at: 2031-01-01}
  - {name: read, scopes: [handoff:read, "conversations:read"], value_from_env: KEY}
"""
ENVIRON = {"SECRET": "s3cret", "KEY": "a-key-that-is-long-enough", "PBX": "xyzzy"}


def applier(text: str, *, environ: dict[str, str] | None = None, **more: Any) -> Applier:
    """An applier whose secrets are 1, 2, 3 and so on."""
    made = iter(range(1, 100))
    return Applier(
        file=more.pop("file", FILE),
        text=text,
        environ=ENVIRON if environ is None else environ,
        random_bytes=lambda count: next(made).to_bytes(count, "big"),
        **more,
    )


def plan(text: str, current: Resources | None = None, **more: Any) -> Plan:
    """The plan of a text for what is there."""
    return applier(text, **more).plan(current or Resources())


def faults(text: str, current: Resources | None = None, **more: Any) -> list[tuple[int, str, str]]:
    """Line, field and message of every fault of a text."""
    try:
        plan(text, current, **more)
    except ConfigurationError as error:
        found: Any = error.fields["faults"]
        return [(one["line"], one["key"] or "", one["message"]) for one in found]
    return []
