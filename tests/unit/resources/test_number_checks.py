"""A number belongs to one project and one pool on every trunk; whoever takes another's is told so, and no more."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.resources.documents import faults, plan
from tieline.calls.directory import Directory
from tieline.calls.routing import Route, route_over
from tieline.model.pool import Pool
from tieline.model.project import Account, Project
from tieline.model.resources import Resources
from tieline.model.trunk import Refusal, Trunk
from tieline.model.twilio import TwilioConnection, TwilioNumber
from tieline.resources.number_checks import check_numbers
from tieline.sip.message import Headers, Request

ACCOUNTS = "accounts: [{slug: a}, {slug: b}]\n"
PROJECTS = (
    "projects: [{slug: p, account: a, answer_only: true, numbers: [NUMBERS]},\n"
    "  {slug: q, account: b, answer_only: true, numbers: ['100', +15550100, +15550101]}]\n"
)
SHARED = "trunks: [{name: t, networks: 10.0.0.1}]\n"
CONNECTION = (
    "twilio: [{name: line, account: a, account_sid: AC" + "0" * 32 + ", auth_token: secret,\n  numbers: ["
)
TWILIO_LINE = "{number: NUMBER, sid: PN" + "0" * 32 + ", project: PROJECT}"


def two_accounts(numbers: str) -> str:
    return ACCOUNTS + PROJECTS.replace("NUMBERS", numbers)


def blind(_resources: Resources, _record: object) -> bool:
    return False


def test_a_number_of_another_account_is_taken_where_a_trunk_serves_both() -> None:
    text = two_accounts("+15550100")
    assert faults(text) == []
    assert faults(text + "trunks: [{name: t, networks: 10.0.0.1, account: a}]\n") == []
    ((line, field, message),) = faults(text + SHARED)
    assert (line, field) == (3, "projects.q.numbers")
    assert message == "+15550100 already routes to p, and both take calls over t"


def test_a_trunk_that_asks_for_tokens_serves_both() -> None:
    text = two_accounts("+15550100") + "trunks: [{name: t, networks: 10.0.0.1, require_token: true}]\n"
    assert faults(text) == []


def test_what_is_overlapped_is_counted_once() -> None:
    text = two_accounts("+15550099, +15550100, +15550101").replace("account: b}]", "account: a}]")
    ((_, _, message),) = faults(text + SHARED)
    assert message.startswith("+15550100 (and 1 more) already routes to p")


def test_the_resource_at_hand_is_at_fault_wherever_it_stands() -> None:
    current = plan(two_accounts("") + SHARED).resources
    changed = "projects: [{slug: p, account: a, answer_only: true, numbers: ['100']}]\n"
    assert faults(changed, current) == [
        (1, "projects.p.numbers", "100 already routes to q, and both take calls over t")
    ]
    assert faults(changed, current, sees=blind) == [(1, "projects.p.numbers", "100 is taken")]


def test_within_one_account_the_project_is_named_without_any_trunk() -> None:
    current = plan(two_accounts("")).resources
    changed = "projects: [{slug: r, account: b, answer_only: true, numbers: ['100']}]\n"
    assert faults(changed, current) == [(1, "projects.r.numbers", "100 already routes to q")]


def test_a_trunk_that_comes_to_serve_both() -> None:
    current = plan(two_accounts("+15550100")).resources
    assert faults("trunks:\n  - {name: own, networks: 10.0.0.1, account: a}\n", current) == []
    assert faults("trunks:\n  - {name: t,\n     networks: 10.0.0.1}\n", current) == [
        (2, "trunks.t.account", "calls over it to +15550100 could be meant for two accounts")
    ]


def test_a_project_that_changes_its_account_takes_its_pools_along() -> None:
    pools = (
        "pools: [{name: m, project: p, numbers: [+15550500]}, {name: n, project: q, numbers: [+15550500]}]\n"
    )
    current = plan(two_accounts("") + pools).resources
    ((_, field, message),) = faults("projects: [{slug: p, account: b, answer_only: true}]\n", current)
    assert field == "projects.p.account"
    assert message == "+15550500 is also in the pool n, and both take calls over any trunk"


def test_what_is_wrong_already_stands_in_nobody_elses_way() -> None:
    current = plan(two_accounts("+15550100")).resources
    broken = Resources(
        accounts=current.accounts,
        projects=current.projects,
        trunks=(Trunk(name="t", networks=("10.0.0.1",)),),
    )
    assert faults("projects: [{slug: r, account: a, answer_only: true, numbers: ['200']}]\n", broken) == []
    assert faults("trunks: [{name: u, account: a, networks: 10.0.0.2}]\n", broken) == []


def test_a_pool_of_another_account_cannot_take_a_projects_calls() -> None:
    text = two_accounts("'200'") + "pools: [{name: m, project: p, numbers: [+15550101]PLACE}]\n"
    assert faults(text.replace("PLACE", "") + SHARED) == [
        (4, "pools.m.numbers", "+15550101 already routes to q, and both take calls over t")
    ]
    own = SHARED.replace("}]", "}, {name: own, networks: 10.0.0.2, account: a}]")
    assert faults(text.replace("PLACE", ", trunks: [own]") + own) == []


def test_a_pool_and_a_project_of_one_account_may_share_a_number() -> None:
    pool = "pools: [{name: m, project: p, numbers: [+15550200]}]\n"
    assert faults(two_accounts("+15550200") + pool + SHARED) == []


def test_numbers_of_a_twilio_connection_are_its_projects() -> None:
    line = TWILIO_LINE.replace("NUMBER", "'+15550300'").replace("PROJECT", "p")
    text = two_accounts("+15550300") + CONNECTION + line + "]}]\n"
    assert faults(text) == []
    current = plan(text).resources
    changed = "projects:\n- {slug: r, account: a, answer_only: true, numbers: [+15550300]}\n"
    assert {message for _, _, message in faults(changed, current)} == {
        "+15550300 already routes to p",
        "+15550300 already routes to p, by the Twilio connection line",
    }


# -- any mixture ----------------------------------------------------------------------------------------------

NUMBERS = ("100", "+15550100", "+15550101")


@st.composite
def mixtures(draw: st.DrawFn, *, with_pools: bool) -> Resources:
    """Two accounts with projects, trunks, a Twilio connection and pools that draw on three numbers."""
    some = st.lists(st.sampled_from(NUMBERS), unique=True).map(tuple)
    account = st.sampled_from(("ws-a", "ws-b"))
    projects = tuple(
        Project(id=slug.upper(), slug=slug, account=draw(account), numbers=draw(some)) for slug in "pqr"
    )
    trunks = tuple(
        Trunk(
            name=name, networks=(f"10.0.0.{index}",), require_token=draw(st.booleans()),
            account=draw(st.sampled_from((None, "ws-a", "ws-b"))),
        )
        for index, name in enumerate("tu")
    )  # fmt: skip
    of_a = [one.id for one in projects if one.account == "ws-a"]
    lines = tuple(
        TwilioNumber(number=number, sid=f"PN{number}", project=draw(st.sampled_from(of_a)))
        for number in (draw(some) if of_a else ())
    )
    own = st.lists(st.sampled_from("tu"), unique=True).map(tuple)
    pools = tuple(
        Pool(name=name, project=draw(st.sampled_from("PQR")), numbers=draw(some), trunks=draw(own))
        for name in ("mn" if with_pools else "")
    )
    return Resources(
        accounts=(Account(id="ws-a", slug="a"), Account(id="ws-b", slug="b")), projects=projects, pools=pools,
        trunks=trunks, twilio=(TwilioConnection(name="c", account="ws-a", account_sid="AC", numbers=lines),),
    )  # fmt: skip


def messages(resources: Resources) -> list[str]:
    found: list[str] = []

    def fault(kind: str, name: str, field: str, message: str, item: str | None = None) -> None:
        found.append(message)

    check_numbers(resources, fault)
    return found


def every_trunk(resources: Resources) -> list[Trunk]:
    """Those there are, that of the Twilio connection, and one more of each account."""
    more = (("c", "ws-a"), ("v", "ws-a"), ("w", "ws-b"))
    return [*resources.trunks, *(Trunk(name=name, networks=(), account=account) for name, account in more)]


def decide(resources: Resources, trunk: Trunk, number: str) -> Route | Refusal:
    uri = f"sip:{number}@tieline.example"
    request = Request("INVITE", uri, Headers([("From", "<sip:1@x>;tag=1"), ("To", f"<{uri}>")]))
    return route_over(request, trunk, Directory(resources), "")


def is_torn(resources: Resources, trunk: Trunk, number: str) -> bool:
    """Whether the call is refused for belonging to several, or is one pool's though another account has the number."""
    decision = decide(resources, trunk, number)
    if isinstance(decision, Refusal):
        return any("projects on a trunk" in rule.detail for rule in decision.rules)
    reached = [
        one
        for one in Directory(resources).projects_by_number(number)
        if trunk.account in {None, one.account} and not trunk.require_token
    ]
    return any(one.account != decision.project.account for one in reached)


def backwards(resources: Resources) -> Resources:
    return Resources(
        accounts=resources.accounts, projects=resources.projects[::-1], pools=resources.pools[::-1],
        trunks=resources.trunks, twilio=resources.twilio,
    )  # fmt: skip


@given(mixtures(with_pools=True))
def test_what_has_no_fault_leaves_no_call_in_doubt(resources: Resources) -> None:
    if messages(resources):
        return
    for trunk, number in product(every_trunk(resources), NUMBERS):
        assert not is_torn(resources, trunk, number)
        first, second = (decide(one, trunk, number) for one in (resources, backwards(resources)))
        if isinstance(first, Route) and isinstance(second, Route):
            assert (first.project.id, first.pool) == (second.project.id, second.pool)
        else:
            assert type(first) is type(second)


@given(mixtures(with_pools=False))
def test_what_has_a_fault_leaves_a_call_in_doubt(resources: Resources) -> None:
    torn = any(
        is_torn(resources, trunk, number) for trunk, number in product(every_trunk(resources), NUMBERS)
    )
    assert bool(messages(resources)) == torn
