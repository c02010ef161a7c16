"""What Twilio tells of a call: who calls whom, and what else it knows, as the headers that its INVITE would have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tieline.errors import InvalidInput
from tieline.model import number as numbers
from tieline.model.record import Record

CALL_HEADER = "X-Tieline-Call"
"""Names a call that Twilio dials to us by SIP: a token that is good for this call alone."""

PARENT_HEADER = "X-Twilio-ParentCallSid"
"""The caller's own call at Twilio; the leg that it dials to us has another SID, in `X-Twilio-CallSid`."""

MAX_HEADERS = 30
MAX_VALUE = 256

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_X_NAME = re.compile(r"X-[A-Za-z0-9-]{1,60}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TOLD = ("CallerName", "FromCity", "FromState", "FromZip", "FromCountry", "StirVerstat")
_FROM_SIP = "SipHeader_"


class CallFacts(Record):
    """`caller` and `callee` are canonical or None; `dialled` is the user part of whom was called, fit for a SIP URI.

    `by_sip`: the caller came to Twilio by SIP, and can be referred.
    """

    sid: str
    account_sid: str
    caller: str | None
    callee: str | None
    dialled: str
    by_sip: bool
    headers: tuple[tuple[str, str], ...]


def read_facts(form: Mapping[str, str]) -> CallFacts:
    """The facts of a voice webhook. Raises `InvalidInput` for one that names no call."""
    sid = form.get("CallSid", "")
    if _CALL_SID.fullmatch(sid) is None:
        raise InvalidInput("CallSid is missing or none")
    account, from_, to = form.get("AccountSid", ""), form.get("From", ""), form.get("To", "")
    callee = numbers.dialled(to)
    user = to.partition(":")[2].partition("@")[0] if ":" in to else to
    return CallFacts(
        sid=sid,
        account_sid=account,
        caller=numbers.caller(from_),
        callee=callee,
        dialled=callee or re.sub(r"[^A-Za-z0-9+._-]", "", user)[:64] or "unknown",
        by_sip=from_.lower().startswith(("sip:", "sips:")),
        headers=tuple(_headers(sid, account, form))[:MAX_HEADERS],
    )


def _headers(sid: str, account: str, form: Mapping[str, str]) -> list[tuple[str, str]]:
    found = [("X-Twilio-CallSid", sid), ("X-Twilio-AccountSid", account)]
    found += [(f"X-Twilio-{name}", form[name]) for name in _TOLD if form.get(name)]
    diverted = numbers.dialled(form.get("ForwardedFrom", ""))
    if diverted is not None:
        found.append(("Diversion", f"<tel:{diverted}>"))
    known = {name.casefold() for name, _ in found}
    for field, value in form.items():
        name = field.removeprefix(_FROM_SIP)
        if field.startswith(_FROM_SIP) and _X_NAME.fullmatch(name) and name.casefold() not in known:
            found.append((name, value))
    return [(name, _CONTROL.sub(" ", value)[:MAX_VALUE].strip()) for name, value in found]
