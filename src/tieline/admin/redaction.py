"""What somebody without the right to personal data may see of calls: the one place where it is decided.

Numbers keep their last two digits. Transcripts, text messages, keypad input, logs, attributes, state, the values of
headers and the bodies of SIP messages are hidden; their names stay, so that one can see that there was something. Pure
functions from a record to the same record, used alike for pages, HTTP and exports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tieline.calls.live import LiveCall
from tieline.model.conversation import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Outcome,
    RefusedCall,
    Turn,
)
from tieline.model.receipt import Receipt, ReceiptStep, Step
from tieline.model.sms import OptOut, SmsMessage

HIDDEN = "(hidden)"

SHOWN_DIGITS = 2
"""How many digits at the end of a number are shown."""

PLAIN_HEADERS = frozenset(
    {
        "via", "v", "call-id", "i", "cseq", "max-forwards", "content-type", "c", "content-length", "l", "expires",
        "session-expires", "x", "min-se", "supported", "k", "require", "allow", "accept", "user-agent", "server",
        "retry-after", "reason", "subscription-state", "event", "o", "rseq", "rack", "date", "timestamp",
    }
)  # fmt: skip
"""Headers that name nobody: their values are shown, numbers in them masked."""

_NUMBER = re.compile(
    r"(?<!\w)(?<!\d\.)\+?\d[\d ()/-]{4,18}\d(?!\w)(?!\.\d)"  # a full stop may follow; an address has dots within
    r"|(?<![\w.])\+?(?:\d{1,3}\.)?\(?\d{3}\)?[. ]\d{3}\.\d{4}(?!\w)(?!\.\d)"  # 555.010.9999
)
_URI_USER = re.compile(r"\b(sips?:|tel:)([^@;>\s]+)", re.IGNORECASE)
_LEAST_DIGITS = 6


def mask_number(number: str) -> str:
    """A number with all but its last digits as dots; what is no number is hidden whole."""
    digits = re.sub(r"\D", "", number)
    if len(digits) < _LEAST_DIGITS:
        return HIDDEN if not digits else "•" * len(digits)
    return "•" * (len(digits) - SHOWN_DIGITS) + digits[-SHOWN_DIGITS:]


def mask_text(text: str) -> str:
    """A line of ours in which a peer's numbers and names of SIP users are masked."""
    masked = _URI_USER.sub(lambda found: f"{found[1]}{_mask_user(found)}", text)
    return _NUMBER.sub(_mask_found, masked)


def _mask_user(found: re.Match[str]) -> str:
    """The user of a SIP URI; a URI without one names a host alone."""
    has_user = found.string[found.end() :].startswith("@") or found[1].lower() == "tel:"
    return mask_number(found[2]) if has_user else found[2]


def _mask_found(found: re.Match[str]) -> str:
    digits = sum(char.isdigit() for char in found[0])
    return mask_number(found[0]) if digits >= _LEAST_DIGITS else found[0]


def redact_conversation(conversation: Conversation) -> Conversation:
    """One call, whole."""
    closed, outcome = conversation.closed, conversation.outcome
    return msgspec.structs.replace(
        conversation,
        opened=_redact_opened(conversation.opened),
        turns=tuple(_redact_turn(turn) for turn in conversation.turns),
        outcome=None if outcome is None else _redact_outcome(outcome),
        closed=None if closed is None else _redact_closed(closed),
        receipts=tuple(redact_receipt(receipt) for receipt in conversation.receipts),
    )


def _redact_opened(opened: ConversationOpened) -> ConversationOpened:
    return msgspec.structs.replace(
        opened,
        caller_number=_maybe(opened.caller_number),
        callee_number=_maybe(opened.callee_number),
        attributes_json=_hide_json(opened.attributes_json),
        sip_headers=_hide_headers(opened.sip_headers),
        rules=tuple({**rule, "detail": mask_text(str(rule.get("detail", "")))} for rule in opened.rules),
        context=tuple(msgspec.structs.replace(value, value=HIDDEN) for value in opened.context),
    )


def _redact_turn(turn: Turn) -> Turn:
    return msgspec.structs.replace(
        turn,
        user_input=None if turn.user_input is None else HIDDEN,
        utterance=HIDDEN if turn.utterance else "",
        function_runs=tuple({**run, "error": _kind_of_error(run.get("error"))} for run in turn.function_runs),
        logs=tuple({**entry, "content": HIDDEN, "fields": {}} for entry in turn.logs),
        state_json=_hide_json(turn.state_json),
    )


def _kind_of_error(error: Any) -> str | None:
    """What kind of exception it was: its message may quote anything."""
    if not error:
        return None
    kind = str(error).partition(":")[0]
    return kind if re.fullmatch(r"[A-Za-z_][\w.]{0,60}", kind) else HIDDEN


def _redact_outcome(outcome: Outcome) -> Outcome:
    handoff = outcome.handoff
    if handoff is not None:
        handoff = {
            **handoff,
            "reason": _hide(handoff.get("reason")),
            "utterance": _hide(handoff.get("utterance")),
            "route": mask_text(handoff["route"]) if handoff.get("route") else handoff.get("route"),
            "headers": [[name, HIDDEN] for name, _ in handoff.get("headers", ())],
        }
        if isinstance(handoff.get("config"), Mapping):
            handoff["config"] = {
                name: mask_text(value) if isinstance(value, str) and name != "method" else value
                for name, value in handoff["config"].items()
            }
    return msgspec.structs.replace(
        outcome, data={name: _hide(value) for name, value in outcome.data.items()}, handoff=handoff
    )


def _redact_closed(closed: ConversationClosed) -> ConversationClosed:
    return msgspec.structs.replace(
        closed,
        termination=msgspec.structs.replace(closed.termination, detail=mask_text(closed.termination.detail)),
        ladder=tuple(redact_message(entry) for entry in closed.ladder),
        metrics=tuple({**metric, "value": _hide_text(metric.get("value"))} for metric in closed.metrics),
        peer_bye_headers=_hide_headers(closed.peer_bye_headers),
    )


def redact_receipt(receipt: Receipt) -> Receipt:
    """The steps of a handoff: what the agent gave as its reason is hidden, numbers in evidence masked."""
    return msgspec.structs.replace(receipt, steps=tuple(_redact_step(step) for step in receipt.steps))


def _redact_step(step: ReceiptStep) -> ReceiptStep:
    detail = _hide(step.detail) if step.step is Step.REQUESTED else mask_text(step.detail)
    evidence = None if step.evidence is None else mask_text(step.evidence)
    return msgspec.structs.replace(step, detail=detail, evidence=evidence)


def redact_message(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a SIP ladder: start line masked, values of headers that may name somebody hidden, no body."""
    head, gap, body = str(entry.get("text", "")).partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    shown = [mask_text(first)]
    plain = False
    for line in lines:
        if line[:1] in {" ", "\t"}:
            if plain:
                shown.append(mask_text(line))
            continue
        name, colon, value = line.partition(":")
        plain = name.strip().casefold() in PLAIN_HEADERS
        kept = mask_text(value) if plain and name.strip().casefold() not in {"call-id", "i"} else value
        shown.append(f"{name}{colon}{kept if plain else f' {HIDDEN}'}")
    return {**entry, "text": "\r\n".join(shown) + gap + (HIDDEN if body else "")}


def redact_live(call: LiveCall) -> LiveCall:
    """A call that is up."""
    return msgspec.structs.replace(
        call,
        caller=_maybe(call.caller),
        callee=_maybe(call.callee),
        said=HIDDEN if call.said else None,
        heard=HIDDEN if call.heard else None,
    )


def redact_refusal(refused: RefusedCall) -> RefusedCall:
    """A refused call."""
    rules = tuple(
        msgspec.structs.replace(rule, detail=mask_text(rule.detail)) for rule in refused.refusal.rules
    )
    return msgspec.structs.replace(
        refused,
        caller=_mask_address(refused.caller),
        callee=_mask_address(refused.callee),
        refusal=msgspec.structs.replace(refused.refusal, rules=rules),
    )


def redact_sms(message: SmsMessage) -> SmsMessage:
    """A text message: the person's number masked, the text hidden; our own number is nobody's."""
    side = "from_" if message.inbound else "to"
    history = tuple(msgspec.structs.replace(one, detail=mask_text(one.detail)) for one in message.history)
    masked = {side: mask_number(message.person), "detail": mask_text(message.detail)}
    return msgspec.structs.replace(message, content=HIDDEN, history=history, **masked)


def redact_opt_out(opted: OptOut) -> OptOut:
    """Somebody who wants no messages."""
    return msgspec.structs.replace(opted, recipient=mask_number(opted.recipient))


def _mask_address(address: str) -> str:
    """A From header or a request URI: the URI with its user masked, without a display name."""
    found = _URI_USER.search(address)
    if found is None:
        return HIDDEN if address else ""
    return mask_text(re.split(r"[>;\s]", address[found.start() :], maxsplit=1)[0])


def _maybe(number: str | None) -> str | None:
    return None if number is None else mask_number(number)


def _hide(value: Any) -> Any:
    return HIDDEN if value not in (None, "", [], {}) else value


def _hide_text(value: Any) -> Any:
    return _hide(value) if not isinstance(value, int | float) else value


def _hide_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: mask_text(value) if name.casefold() in PLAIN_HEADERS else HIDDEN
        for name, value in headers.items()
    }


def _hide_json(text: str) -> str:
    """A JSON object's keys with their values hidden."""
    found = msgspec.json.decode(text)
    shown = dict.fromkeys(found, HIDDEN) if isinstance(found, dict) else HIDDEN
    return msgspec.json.encode(shown).decode()
