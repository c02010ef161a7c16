"""Everything that can be wrong with a resource file is said with its line and field."""

# ruff: noqa: E501, ISC004 - one fault a line

from __future__ import annotations

import pytest

from tests.unit.resources.documents import WHOLE, faults, plan
from tieline.model.resources import Resources
from tieline.resources.yaml_tree import MAX_TEXT

BASE = "accounts: [{slug: a}]\nprojects: [{slug: p, answer_only: true}]\n"


def only(text: str, **more: object) -> tuple[int, str, str]:
    found = faults(text, **more)  # type: ignore[arg-type]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\t- b", 2, "a tab stands where blanks are needed"),
        ("accounts: [\n", 2, "not valid YAML"),
        ("accounts: 'open\n", 2, "not valid YAML"),
        ("accounts:\n  - slug: a\n    slug: b\n", 3, "slug is given twice; first on line 2"),
        ("x: &a [*a]\n", 1, "nested deeper"),
        ("accounts: !!python/object:os.system x\n", 1, "the tag"),
        ("a: 1\n--- \nb: 2\n", 2, "another document"),
        ("x: \x00\n", 1, "not valid YAML"),
        ("? [a]\n: b\n", 1, "a key must be plain text"),
        ("base: &b {slug: a}\naccounts:\n  - <<: *b\n", 3, "merge keys"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("%YAML 9.9\n---\na: 1\n", 1, "not valid YAML"),
    ],
)
def test_yaml_mistakes(text: str, line: int, words: str) -> None:
    found = only(text)
    assert words in found[2]
    assert found[0] == line


def test_aliases_that_unfold_without_end() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert "once its aliases are unfolded" in only("\n".join(lines))[2]


def test_a_file_of_many_megabytes() -> None:
    assert "larger than 8 MiB" in only("#" * (MAX_TEXT + 1))[2]


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("- a\n", 1, "file", "must be a mapping"),
        ("acounts: []\n", 1, "acounts", "did you mean accounts?"),
        ("accounts: 3\n", 1, "accounts", "must be a list"),
        ("accounts: {a: b}\n", 1, "accounts", "must be a list"),
        ("accounts: [text]\n", 1, "accounts[0]", "must be a mapping of fields, not 'text'"),
        ("accounts:\n  - name: A\n", 2, "accounts[0].slug", "is missing"),
        ("accounts:\n  - slug: a\n    nmae: x\n", 3, "accounts[0].nmae", "did you mean name?"),
        ("accounts:\n  - slug: a\n    zzz: x\n", 3, "accounts[0].zzz", "known are id, name, slug"),
        ("accounts:\n  - slug: a b\n", 2, "accounts[0].slug", "is not a name"),
        ("accounts:\n  - slug: [a]\n", 2, "accounts[0].slug", "must be text, not a list"),
        ('accounts:\n  - slug: a\n    name: "a\\nb"\n', 3, "accounts[0].name", "in one line"),
        ("accounts: [{slug: a}]\nprojects:\n  - {slug: p, answer_only: maybe}\n", 3, "projects[0].answer_only", "true or false"),
        (BASE + "trunks:\n  - {name: t, networks: [10.0.0.0/33]}\n", 4, "trunks[0].networks[0]", "not an address"),
        (BASE + "trunks:\n  - {name: t, networks: {a: b}}\n", 4, "trunks[0].networks", "must be a list"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, token_header: 'X Y'}\n", 4, "trunks[0].token_header", "header name"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, default_region: usa}\n", 4, "trunks[0].default_region", "country code"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, max_calls: 0}\n", 4, "trunks[0].max_calls", "whole number from 1"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, max_calls: 1.5}\n", 4, "trunks[0].max_calls", "whole number"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, number_from: form}\n", 4, "trunks[0].number_from", "unknown word"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, number_from: header}\n", 4, "trunks.t.number_header", "goes with"),
        (BASE + "trunks:\n  - {name: t, networks: []}\n", 4, "trunks.t.networks", "at least one network"),
        (BASE + "trunks: [{name: t, networks: 10.0.0.1},\n  {name: u, networks: 10.0.0.1}]\n", 4, "trunks.u.networks", "already belongs to the trunk t"),
        (BASE + "trunks: [{name: t, networks: 10.0.0.1, auth_username: a, auth_password: p},\n  {name: u, networks: 10.0.0.1}]\n", 4, "trunks.u.networks", "`auth_username` of its own"),
        (BASE + "trunks: [{name: t, networks: 10.0.0.1, auth_username: a, auth_password: p},\n  {name: u, networks: 10.0.0.1, auth_username: a, auth_password: p}]\n", 4, "trunks.u.networks", "`auth_username` of its own"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, account: zz}\n", 4, "trunks.account", "there is no account zz"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, target: 'a b'}\n", 4, "trunks[0].target", "not a host, host:port or SIP URI"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, target: 'sbc:70000'}\n", 4, "trunks[0].target", "not a host"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, target: '[::zz]'}\n", 4, "trunks[0].target", "not a host"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, target: {a: b}}\n", 4, "trunks[0].target", "must be text"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, tls_name: a/b}\n", 4, "trunks[0].tls_name", "is not a host name"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, transport: sctp}\n", 4, "trunks[0].transport", "unknown word"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, password: {value_from_env: NONE}}\n", 4, "trunks[0].password.value_from_env", "NONE is not set"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, password: ''}\n", 4, "trunks[0].password", "one line of printable text"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, encryption: none}\n", 4, "trunks[0].encryption", "unknown word"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, session_expires_s: 30}\n", 4, "trunks[0].session_expires_s", "whole number from 90"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, advertised_port: 0}\n", 4, "trunks[0].advertised_port", "whole number from 1"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, profile: genesis}\n", 4, "trunks.t.profile", "did you mean genesys?"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, profile: avaya}\n", 4, "trunks.t.profile", "known are agentforce, amazon_connect"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, transport: tls}\n", 4, "trunks.t.transport", "needs a `target`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, tls_name: a.example.com}\n", 4, "trunks.t.tls_name", "needs a `target`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, options_interval_s: 30}\n", 4, "trunks.t.options_interval_s", "needs a `target`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, register: true, target: h}\n", 4, "trunks.t.register", "needs a `username`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, register: true, username: u, password: p}\n", 4, "trunks.t.register", "needs a `target`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, username: u}\n", 4, "trunks.t.username", "goes with `password`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, password: p}\n", 4, "trunks.t.password", "goes with `username`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, auth_username: u}\n", 4, "trunks.t.auth_username", "goes with `auth_password`"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, auth_algorithms: [SHA-1]}\n", 4, "trunks[0].auth_algorithms[0]", "did you mean SHA-256?"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, auth_algorithms: []}\n", 4, "trunks.t.auth_algorithms", "must name SHA-256, MD5 or both"),
        (BASE + "trunks:\n  - {name: t, networks: 10.0.0.1, auth_algorithms: [MD5, MD5]}\n", 4, "trunks.t.auth_algorithms", "each once"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [hello]}\n", 4, "pools[0].numbers[0]", "not a phone number"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [[1]]}\n", 4, "pools[0].numbers[0]", "must be text"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: {a: b}}\n", 4, "pools[0].numbers", "numbers and ranges"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [+15550100005-+15550100000]}\n", 4, "pools[0].numbers[0]", "does not run upwards"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [+15550100000-+15559999999]}\n", 4, "pools[0].numbers[0]", "limit"),
        (BASE + "pools:\n  - name: m\n    project: p\n    numbers:\n      - +15550100000\n      - +1 (555) 010-0000\n", 8, "pools[0].numbers[1]", "is already on line 7"),
        (BASE + "pools:\n  - {name: m, project: zz, numbers: []}\n", 4, "pools.project", "there is no project zz"),
        (BASE + f"trunks: [{{name: t, networks: [192.0.2.0/24]}}]\ntwilio:\n  - {{name: t, account_sid: AC{'0' * 32}, auth_token: x}}\n", 5, "twilio.t.name", "is the name of a trunk"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [], trunks: [zz]}\n", 4, "pools.m.trunks", "there is no trunk zz"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [], ttl_s: 500}\n", 4, "pools.m.ttl_s", "is not between"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [], ttl_s: .inf}\n", 4, "pools[0].ttl_s", "must be a number"),
        (BASE + "pools:\n  - {name: m, project: p, numbers: [], ttl_s: [1]}\n", 4, "pools[0].ttl_s", "must be a number"),
        (BASE + "pools: [{name: m, project: p, numbers: []},\n  {name: m, project: p, numbers: []}]\n", 4, "pools.m", "given twice; first on line 3"),
        (BASE + "api_keys:\n  - {name: k, scopes: [dni:reserv]}\n", 4, "api_keys[0].scopes[0]", "did you mean dni:reserve?"),
        (BASE + "api_keys:\n  - {name: k, scopes: []}\n", 4, "api_keys.k.scopes", "at least one scope"),
        (BASE + "api_keys:\n  - {name: k, scopes: chat, expires_at: soon}\n", 4, "api_keys[0].expires_at", "must be a date"),
        (BASE + "api_keys:\n  - {name: k, scopes: chat, expires_at: 2031-13-01}\n", 4, "api_keys[0].expires_at", "must be a date"),
        (BASE + "api_keys:\n  - {name: k, scopes: chat, value_from_env: NONE}\n", 4, "api_keys[0].value_from_env", "NONE is not set"),
        (BASE + "api_keys:\n  - {name: k, scopes: chat, value_from_env: SECRET}\n", 4, "value_from_env", "at least 16"),
        (BASE + "api_keys:\n  - {name: k, scopes: chat, key_hash: abc}\n", 4, "api_keys[0].key_hash", "SHA-256"),
        (BASE + "api_keys:\n  - {name: k, scopes: chat, project: zz}\n", 4, "api_keys.project", "there is no project zz"),
        (BASE + "sip_tokens:\n  - {name: t, project: zz}\n", 4, "sip_tokens.project", "there is no project zz"),
        ("projects:\n  - {slug: p, answer_only: true}\n", 2, "projects.account", "there is no account"),
        ("accounts: [{slug: a}, {slug: b}]\nprojects:\n  - {slug: p, answer_only: true}\n", 3, "projects.account", "there are several"),
        ("accounts: [{slug: a}]\nprojects:\n  - {slug: p}\n", 3, "projects.p", "needs a path"),
        ("accounts: [{slug: a}]\nprojects:\n  - {slug: p, path: x, answer_only: true}\n", 3, "projects.p", "one of them"),
        ("accounts: [{slug: a},\n  {slug: b, id: a}]\n", 2, "accounts.b.id", "a already names a"),
        (BASE.replace("true}]", "true, numbers: [100]},\n {slug: q, answer_only: true, numbers: [100]}]"), 3, "projects.q.numbers", "already routes to p"),
    ],
)  # fmt: skip
def test_one_fault(text: str, line: int, key: str, words: str) -> None:
    found = only(text)
    assert words in found[2]
    assert found[:2] == (line, key)


PROJECT = "accounts: [{slug: a}]\nprojects:\n  - slug: p\n    answer_only: true\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("    handoffs:\n      - {name: x, sip_config: {method: fax}}\n", 6, "unknown word"),
        ("    handoffs:\n      - {name: x}\n", 6, "is missing"),
        ("    handoffs:\n      - {name: x, sip_config: bye}\n", 6, "must be a mapping"),
        ("    handoffs:\n      - {name: x, sip_config: {method: bye}}\n      - {name: x, sip_config: {method: bye}}\n", 6, "given twice"),
        ("    handoffs:\n      - {name: x, is_default: true, sip_config: {method: bye}}\n"
         "      - {name: y, is_default: true, sip_config: {method: bye}}\n", 6, "more than one destination is the default"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        sip_headers:\n          - {key: Via, value: x}\n", 9, "reserved"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        sip_headers:\n          - {key: 'X-a: b', value: x}\n", 9, "not a SIP token"),
        ('    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        sip_headers:\n          - {key: X-a, value: "b\\r\\nVia: c"}\n', 9, "in one line"),
        ('    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        sip_headers:\n          - {key: "X-a\\r\\nVia", value: b}\n', 9, "in one line"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        sip_headers:\n          - {key: X-a, value: " + "x" * 2000 + "}\n", 9, "longer than"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye, accept_key: 12}\n", 7, "not a key of the keypad"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye, outbound_encryption: none}\n", 7, "'none' is not TLS/SRTP or UDP/RTP"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye, ring_sound: song}\n", 7, "unknown word"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        fallback: [{}]\n", 8, "neither a destination nor a method"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        fallback: [fax]\n", 8, "'fax' is no method (refer, invite, bye); another destination is written `destination: fax`"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        fallback: [[bye]]\n", 8, "must be text"),
        ("    handoffs:\n      - name: x\n        sip_config: {method: bye}\n        fallback: [{to: y, method: bye}]\n", 8, "unknown field"),
        ("    handoffs:\n      - {name: x, sip_config: {method: bye}, fallback: [{destination: y}]}\n", 6, "x: fallback 'y': unknown destination; known are x"),
        ("    handoffs:\n      - {name: x, sip_config: {method: bye}}\n      - {name: desk, sip_config: {method: refer, phone_number: 100}, fallback: [{destination: dask}]}\n",
         7, "desk: fallback 'dask': unknown destination; did you mean desk?"),
        ("    handoffs:\n      - {name: x, sip_config: {method: invite, phone_number: 100, outbound_endpoint: t}}\n", 6, "x: outbound_endpoint 't': unknown trunk; there is none"),
        ("    fallback_handoff: nowhere\n", 5, "there is no destination 'nowhere'"),
        ("    handoff_api: {state_keys: [a, b], aliases: {a: b}}\n", 5, "two keys would be exposed as 'b'"),
        ("    handoff_api: [a]\n", 5, "must be a mapping"),
        ("    handoff_api: {aliases: [a]}\n", 5, "must be a mapping"),
        ("    secrets: {A: [x]}\n", 5, "must be text"),
        ("    secrets: {A: {value_from_env: NONE}}\n", 5, "NONE is not set"),
    ],
)  # fmt: skip
def test_project_faults(text: str, line: int, words: str) -> None:
    found = only(PROJECT + text)
    assert words in found[2]
    assert found[0] == line


def pools(first: str, second: str) -> str:
    trunks = "trunks: [{name: t, networks: 10.0.0.1}, {name: u, networks: 10.0.0.2}]\n"
    return (
        BASE + trunks + f"pools:\n  - {{name: m, project: p, numbers: [+15550100000, +15550100001]{first}}}\n"
        f"  - {{name: n, project: p, numbers: [+15550100001, +15550100000]{second}}}\n"
    )


@pytest.mark.parametrize(
    ("first", "second", "over"),
    [("", "", "t, u"), (", trunks: [t]", "", "t"), (", trunks: [t, u]", ", trunks: [u]", "u")],
)
def test_a_number_in_two_pools_that_share_a_trunk(first: str, second: str, over: str) -> None:
    line, key, message = only(pools(first, second))
    assert (line, key) == (6, "pools.n.numbers")
    assert message.endswith(f"is also in the pool m, and both take calls over {over}")


def test_a_number_in_two_pools_on_different_trunks_is_fine() -> None:
    assert faults(pools(", trunks: [t]", ", trunks: [u]")) == []


TENANTS = """\
accounts: [{slug: a}, {slug: b}]
projects: [{slug: p, account: a, answer_only: true}, {slug: q, account: b, answer_only: true}]
pools: [{name: m, project: p, numbers: [+15550100000]}, {name: n, project: q, numbers: [+15550100000]}]
"""


def test_the_same_digits_on_two_tenants_trunks() -> None:
    own = "trunks: [{name: t, networks: 10.0.0.1, account: a}, {name: u, networks: 10.0.0.2, account: b}]\n"
    assert faults(TENANTS + own) == []
    assert faults(TENANTS) == []
    shared = "trunks: [{name: t, networks: 10.0.0.1}]\n"
    assert "both take calls over t" in only(TENANTS + shared)[2]


def test_an_endpoint_of_another_account() -> None:
    endpoint = (
        "{method: invite, phone_number: 100, outbound_endpoint: ENDPOINT, outbound_encryption: UDP/RTP}"
    )
    ladder = "[{destination: x}, {destination: DEFAULT, method: bye}]"
    second = f"{{name: y, sip_config: {{method: refer, phone_number: 1}}, fallback: {ladder}}}"
    handoffs = f"handoffs: [{{name: x, sip_config: {endpoint}}}, {second}]"
    text = TENANTS.replace("slug: p, account: a,", f"slug: p, account: a, {handoffs},")
    own = "trunks: [{name: t, networks: 10.0.0.1, account: a, target: h}, {name: u, networks: 10.0.0.2, account: b}, {name: v, networks: 10.0.0.3, target: h}]\n"
    text = text.replace(", {name: n, project: q, numbers: [+15550100000]}", "")
    assert faults(text.replace("ENDPOINT", "t") + own) == []
    assert faults(text.replace("ENDPOINT", "v") + own) == []
    assert "outbound_endpoint 'u': belongs to another account" in only(text.replace("ENDPOINT", "u") + own)[2]


def test_keys_must_differ_and_belong_together() -> None:
    keys = "api_keys: [{name: k, scopes: chat, value_from_env: KEY},\n {name: l, scopes: chat, value_from_env: KEY}]\n"
    assert "has the same value as the key k" in only(BASE + keys)[2]
    tokens = "sip_tokens: [{name: k, project: p, value_from_env: KEY},\n {name: l, project: p, value_from_env: KEY}]\n"
    assert "has the same value as the token k" in only(BASE + tokens)[2]
    both = f"api_keys: [{{name: k, scopes: chat, value_from_env: KEY, key_hash: {'0' * 64}}}]\n"
    assert "one of them" in only(BASE + both)[2]
    other = "api_keys: [{name: k, scopes: chat, account: b, project: p}]\n"
    assert "belongs to another account" in only(TENANTS + other)[2]


@pytest.mark.parametrize(
    "target",
    [
        "sbc",
        "192.0.2.1:5080",
        "'[2001:db8::1]:5061'",
        "sips:sbc.example.com",
        "sip:trunk@sbc.example.com:5060;transport=tcp",
    ],
)
def test_targets(target: str) -> None:
    assert faults(BASE + f"trunks: [{{name: t, networks: 10.0.0.1, target: {target}}}]\n") == []


def test_all_faults_come_at_once_in_order_of_lines() -> None:
    found = faults(
        WHOLE.replace("slug: acme", "slug: a b")
        .replace("{method: refer,", "{method: fax,")
        .replace("[dni:reserve]", "[x]")
    )
    assert [line for line, _, _ in found] == [2, 12, 56]


def test_one_fault_is_not_told_twice_by_what_refers_to_it() -> None:
    text = "accounts: [{slug: a, name: [x]}]\nprojects: [{slug: p, account: a, answer_only: true}]\n"
    text += "pools: [{name: m, project: p, numbers: []}]\n"
    assert [line for line, _, _ in faults(text)] == [1]


def test_a_faulty_change_leaves_nothing_half_done() -> None:
    first = plan(WHOLE).resources
    found = faults(WHOLE.replace("ttl_s: 30", "ttl_s: x"), first)
    assert [key for _, key, _ in found] == ["pools[0].ttl_s"]
    assert plan(WHOLE, first).resources == first
    assert Resources() != first


def test_a_pool_may_name_a_twilio_connection_as_its_trunk() -> None:
    text = (
        BASE + f"twilio: [{{name: tw, account_sid: AC{'0' * 32}, auth_token: x}}]\n"
        'pools: [{name: m, project: p, numbers: ["+15550100"], trunks: [tw]}]\n'
    )
    assert plan(text).resources.pools[0].trunks == ("tw",)
