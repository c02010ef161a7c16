"""Look-ups over the resources."""

import pytest

from tieline.calls.directory import Directory
from tieline.model.pool import Pool
from tieline.model.project import Account, ApiKey, Project, Scope, SipToken
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk

ONE = Project(id="P-1", slug="one", account="ws-1", numbers=("100",))
TWO = Project(id="P-2", slug="two", account="ws-2", numbers=("100", "+15550001"))
POOL = Pool(name="main", project="P-1", numbers=("+15551230001", "+15551230002"))
KEY = ApiKey(
    name="k", account="ws-1", project=None, scopes=frozenset({Scope.ADMIN}), key_hash="h", prefix="p"
)
TOKEN = SipToken(name="t", project="P-1", token_hash="th", prefix="p")
DIRECTORY = Directory(
    Resources(
        accounts=(Account(id="ws-1", slug="acme"), Account(id="ws-2", slug="bolt")),
        projects=(ONE, TWO),
        pools=(POOL,),
        trunks=(
            Trunk(name="wide", networks=("192.0.2.0/24", "2001:db8::/32")),
            Trunk(name="narrow", networks=("192.0.2.7/32",)),
        ),
        sip_tokens=(TOKEN,),
        api_keys=(KEY,),
    ),
    version=7,
)


def test_an_empty_directory_knows_nothing() -> None:
    empty = Directory.empty()
    assert empty.account("x") is None
    assert empty.project("x") is None
    assert empty.pool("x") is None
    assert empty.key("x") is None
    assert empty.token("x") is None
    assert empty.trunk("x") is None
    assert empty.trunk_by_host("192.0.2.1") is None
    assert empty.pools_of("x") == ()
    assert list(empty.projects()) == []


def test_names_and_ids_both_resolve() -> None:
    assert DIRECTORY.account("acme") is DIRECTORY.account("ws-1")
    assert DIRECTORY.project("one") is ONE
    assert DIRECTORY.project("P-1", "ws-1") is ONE
    assert DIRECTORY.project("one", "ws-2") is None
    assert DIRECTORY.pool("main") is POOL
    assert DIRECTORY.pools_of("P-1") == [POOL]
    assert DIRECTORY.key("h") is KEY
    assert DIRECTORY.token("th") is TOKEN
    assert DIRECTORY.version == 7
    trunk = DIRECTORY.trunk("narrow")
    assert trunk is not None
    assert trunk.networks == ("192.0.2.7/32",)


def test_an_id_is_meant_before_a_slug() -> None:
    thief = Project(id="P-9", slug="P-1", account="ws-1")
    for projects in ((ONE, thief), (thief, ONE)):
        directory = Directory(Resources(projects=projects))
        assert directory.project("P-1") is ONE
        assert directory.project("P-1", "ws-1") is ONE


def test_numbers_lead_to_pools_and_projects() -> None:
    assert DIRECTORY.pools_by_number("+15551230001") == [POOL]
    assert DIRECTORY.pools_by_number("+1") == []
    assert list(DIRECTORY.projects_by_number("100")) == [ONE, TWO]
    assert list(DIRECTORY.projects_by_number("101")) == []


@pytest.mark.parametrize(
    ("digits", "number"),
    [("0002", "+15551230002"), ("30001", "+15551230001"), ("002", None), ("x002", None), ("9999", None)],
)
def test_the_end_of_a_number_may_stand_for_it(digits: str, number: str | None) -> None:
    assert DIRECTORY.pool_number_by_suffix(digits) == number
    assert DIRECTORY.pool_number_by_suffix(digits) == number


@pytest.mark.parametrize(
    ("host", "trunk"),
    [
        ("192.0.2.7", "narrow"),
        ("192.0.2.8", "wide"),
        ("2001:db8::5", "wide"),
        ("::ffff:192.0.2.7", "narrow"),
        ("fe80::1%eth0", None),
        ("192.0.3.1", None),
        ("nonsense", None),
    ],
)
def test_the_longest_network_wins(host: str, trunk: str | None) -> None:
    for _ in range(2):
        found = DIRECTORY.trunk_by_host(host)
        assert (found.name if found else None) == trunk


def test_trunks_that_share_a_network_are_told_apart_by_what_was_proven() -> None:
    shared = [
        Trunk(name=name, networks=("192.0.2.0/24",), auth_username=name, auth_password="x")
        for name in ("a", "b")
    ]
    directory = Directory(Resources(trunks=(Trunk(name="wide", networks=("192.0.0.0/16",)), *shared)))
    assert [trunk.name for trunk in directory.trunks_by_host("192.0.2.1")] == ["a", "b"]
    for proven, name in (("a", "a"), ("b", "b"), ("gone", "a"), (None, "a")):
        found = directory.trunk_by_host("192.0.2.1", proven)
        assert found is not None
        assert found.name == name
    assert directory.trunk_by_host("198.51.100.1", "a") is None


def test_strangers_do_not_fill_the_memory() -> None:
    directory = Directory(DIRECTORY.resources)
    for number in range(70_000):
        directory.trunk_by_host(f"x{number}")
    assert len(directory._trunks_by_host) == 65_536


def test_numbers_that_were_removed_while_reserved_are_still_routed() -> None:
    lingering = (
        Pool(name="main", project="P-1", numbers=("+15551239999", "+15551230001")),
        Pool(name="gone", project="P-2", numbers=("+15551238888",)),
    )
    directory = Directory(DIRECTORY.resources, lingering=lingering)
    assert [pool.name for pool in directory.pools_by_number("+15551239999")] == ["main"]
    assert directory.pools_by_number("+15551230001") == [POOL]
    assert [pool.name for pool in directory.pools_by_number("+15551238888")] == ["gone"]
    assert directory.pool("gone") is None
