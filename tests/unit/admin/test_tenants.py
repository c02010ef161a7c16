"""Every admin function, called by somebody of another account with the ids of things that are not theirs.

The functions are found by themselves. One with a parameter that is not in `GIVEN` fails the test until somebody has
said what to give it.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.unit.admin.office import Office, somebody
from tieline.admin.app import Admin
from tieline.admin.errors import Forbidden
from tieline.admin.test_calls import TestCallOrder
from tieline.admin.twilio import Choice
from tieline.calls.directory import Directory
from tieline.calls.reservations import Reservations
from tieline.config import Settings
from tieline.errors import TielineError
from tieline.model.conversation import RefusedCall
from tieline.model.facts import trial_event
from tieline.model.handoff import HandoffApi
from tieline.model.pool import NumberAdmin
from tieline.model.principal import Principal
from tieline.model.reservation import ReserveRequest
from tieline.model.sms import OptOut, SmsMessage
from tieline.model.trunk import Refusal, RefusalReason
from tieline.model.user import RIGHTS, Role, User
from tieline.observe.metrics import Metrics
from tieline.outward import Outward
from tieline.store.base import ConversationFilter, RefusalFilter
from tieline.store.figures import FigureFilter
from tieline.store.outbox import DeliveryFilter, SmsFilter
from tieline.store.people import AuditFilter
from tieline.testing.store_samples import T0

MARK = "acmesown"
"""Stands in everything of the account `acme`."""

NUMBER = "+15550100"

RESOURCES = f"""\
accounts: [{{slug: acme, name: {MARK}}}, {{slug: other}}]
projects:
  - {{slug: desk-{MARK}, account: acme, answer_only: true, numbers: [100], secrets: {{A_{MARK}: {MARK}-secret}},
     handoffs: [{{name: way-{MARK}, sip_config: {{method: refer, phone_number: "+15550177"}}}}],
     sms_templates: [{{name: text-{MARK}, content: {MARK}}}]}}
  - {{slug: theirs, account: other, answer_only: true, numbers: [200]}}
trunks:
  - {{name: trunk-{MARK}, networks: 192.0.2.1, account: acme, target: sbc.example.com, username: {MARK},
     password: {MARK}-password}}
pools: [{{name: pool-{MARK}, project: desk-{MARK}, numbers: ["{NUMBER}"], trunks: [trunk-{MARK}]}}]
webhooks: [{{name: hook-{MARK}, account: acme, url: "https://192.0.2.9/{MARK}"}}]
twilio:
  - {{name: twilio-{MARK}, account: acme, account_sid: AC{"a" * 32}, auth_token: {MARK}-token,
     numbers: [{{number: "+15550199", sid: PN{"1" * 32}, project: desk-{MARK}}}]}}
"""
STRANGER = somebody(Role.OWNER, "ws-other", personal_data=True)
PROJECT = f"PROJECT-desk-{MARK}"

LOCAL = {
    "reach",
    "trail",
    "sessions",
    "sign_in",
}
"""What has no principals: addresses, the writing of the audit log, and the way in."""

OPEN = {
    "handoffs.wants_prefix", "trunks.profiles", "trunks.profile", "twilio.to_paste", "pools.watch", "pools.sample",
    "projects.example",
}  # fmt: skip
"""Functions about nobody's things."""


@pytest.fixture
async def admin() -> Admin:
    """All admin functions over a store with one of everything, all of it the account `acme`'s."""
    office = Office()
    await office.apply(RESOURCES)
    store = office.store
    await fill(office)
    directory = Directory(await store.resources(), 1, ())
    admission = SimpleNamespace(calls_on=lambda name: 0)
    uses = SimpleNamespace(fresh=dict)
    registry: Any = SimpleNamespace(
        admission=admission,
        uses=uses,
        ask_figures=lambda: None,
        sessions=list,
        on_event=None,
        watch=None,
        session_of=lambda _: None,
    )
    legs: Any = SimpleNamespace(take_over=None)
    trunks: Any = SimpleNamespace(states=dict)

    async def reasons() -> list[str]:
        return []

    unreachable = msgspec.structs.replace(Settings().twilio, api_url="http://127.0.0.1:9")
    outward = Outward(
        msgspec.structs.replace(Settings(), twilio=unreachable), store, office.clock, Metrics(), registry, legs,
        Reservations(store, directory, office.clock), trunks, reasons,
    )  # fmt: skip
    outward.directory = directory
    outward.senders.connections = directory.resources.twilio
    return outward.admin


async def fill(office: Office) -> None:
    """A call, a reservation, a message, an opt-out, a refused call, a delivery and a person of `acme`."""
    store, now = office.store, office.clock.utc()
    await office.call(
        "call-1",
        f"desk-{MARK}",
        {MARK: MARK},
        caller_number="+15550109999",
        shared_id=MARK,
        trunk=f"trunk-{MARK}",
    )
    request = ReserveRequest(project=PROJECT, attributes_json=f'{{"a":"{MARK}"}}', ttl_s=3600)
    await store.reserve(request, f"pool-{MARK}", now)
    await store.add_sms(
        [
            SmsMessage(
                id="message-1", account="ws-acme", project=PROJECT, conversation_id="call-1", to="+15550777",
                from_="+15550199", content=MARK, created_at=now, changed_at=now,
            )
        ]
    )  # fmt: skip
    opted = OptOut(account="ws-acme", recipient="+15550777", sender="+15550199", at=now, keyword=MARK)
    await store.opt_out(opted)
    refusal = Refusal(status=404, phrase="Not Found", reason=RefusalReason.NO_ROUTE, rules=())
    for number, trunk in enumerate((f"trunk-{MARK}", None)):
        await store.record_refusal(
            RefusedCall(
                id=f"refused-{number}", at=now, source="192.0.2.1", trunk=trunk, sip_call_id=f"{MARK}{number}",
                caller=MARK, callee="1", refusal=refusal,
            )
        )  # fmt: skip
    hook = (await store.resources()).webhooks[0]
    event = msgspec.structs.replace(trial_event(hook, MARK, now), subject="call-1")
    await store.send_event(event, hook.name, now)
    await store.add_user(
        User(
            id="user-1",
            email=f"{MARK}@example.com",
            name=MARK,
            role=Role.OWNER,
            account="ws-acme",
            created_at=now,
        )
    )
    trail_entry = office.trail.entry(somebody(Role.OWNER), "update", "projects", MARK, account="ws-acme")
    await store.add_audit([trail_entry])


class Known:
    """Ids that the store has made."""

    delivery = ""
    reservation = ""


GIVEN: dict[str, Callable[[Known, str], Any]] = {
    "name": lambda known, noun: {
        "pools": f"pool-{MARK}", "trunks": f"trunk-{MARK}", "webhooks": f"hook-{MARK}", "twilio": f"twilio-{MARK}",
        "handoffs": f"way-{MARK}", "sms": f"text-{MARK}", "people": "Somebody", "credentials": "new-key",
    }.get(noun, f"desk-{MARK}"),
    "project": lambda known, noun: f"desk-{MARK}",
    "slug": lambda known, noun: f"desk-{MARK}",
    "kind": lambda known, noun: "projects",
    "path": lambda known, noun: "functions/start_function.py",
    "call_id": lambda known, noun: "call-1",
    "conversation_id": lambda known, noun: "call-1",
    "message_id": lambda known, noun: "message-1",
    "user_id": lambda known, noun: "user-1",
    "email": lambda known, noun: f"{MARK}@example.com",
    "delivery_id": lambda known, noun: known.delivery,
    "reservation_id": lambda known, noun: known.reservation,
    "session_id": lambda known, noun: "a",
    "sid": lambda known, noun: "PN" + "1" * 32,
    "sids": lambda known, noun: ["PN" + "1" * 32],
    "pool": lambda known, noun: f"pool-{MARK}",
    "number": lambda known, noun: NUMBER,
    "numbers": lambda known, noun: ["+15550123"],
    "recipient": lambda known, noun: "+15550777",
    "sender": lambda known, noun: "+15550199",
    "reason": lambda known, noun: "a good reason",
    "state": lambda known, noun: NumberAdmin.DISABLED,
    "edit": lambda known, noun: lambda there: {**(there or {}), "name": "changed"},
    "changes": lambda known, noun: {"name": "changed"} if noun != "people" else {"role": "read_only"},
    "fields": lambda known, noun: {"name": "made", "account": "acme", "url": "https://x.example/", "slug": "made",
                                   "numbers": ["+15550101"], "networks": ["192.0.2.8/32"], "answer_only": True},
    "draft": lambda known, noun: HandoffApi() if noun == "exposure" else {"name": "made", "content": "text",
                                                                        "to": "+15550123"},
    "choice": lambda known, noun: Choice(),
    "order": lambda known, noun: TestCallOrder(project=f"desk-{MARK}"),
    "offer": lambda known, noun: "v=0",
    "text": lambda known, noun: "accounts: [{slug: acme, name: changed}]" if noun == "resources" else "+15550123",
    "attributes_text": lambda known, noun: "{}",
    "digits": lambda known, noun: "1",
    "scopes": lambda known, noun: ["chat"],
    "role": lambda known, noun: Role.OWNER,
    "account": lambda known, noun: "acme",
    "header": lambda known, noun: "X-A",
    "old": lambda known, noun: "old",
    "new": lambda known, noun: "new password of some length",
    "current": lambda known, noun: None,
    "wanted": lambda known, noun: {"sms": SmsFilter(account="ws-acme"), "webhooks": DeliveryFilter(account="ws-acme"),
                                   "refused": RefusalFilter(trunks=(f"trunk-{MARK}", None)),
                                   "figures": FigureFilter(after=T0 - timedelta(days=9), before=T0 + timedelta(days=9),
                                                           account="ws-acme", project=PROJECT)}.get(
                                   noun, ConversationFilter(account="ws-acme", project=PROJECT)),
}  # fmt: skip
"""What each parameter is given, by its name: always something of the account `acme`."""

FUNCTIONS = [
    f"{noun.name}.{name}"
    for noun in dataclasses.fields(Admin)
    if noun.name not in LOCAL
    for name, _ in inspect.getmembers(
        inspect.getmodule(Admin).__dict__[str(noun.type)],
        inspect.isfunction,
    )
    if not name.startswith("_") and f"{noun.name}.{name}" not in OPEN
]


def arguments(function: Callable[..., Any], known: Known, noun: str, name: str) -> dict[str, Any]:
    """Something for every parameter that has no default, and for those that choose an account or a project."""
    found: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values()):
        if parameter.name == "who":
            continue
        if parameter.default is not inspect.Parameter.empty and parameter.name not in {"account", "project"}:
            continue
        give = GIVEN.get(parameter.name)
        assert give is not None, f"say in GIVEN what {noun}.{name} gets as {parameter.name}"
        found[parameter.name] = give(known, name if name in {"refused", "figures"} else noun)
    return found


async def answer(admin: Admin, path: str, who: Principal) -> Any:
    """What a function answers; the error where it raises one of ours."""
    noun, _, name = path.partition(".")
    function = getattr(getattr(admin, noun), name)
    known = Known()
    store: Any = admin.webhooks._store
    known.delivery = (await store.deliveries(DeliveryFilter()))[0].id
    known.reservation = (await store.reservations(PROJECT, T0 - timedelta(days=9)))[0].id
    try:
        found = function(who, **arguments(function, known, noun, name))
        return await found if isinstance(found, Awaitable) else found
    except TielineError as error:
        return error


def told(found: Any) -> str:
    """Everything that an answer says, errors included, but for names that the caller gave."""
    if isinstance(found, TielineError):
        return ""
    if isinstance(found, bytes):
        return found.decode("latin-1")
    return repr(msgspec.to_builtins(found, enc_hook=str)) if not isinstance(found, frozenset) else repr(found)


async def kept(admin: Admin) -> bytes:
    """All that the store holds of `acme`, as far as functions could change it."""
    store: Any = admin.webhooks._store
    resources = await store.resources()
    mine = [
        one
        for name in msgspec.structs.asdict(resources)
        for one in getattr(resources, name)
        if MARK in str(msgspec.structs.asdict(one).values())
    ]
    parts = [
        mine, list(await store.opt_outs()), await store.sms("message-1"), await store.user("user-1"),
        [one.id for one in await store.deliveries(DeliveryFilter())],
        list(await store.pool_numbers(f"pool-{MARK}", T0)), list(await store.reservations(PROJECT, T0)),
        list(await store.audit(AuditFilter(account="ws-acme"))),
    ]  # fmt: skip
    return msgspec.json.encode(msgspec.to_builtins(parts, enc_hook=str))


@pytest.mark.parametrize("path", FUNCTIONS)
async def test_nothing_of_another_account(admin: Admin, path: str) -> None:
    """An owner of another account learns nothing and changes nothing."""
    before = await kept(admin)
    found = await answer(admin, path, STRANGER)
    assert MARK not in told(found), found
    assert await kept(admin) == before


@pytest.mark.parametrize(
    "path",
    ["resources.fields", "resources.export", "pools.pool", "pools.reservations", "calls.call", "calls.list",
     "calls.refused", "webhooks.webhook", "webhooks.delivery", "webhooks.of_call", "sms.message", "sms.opt_outs",
     "people.person", "audit.entries", "trunks.trunk", "trunks.fields", "projects.project", "handoffs.get",
     "twilio.connection", "overview.overview", "exposure.preview"],
)  # fmt: skip
async def test_it_is_there_for_its_owner(admin: Admin, path: str) -> None:
    """What the stranger was not told is there, so that the tests above and below look where they mean to."""
    assert MARK in told(await answer(admin, path, somebody(Role.OWNER, personal_data=True)))


@pytest.mark.parametrize("path", FUNCTIONS)
async def test_nothing_without_a_right(admin: Admin, path: str) -> None:
    """Somebody with no right at all is refused, whatever they ask for."""
    nobody = msgspec.structs.replace(somebody(Role.READ_ONLY), rights=frozenset())
    before = await kept(admin)
    found = await answer(admin, path, nobody)
    assert isinstance(found, Forbidden), found
    assert await kept(admin) == before


@pytest.mark.parametrize("path", FUNCTIONS)
async def test_who_may_only_look_changes_nothing(admin: Admin, path: str) -> None:
    """Of their own account, too."""
    looker = somebody(Role.READ_ONLY)
    assert looker.rights == RIGHTS[Role.READ_ONLY]
    before = await kept(admin)
    found = await answer(admin, path, looker)
    assert await kept(admin) == before
    if path == "resources.resources":  # what others are made of: it says itself that it holds secrets
        return
    for personal in (f"{MARK}-secret", f"{MARK}-password", f"{MARK}-token", "+15550109999", "+15550777"):
        assert personal not in told(found), path
