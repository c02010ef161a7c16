"""Routing an INVITE: trunk, token, reserved DNI, number; each refusal says why, rule by rule."""

import msgspec
import pytest

from tieline.calls.directory import Directory
from tieline.calls.routing import Route, route_call
from tieline.model.pool import Pool
from tieline.model.project import Account, Project, SipToken, hash_secret
from tieline.model.resources import Resources
from tieline.model.trunk import NumberSource, Refusal, RefusalReason, Trunk
from tieline.sip.message import Headers, Request

DNI = "+15550100001"
TOKEN = "tok-live-1"

RESOURCES = Resources(
    accounts=(Account(id="ws-a", slug="acme"), Account(id="ws-b", slug="bolt")),
    projects=(
        Project(id="P-A", slug="front", account="ws-a", numbers=("+15550999", "100")),
        Project(id="P-B", slug="back", account="ws-b", numbers=("100", "200")),
        Project(id="P-C", slug="other", account="ws-a"),
    ),
    pools=(
        Pool(name="a-pool", project="P-A", numbers=(DNI, "+15550100002"), trunks=("carrier",)),
        Pool(name="b-pool", project="P-B", numbers=(DNI,), trunks=("bolt-trunk",)),
    ),
    trunks=(
        Trunk(name="carrier", networks=("192.0.2.0/24",), account="ws-a"),
        Trunk(name="carrier-one", networks=("192.0.2.77/32",), account="ws-a", require_token=True),
        Trunk(name="bolt-trunk", networks=("198.51.100.0/24", "2001:db8::/32"), account="ws-b"),
        Trunk(name="shared", networks=("203.0.113.0/24",)),
        Trunk(name="to-trunk", networks=("10.1.0.0/16",), number_from=NumberSource.TO),
        Trunk(
            name="diversion",
            networks=("10.2.0.0/16",),
            number_from=NumberSource.HEADER,
            number_header="Diversion",
            default_region="GB",
        ),
        Trunk(name="forwarder", networks=("10.3.0.0/16",), attach_forwarded=True),
    ),
    sip_tokens=(SipToken(name="front-live", project="P-A", token_hash=hash_secret(TOKEN), prefix="tok"),),
)
DIRECTORY = Directory(RESOURCES)


def invite(uri: str, *headers: tuple[str, str], caller: str = "<sip:+15557654321@x>;tag=1") -> Request:
    return Request("INVITE", uri, Headers([("From", caller), ("To", f"<{uri}>"), *headers]))


def routed(request: Request, host: str = "192.0.2.1") -> Route:
    decision = route_call(request, host, DIRECTORY)
    assert isinstance(decision, Route), decision
    return decision


def refused(request: Request, host: str) -> Refusal:
    decision = route_call(request, host, DIRECTORY)
    assert isinstance(decision, Refusal), decision
    return decision


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:{DNI}@h",
        f"sip:{DNI}@h;user=phone",
        "sip:15550100001@h",
        f"tel:{DNI}",
        "sip:+1-555-010-0001@h:5060",
    ],
)
def test_a_reserved_number_leads_to_its_pools_project(uri: str) -> None:
    route = routed(invite(uri))
    assert route.project.id == "P-A"
    assert route.pool is not None
    assert route.pool.name == "a-pool"
    assert route.callee == DNI
    assert route.caller == "+15557654321"
    assert route.verified_trunk
    assert [rule.rule for rule in route.rules if rule.held] == ["trunk", "reserved_dni"]


def test_the_same_digits_on_two_tenants_trunks_stay_apart() -> None:
    assert routed(invite(f"sip:{DNI}@h"), "192.0.2.1").project.id == "P-A"
    assert routed(invite(f"sip:{DNI}@h"), "198.51.100.9").project.id == "P-B"
    assert routed(invite(f"sip:{DNI}@h"), "2001:db8::1").project.id == "P-B"


def test_a_short_dnis_stands_for_the_one_number_that_ends_with_it() -> None:
    route = routed(invite("sip:0002@h"))
    assert route.callee == "+15550100002"
    assert route.pool is not None
    many = Directory(Resources(pools=(Pool(name="p", project="x", numbers=("+15551234", "+15661234")),)))
    assert many.pool_number_by_suffix("1234") is None
    assert many.pool_number_by_suffix("51234") == "+15551234"
    assert many.pool_number_by_suffix("234") is None


def test_an_extension_leads_to_its_project_within_the_trunks_account() -> None:
    assert routed(invite("sip:100@h"), "192.0.2.1").project.id == "P-A"
    assert routed(invite("sip:100@h"), "198.51.100.1").project.id == "P-B"
    assert routed(invite("sip:200@h"), "203.0.113.1").project.id == "P-B"


def test_an_extension_of_two_accounts_on_a_shared_trunk_is_refused_not_guessed() -> None:
    refusal = refused(invite("sip:100@h"), "203.0.113.1")
    assert (refusal.status, refusal.reason) == (404, RefusalReason.NO_ROUTE)
    assert "belongs to 2 projects" in refusal.rules[-1].detail


def test_a_token_names_the_project_whatever_was_dialled() -> None:
    route = routed(invite("sip:anything@h", ("x-polyai-auth-token", TOKEN)), "203.0.113.5")
    assert route.project.id == "P-A"
    assert route.pool is None
    with_dni = routed(invite(f"sip:{DNI}@h", ("X-PolyAi-Auth-Token", TOKEN)))
    assert with_dni.pool is not None
    assert route.token_hash == hash_secret(TOKEN)


def test_a_wrong_token_is_refused_even_when_the_number_would_route() -> None:
    refusal = refused(invite(f"sip:{DNI}@h", ("X-PolyAi-Auth-Token", "wrong")), "192.0.2.1")
    assert (refusal.status, refusal.reason) == (403, RefusalReason.BAD_TOKEN)
    assert TOKEN not in str(refusal)
    empty = refused(invite(f"sip:{DNI}@h", ("X-PolyAi-Auth-Token", "")), "192.0.2.1")
    assert empty.reason is RefusalReason.BAD_TOKEN


def test_a_token_of_another_account_does_not_open_a_tenants_trunk() -> None:
    refusal = refused(invite("sip:200@h", ("X-PolyAi-Auth-Token", TOKEN)), "198.51.100.1")
    assert refusal.reason is RefusalReason.BAD_TOKEN


def test_a_trunk_may_require_the_token_and_the_longest_network_wins() -> None:
    refusal = refused(invite(f"sip:{DNI}@h"), "192.0.2.77")
    assert (refusal.status, refusal.reason) == (403, RefusalReason.TOKEN_REQUIRED)


def test_strangers_are_refused() -> None:
    for host in ("8.8.8.8", "not-an-address", "2001:dead::1"):
        refusal = refused(invite(f"sip:{DNI}@h"), host)
        assert (refusal.status, refusal.reason) == (403, RefusalReason.UNKNOWN_TRUNK)


def test_a_mapped_ipv4_address_is_its_ipv4_trunk() -> None:
    assert routed(invite(f"sip:{DNI}@h"), "::ffff:192.0.2.5").trunk.name == "carrier"


def test_no_route_lists_every_rule_that_was_asked() -> None:
    refusal = refused(invite("sip:+4420000000@h"), "192.0.2.1")
    assert (refusal.status, refusal.reason) == (404, RefusalReason.NO_ROUTE)
    assert [(rule.rule, rule.held) for rule in refusal.rules] == [
        ("trunk", True), ("token", False), ("reserved_dni", False), ("number", False),
    ]  # fmt: skip


def test_an_unreadable_number_is_no_route() -> None:
    refusal = refused(invite("sip:h.example.com"), "192.0.2.1")
    assert refusal.reason is RefusalReason.NO_ROUTE
    assert "no readable number" in refusal.rules[2].detail


def test_the_number_may_stand_in_to_or_in_a_header() -> None:
    by_to = Request("INVITE", "sip:sbc@h", Headers([("From", "<sip:1@x>"), ("To", "<sip:200@h>")]))
    assert routed(by_to, "10.1.0.1").callee == "200"
    by_header = invite("sip:sbc@h", ("Diversion", "<sip:200@h>;reason=unconditional"))
    route = routed(by_header, "10.2.0.1")
    assert route.callee == "200"
    assert not route.forwarded


def test_forwarded_calls_are_marked_unless_the_trunk_says_they_are_meant() -> None:
    diverted = invite("sip:200@h", ("Diversion", "<sip:+1555@h>"))
    assert routed(diverted, "203.0.113.1").forwarded
    assert routed(invite("sip:200@h", ("History-Info", "<sip:x@h>;index=1")), "203.0.113.1").forwarded
    assert not routed(diverted, "10.3.0.1").forwarded


@pytest.mark.parametrize(
    "caller", ["<sip:anonymous@anonymous.invalid>;tag=1", '"Anonymous" <sip:c@x>;tag=1', "<junk"]
)
def test_an_anonymous_caller_is_unknown_not_an_error(caller: str) -> None:
    assert routed(invite(f"sip:{DNI}@h", caller=caller)).caller is None


@pytest.mark.parametrize("proven", ["first", "second"])
def test_the_trunk_is_the_one_that_was_proven(proven: str) -> None:
    trunks = tuple(
        Trunk(name=name, networks=("192.0.2.0/24",), auth_username=name, auth_password="x")
        for name in ("first", "second")
    )
    directory = Directory(msgspec.structs.replace(RESOURCES, trunks=trunks))
    decision = route_call(invite(f"sip:{DNI}@h"), "192.0.2.1", directory, proven)
    assert decision.rules[0].detail == f"192.0.2.1, user {proven}, belongs to trunk {proven}"
