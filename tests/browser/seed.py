"""What the served Tieline of these tests holds: a small company with a few days of calls.

`RESOURCES` is applied as a resource file; `add_records` puts conversations, refused calls and reservations into the
database before the server starts. Others add theirs here: a builder of records each, called from `add_records`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tieline.demo.process import ServerProcess
from tieline.integrations.twilio.sms_codes import explain
from tieline.model.call import Termination, TerminationReason
from tieline.model.context import ContextOrigin, ContextValue
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, RefusedCall, Turn
from tieline.model.environment import Environment
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Retry, Step
from tieline.model.reservation import ReserveRequest
from tieline.model.sms import OptOut, SmsMessage, SmsState
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
FRONT_DESK = ROOT / "examples" / "front_desk"

HOSTILE = "<img src=x onerror=alert(1)>"
"""A name that must be shown and never be run."""

SECRETS = {
    "SEED_RESERVE_KEY": "tl_reserve-0123456789abcdef0123456789abcdef",
    "SEED_HANDOFF_KEY": "tl_handoff-0123456789abcdef0123456789abcdef",
    "SEED_TOKEN": "tlt_token-0123456789abcdef0123456789abcdef",
    "SEED_PASSWORD": "correct horse battery staple",
}

RESOURCES = f"""
accounts:
  - {{slug: northwind, name: Northwind Traders}}
projects:
  - slug: front-desk
    account: northwind
    name: Front desk
    path: {FRONT_DESK}
    env: sandbox
    numbers: ["+15550140", "200"]
    fallback_handoff: contact_centre
    handoff_api:
      state_keys: [handoff_to, handoff_reason, contained, order_number]
    handoffs:
      - name: night_service
        description: The people who answer at night
        sip_config: {{method: refer, phone_number: "+15550177"}}
      - name: supervisor
        description: "{HOSTILE}"
        sip_config: {{method: invite, phone_number: "sip:supervisor@contact-centre.example",
                      outbound_endpoint: genesys, outbound_encryption: UDP/RTP}}
        sip_headers: [{{key: X-Reason, value: $handoff_reason}}]
    sms_templates:
      - name: order_ready
        content: "Hi $customer_name, your order {{{{attr:order.id}}}} is ready. Reply STOP to opt out."
        senders: [{{env: live, number: "+12025550143"}}, {{env: sandbox, messaging_service_sid: MG{"0a" * 16}}}]
      - {{name: thanks, content: "Thank you — it was a pleasure 😀"}}
  - {{slug: trunk-test, account: northwind, answer_only: true, numbers: ["300"]}}
pools:
  - {{name: front-desk, project: front-desk, numbers: ["+15550100-+15550119"], trunks: [contact-centre], ttl_s: 180}}
  - {{name: small, project: front-desk, numbers: ["+15550120-+15550122"], trunks: [genesys]}}
trunks:
  - {{name: contact-centre, account: northwind, networks: [127.0.0.1/32]}}
  - {{name: five9, account: northwind, networks: [192.0.2.0/24], profile: five9, max_calls: 50}}
  - {{name: genesys, account: northwind, networks: [198.51.100.0/24], profile: genesys, target: 127.0.0.2,
     options_interval_s: 60}}
  - {{name: carrier, networks: [203.0.113.7/32], profile: twilio, auth_username: carrier,
     auth_password: {{value_from_env: SEED_PASSWORD}}}}
sip_tokens:
  - {{name: desk-token, project: front-desk, value_from_env: SEED_TOKEN}}
api_keys:
  - {{name: reserve, account: northwind, project: front-desk, scopes: ["dni:reserve"],
     value_from_env: SEED_RESERVE_KEY}}
  - {{name: handoff, account: northwind, project: front-desk, scopes: ["handoff:read"],
     value_from_env: SEED_HANDOFF_KEY}}
"""


def apply_resources(process: ServerProcess, more: str = "") -> None:
    """Make the database hold `RESOURCES`, and `more` of other kinds."""
    file = process.folder / "resources.yaml"
    file.write_text(RESOURCES + more)
    done = process.command("apply", "-f", str(file), env=SECRETS)
    assert done.returncode == 0, done.stderr


async def add_records(database: Path) -> None:
    """Calls of the last days, the last one minutes ago."""
    now = datetime.now(UTC).replace(microsecond=0)
    store = SqliteStore(database)
    await store.open(now)
    try:
        for index in range(24):
            await add_call(store, index, now - timedelta(minutes=7 + index * 97))
        await add_messages(store, now)
        for refused in reversed(refusals(now)):
            await store.record_refusal(refused)
        for index in range(4):
            await store.reserve(
                ReserveRequest(
                    project=await project_id(store, "front-desk"),
                    attributes_json=f'{{"shared_id":"web-{index}","customer":"{HOSTILE}"}}',
                    ttl_s=3600,
                ),
                "front-desk",
                now,
            )  # fmt: skip
    finally:
        await store.close()


async def project_id(store: SqliteStore, slug: str) -> str:
    """A project's id."""
    return next(one.id for one in (await store.resources()).projects if one.slug == slug)


# -- calls ----------------------------------------------------------------------------------------------------

ENDINGS = (
    TerminationReason.HANDED_OFF,
    TerminationReason.CALLER_HUNG_UP,
    TerminationReason.HANDED_OFF,
    TerminationReason.AGENT_HUNG_UP,
    TerminationReason.AGENT_FAILED,
    TerminationReason.NO_MEDIA,
)


async def add_call(store: SqliteStore, index: int, at: datetime) -> None:
    """One finished call; every third was handed off, every sixth of them in vain at first."""
    resources = await store.resources()
    project = next(one for one in resources.projects if one.slug == "front-desk")
    reason = ENDINGS[index % len(ENDINGS)]
    call = f"seed-call-{index:02d}"
    handed_off = reason is TerminationReason.HANDED_OFF
    await store.open_conversation(_opened(call, index, at, project.account, project.id))
    await store.mark_answered(call, at + timedelta(seconds=1))
    for turn in _turns(index, at):
        await store.save_turn(call, turn)
    await store.save_outcome(
        Outcome(
            conversation_id=call, shared_id=f"shared-{index:04d}", handed_off=handed_off,
            data={"handoff_to": "billing", "contained": not handed_off} if handed_off else {"contained": True},
            handoff={"method": "refer", "destination": "night_service", "reason": "asked for a person"}
            if handed_off else None,
            saved_at=at + timedelta(seconds=40),
        )
    )  # fmt: skip
    if handed_off:
        await store.save_receipt(call, 0, _receipt(at + timedelta(seconds=40), failed=index % 12 == 2))
    await store.close_conversation(
        ConversationClosed(
            conversation_id=call,
            termination=Termination.of(reason, "the seed says so"),
            answered_at=at + timedelta(seconds=1),
            ended_at=at + timedelta(seconds=42 + index * 3),
            ladder=_ladder(call, handed_off=handed_off),
            media={"packets_received": 2050, "packets_sent": 2048, "packets_lost": 3 * index, "packets_discarded": 0,
                   "jitter_ms": 1.5 + index / 4, "digits_received": 2, "packets_late": 1, "peak_level": 0.6},
            metrics=({"name": "ORDER_FOUND", "value": index % 2 == 0},),
            peer_bye_headers={"Reason": "Q.850;cause=16"},
        )
    )  # fmt: skip


def _opened(call: str, index: int, at: datetime, account: str, project: str) -> ConversationOpened:
    return ConversationOpened(
        id=call, account=account, project=project, env="sandbox", channel_type="sip.polyai",
        trunk="contact-centre", sip_call_id=f"{call}@contact-centre.example", from_tag="seed",
        caller_number=f"+1555019{index:02d}", callee_number="+15550140", reservation_id=None,
        shared_id=f"shared-{index:04d}",
        attributes_json=msgspec.json.encode({"customer": HOSTILE, "tier": "gold"}).decode(),
        sip_headers={"X-Campaign": "spring", "X-Note": HOSTILE},
        rules=(
            {"rule": "trunk", "held": True, "detail": "127.0.0.1 is within 127.0.0.1/32 of trunk contact-centre"},
            {"rule": "token", "held": False, "detail": "no header X-PolyAi-Auth-Token"},
            {"rule": "number", "held": True, "detail": "+15550140 is a number of project front-desk"},
        ),
        late=False, started_at=at,
        context=(ContextValue(key="campaign", value="spring", origin=ContextOrigin.HEADER, name="X-Campaign"),),
    )  # fmt: skip


def _turns(index: int, at: datetime) -> list[Turn]:
    said = (
        (
            "start",
            None,
            "Welcome to Northwind. For orders press one, for a person press two.",
            "start_function",
        ),
        ("keypad", "1", "Please enter your order number.", "menu"),
        ("keypad", "4711", f"Order 4711 is on its way. {HOSTILE}", "check_number"),
    )
    turns = []
    for number, (channel, given, utterance, function) in enumerate(said):
        run: dict[str, Any] = {"name": function, "duration_ms": 2.4 + number, "error": None}
        if index % len(ENDINGS) == 4 and number == 2:
            run["error"] = "KeyError: 'order_number' (functions/menu.py, line 21)"
        turns.append(
            Turn(
                index=number, at=at + timedelta(seconds=2 + 9 * number), channel=channel, user_input=given,
                utterance=utterance, function_runs=(run,),
                logs=({"level": "info", "content": f"turn {number}", "is_pii": False, "fields": {}},),
                state_json='{"order_number":"4711","handoff_to":"billing"}',
            )
        )  # fmt: skip
    return turns


def _receipt(at: datetime, *, failed: bool) -> Receipt:
    """A REFER that went well, or one that was refused and after which nothing else worked."""

    def step(which: Step, seconds: float, **known: Any) -> ReceiptStep:
        return ReceiptStep(
            step=which, at=at + timedelta(seconds=seconds), rung=0, method=HandoffMethod.REFER,
            destination="night_service", **known,
        )  # fmt: skip

    begun = (step(Step.REQUESTED, 0), step(Step.SPOKEN, 1.2), step(Step.SENT, 1.3))
    if failed:
        refused = step(
            Step.FAILED, 1.5, status=603, evidence="SIP/2.0 603 Decline", failure=HandoffFailure.DECLINED,
            retry=Retry.OTHER_DESTINATION, detail="the other side declined",
        )  # fmt: skip
        return Receipt(state=ReceiptState.FAILED, steps=(*begun, refused))
    return Receipt(
        state=ReceiptState.DONE,
        steps=(
            *begun,
            step(Step.ACCEPTED, 1.4, status=202, evidence="SIP/2.0 202 Accepted"),
            step(Step.RINGING, 1.9, status=180, evidence="NOTIFY: SIP/2.0 180 Ringing"),
            step(Step.ANSWERED, 4.0, status=200, evidence="NOTIFY: SIP/2.0 200 OK"),
            step(Step.DONE, 4.2),
        ),
    )


def _ladder(call: str, *, handed_off: bool) -> tuple[dict[str, Any], ...]:
    """The messages of a call, as they are stored."""

    def entry(at_ms: float, direction: str, first: str, *headers: str) -> dict[str, Any]:
        text = "\r\n".join((first, f"Call-ID: {call}@contact-centre.example", *headers, "", ""))
        return {
            "at_ms": at_ms,
            "direction": direction,
            "peer": "127.0.0.1:5070",
            "leg": "caller",
            "text": text,
        }

    messages = [
        entry(0, "in", "INVITE sip:+15550140@127.0.0.1 SIP/2.0", "CSeq: 1 INVITE", f"X-Note: {HOSTILE}"),
        entry(0.8, "out", "SIP/2.0 100 Trying", "CSeq: 1 INVITE"),
        entry(21.5, "out", "SIP/2.0 200 OK", "CSeq: 1 INVITE", "Content-Type: application/sdp"),
        entry(23.0, "in", "ACK sip:127.0.0.1 SIP/2.0", "CSeq: 1 ACK"),
    ]
    if handed_off:
        messages += [
            entry(
                41300,
                "out",
                "REFER sip:127.0.0.1:5070 SIP/2.0",
                "CSeq: 1 REFER",
                "Refer-To: <sip:+15550177@x>",
            ),
            entry(41390, "in", "SIP/2.0 202 Accepted", "CSeq: 1 REFER"),
        ]
    return (
        *messages,
        entry(42100, "in", "BYE sip:127.0.0.1 SIP/2.0", "CSeq: 2 BYE", "Reason: Q.850;cause=16"),
    )


# -- refused calls --------------------------------------------------------------------------------------------


def refusals(now: datetime) -> list[RefusedCall]:
    """One from a stranger, one to a number that leads nowhere, one too many."""
    cases = (
        (403, "Forbidden", RefusalReason.UNKNOWN_TRUNK, None, "198.18.0.9", "trunk",
         "no trunk's networks hold the source address 198.18.0.9"),
        (404, "Not Found", RefusalReason.NO_ROUTE, "contact-centre", "127.0.0.1", "number",
         "+15550999 is a number of no project and of no pool"),
        (503, "Service Unavailable", RefusalReason.TRUNK_CALL_LIMIT, "five9", "192.0.2.10", "trunk_calls",
         "50 calls are up on trunk five9, which is all it may have"),
    )  # fmt: skip
    return [
        RefusedCall(
            id=f"seed-refused-{index}", at=now - timedelta(minutes=3 + 11 * index), source=source, trunk=trunk,
            sip_call_id=f"refused-{index}@somewhere.example", caller=HOSTILE if index == 0 else "+15550190",
            callee="+15550999",
            refusal=Refusal(
                status=status, phrase=phrase, reason=reason,
                rules=(RuleResult(rule=rule, held=False, detail=detail),),
            ),
            count=1 + index * 3,
        )
        for index, (status, phrase, reason, trunk, source, rule, detail) in enumerate(cases)
    ]  # fmt: skip


# -- text messages --------------------------------------------------------------------------------------------


async def add_messages(store: SqliteStore, now: datetime) -> None:
    """Messages in every state that matters to look at, and somebody who wants none."""
    project = await project_id(store, "front-desk")
    account = (await store.resources()).accounts[0].id
    told = {
        "unregistered": (SmsState.UNDELIVERED, 30034),
        "landline": (SmsState.FAILED, 21614),
        "delivered": (SmsState.DELIVERED, None),
        "waiting": (SmsState.SENT, None),
    }
    texts = {"delivered": HOSTILE, "landline": "Your order 4711 is ready. " * 8}
    for index, (name, (state, code)) in enumerate(told.items()):
        at = now - timedelta(minutes=3 + index * 11)
        made = SmsMessage(
            id=f"sms-{name}", account=account, project=project, env=Environment.SANDBOX, conversation_id=None,
            to=f"+1202555014{index}", from_="+12025550143", content=texts.get(name, "Hi Ann, your order is ready."),
            template="order_ready", provider_sid=f"SM{index:032x}", attempts=1, created_at=at, changed_at=at,
        )  # fmt: skip
        words = explain(code) if code is not None else ""
        accepted = made.entering(SmsState.SENDING, at).entering(SmsState.ACCEPTED, at + timedelta(seconds=1))
        await store.add_sms(
            [accepted.entering(state, at + timedelta(seconds=4), error_code=code, detail=words)]
        )
    stop = SmsMessage(
        id="in-stop", account=account, project=project, conversation_id=None, inbound=True, to="+12025550143",
        from_="+12025550149", content="STOP", state=SmsState.RECEIVED, provider_sid="SMin", created_at=now,
        changed_at=now,
    )  # fmt: skip
    await store.add_sms([stop])
    await store.opt_out(
        OptOut(account=account, recipient="+12025550149", sender="+12025550143", at=now, keyword="STOP")
    )
