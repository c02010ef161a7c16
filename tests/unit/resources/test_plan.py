"""What an apply makes of the resources."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.resources.documents import ENVIRON, WHOLE, applier, faults, plan
from tieline.model.environment import Environment
from tieline.model.handoff import HandoffApi, HandoffMethod, Rung
from tieline.model.pool import LatePolicy
from tieline.model.project import Scope, hash_secret
from tieline.model.resources import Resources
from tieline.model.trunk import DigestAlgorithm, FirstBye, NumberSource, Support, Transport
from tieline.resources.diff import Action, to_ranges
from tieline.resources.export import export_resources, resource_fields
from tieline.resources.secrets import readable_prefix, write_secret


def test_everything_of_a_whole_file() -> None:
    made = plan(WHOLE).resources
    (account,), (project,), (pool,), (trunk,) = made.accounts, made.projects, made.pools, made.trunks
    assert (account.id, account.slug) == ("ws-acme", "acme")
    assert (project.id, project.account, project.env) == ("PROJECT-desk", "ws-acme", Environment.SANDBOX)
    assert project.numbers == ("100", "+49301234567", "+15550999000")
    assert [one.is_default for one in project.handoffs] == [True, False]
    assert project.handoffs[0].sip_headers[0].value == "$reason"
    assert project.handoff_api == HandoffApi(
        state_keys=("a", "b"), aliases={"a": "public"}, shared_id_state_key="sid"
    )
    assert project.secrets == {"PLAIN": "p", "GIVEN": "s3cret"}
    assert (len(pool.numbers), pool.numbers[-1]) == (11, "+15550200000")
    assert (pool.project, pool.ttl_s, pool.late_policy) == ("PROJECT-desk", 30, LatePolicy.NEVER)
    assert trunk.networks == ("192.0.2.0/24", "2001:db8::/32")
    assert (trunk.account, trunk.number_from, trunk.max_calls) == ("ws-acme", NumberSource.HEADER, 10)
    assert (trunk.target, trunk.transport, trunk.register) == (
        "sip:sbc.example.com:5061",
        Transport.TLS,
        True,
    )
    assert (trunk.password, trunk.auth_password) == ("xyzzy", "opensesame")
    assert trunk.auth_algorithms == (DigestAlgorithm.MD5,)
    assert (trunk.session_timer, trunk.first_bye, trunk.bye_wait_s) == (Support.REQUIRED, FirstBye.PEER, 3)
    billing, sales = project.handoffs
    assert billing.between == "One moment."
    assert billing.fallback == (
        Rung(method=HandoffMethod.INVITE),
        Rung(destination="sales", method=HandoffMethod.REFER),
        Rung(destination="sales"),
    )
    assert (sales.fallback, sales.sip_config.accept_key) == ((), "1")
    reserve, read = made.api_keys
    assert reserve.expires_at == datetime(2031, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert read.project is None
    assert read.scopes == {Scope.HANDOFF_READ, Scope.CONVERSATIONS_READ}
    assert read.key_hash == hash_secret(ENVIRON["KEY"])


def test_secrets_are_shown_once_and_stored_hashed() -> None:
    first = plan(WHOLE)
    assert [(one.kind, one.name) for one in first.issued] == [("sip_tokens", "live"), ("api_keys", "reserve")]
    token, key = first.issued
    assert key.secret.startswith("tl_")
    assert first.resources.api_keys[0].key_hash == hash_secret(key.secret)
    assert first.resources.sip_tokens[0].token_hash == hash_secret(token.secret)
    assert key.secret.startswith(first.resources.api_keys[0].prefix)
    again = plan(WHOLE, first.resources)
    assert (again.issued, again.changes) == ((), ())


def test_planning_twice_issues_the_same_secrets() -> None:
    one = applier(WHOLE)
    assert one.plan(Resources()).issued == one.plan(Resources()).issued


def test_an_update_shows_fields_and_no_secret() -> None:
    first = plan(WHOLE).resources
    changed = plan(WHOLE.replace("ttl_s: 30", "ttl_s: 45").replace("PLAIN: p", "PLAIN: q"), first)
    shown = {(one.kind, one.name, one.action): one.fields for one in changed.changes}
    assert shown.keys() == {("projects", "desk", Action.UPDATE), ("pools", "main", Action.UPDATE)}
    (field,) = shown["pools", "main", Action.UPDATE]
    assert (field.field, field.before, field.after) == ("ttl_s", "30.0", "45.0")
    (hidden,) = shown["projects", "desk", Action.UPDATE]
    assert (hidden.field, hidden.before, hidden.after) == ("secrets", "(hidden)", "(hidden)")


def test_a_field_left_out_goes_back_to_its_default() -> None:
    first = plan(WHOLE).resources
    assert plan(WHOLE.replace("    ttl_s: 30\n", ""), first).resources.pools[0].ttl_s == 60.0


def test_apply_merges_and_prune_removes() -> None:
    first = plan(WHOLE).resources
    small = "accounts: [{slug: acme, name: Acme Ltd}]\n"
    assert plan(small, first).resources == first
    pruned = plan(small, first, prune=True)
    assert pruned.resources == Resources(accounts=first.accounts)
    assert {one.action for one in pruned.changes} == {Action.REMOVE}


def test_prune_that_leaves_something_hanging_is_refused() -> None:
    first = plan(WHOLE).resources
    text = "trunks: [{name: sbc, networks: [192.0.2.1], account: acme}]\n"
    assert any("there is no account acme" in message for _, _, message in faults(text, first, prune=True))


def test_export_reads_back_the_same() -> None:
    made = plan(WHOLE).resources
    text = export_resources(made)
    trunk = {"TRUNK_SBC_PASSWORD": "xyzzy", "TRUNK_SBC_AUTH_PASSWORD": "opensesame"}
    again = plan(text, environ={"PLAIN": "p", "GIVEN": "s3cret", **trunk})
    assert again.resources == made
    assert again.issued == ()
    assert not any(secret in text for secret in ("s3cret", "xyzzy", "opensesame"))
    head = text.partition("\n\n")[0].splitlines()
    assert head[1:] == [f"#   {name}" for name in ("GIVEN", "PLAIN", *sorted(trunk))]
    assert export_resources(Resources(accounts=made.accounts)).startswith("accounts:")


def test_one_resource_for_changing_has_its_secrets_in_clear() -> None:
    made = plan(WHOLE).resources
    trunk, project = resource_fields(made, "trunks", "sbc"), resource_fields(made, "projects", "desk")
    assert trunk is not None
    assert project is not None
    assert (trunk["password"], trunk["auth_password"]) == ("xyzzy", "opensesame")
    assert project["secrets"]["GIVEN"] == "s3cret"
    assert resource_fields(made, "trunks", "other") is None


def test_a_trunks_password_is_not_shown_when_it_changes() -> None:
    first = plan(WHOLE).resources
    (change,) = plan(WHOLE.replace("opensesame", "plugh"), first).changes
    assert [(one.field, one.before, one.after) for one in change.fields] == [
        ("auth_password", "(hidden)", "(hidden)")
    ]


def test_an_empty_file_changes_nothing() -> None:
    for text in ("", "# nothing\n", "accounts:\n", "accounts: []\n"):
        assert plan(text).changes == ()


PROJECT = "accounts: [{slug: a}]\nprojects:\n  - slug: p\n    path: agent\n"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    made = plan(PROJECT, file=tmp_path / "r.yaml")
    assert made.resources.projects[0].path == str(tmp_path / "agent")


def test_a_folder_that_is_missing_or_does_not_load(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    ((line, key, message),) = faults(PROJECT, file=file)
    assert (line, key) == (4, "projects.p.path")
    assert "there is no folder" in message
    (tmp_path / "agent").mkdir()
    found = faults(
        PROJECT, file=file, check_project=lambda folder, handoffs: [f"{folder.name} is bad", "and worse"]
    )
    assert [message for _, _, message in found] == ["agent is bad", "and worse"]


@given(st.lists(st.integers(15550100000, 15550100030), unique=True, max_size=25))
def test_ranges_stand_for_the_same_numbers(values: list[int]) -> None:
    numbers = tuple(f"+{value}" for value in values)
    text = (
        f"accounts: [{{slug: a}}]\nprojects: [{{slug: p, answer_only: true, numbers: {to_ranges(numbers)}}}]"
    )
    assert plan(text).resources.projects[0].numbers == numbers


def test_secrets() -> None:
    secret = write_secret("tl_", bytes(32))
    assert len(secret) == 46
    assert readable_prefix(secret) == secret[:8]
    assert readable_prefix("short-secret-16c") == "shor"
    with pytest.raises(ValueError, match="32 random bytes"):
        write_secret("tl_", b"few")


def test_every_field_of_a_record_can_be_written() -> None:
    """A new field of a resource must be given a place in the file."""
    from tieline.model.handoff import Destination, Rung, SipConfig, SipHeader
    from tieline.model.pool import Pool
    from tieline.model.project import Account, ApiKey, Project, SipToken
    from tieline.model.sms import SmsSender, SmsTemplate
    from tieline.model.trunk import Trunk
    from tieline.model.twilio import TwilioConnection, TwilioNumber
    from tieline.model.webhook import WebhookEndpoint
    from tieline.resources.kinds import KINDS, NESTED

    records: dict[str, type[msgspec.Struct]] = {
        "accounts": Account, "projects": Project, "pools": Pool, "trunks": Trunk, "sip_tokens": SipToken,
        "api_keys": ApiKey, "handoffs": Destination, "sip_config": SipConfig, "sip_headers": SipHeader,
        "fallback": Rung, "handoff_api": HandoffApi, "webhooks": WebhookEndpoint, "twilio": TwilioConnection,
        "twilio.numbers": TwilioNumber, "sms_templates": SmsTemplate, "senders": SmsSender,
    }  # fmt: skip
    for kind, fields in {**KINDS, **NESTED}.items():
        named = {field.name for field in fields} - {"value_from_env"}
        assert named == {field.name for field in msgspec.structs.fields(records[kind])}, kind
