"""REFER of ours and the NOTIFYs that tell what became of it (RFC 3515, 3892, 4488, 6665, 7647).

The subscription that a REFER makes has no state beyond its leg: the leg is noted by its tag when the REFER leaves, so
that a NOTIFY which overtakes the 202 finds it, and stays noted for 64*T1 after its end, for those that follow a BYE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tieline.sip.core import Core
from tieline.sip.errors import HeaderRefused, MessageMalformed, WrongArgument
from tieline.sip.events import NotifyReceived, ReferCompleted, ReferReceived
from tieline.sip.grammar import parse_address, parse_uri
from tieline.sip.header_rules import check_value
from tieline.sip.leg import Leg
from tieline.sip.message import Request, Response, header_key
from tieline.sip.transaction import Transaction

if TYPE_CHECKING:
    from tieline.sip.uac import Uac
    from tieline.sip.uas import Uas

_OWN = frozenset({"refer-to", "referred-by", "refer-sub", "event"})
_FRAGMENT_TYPES = frozenset({"message/sipfrag", "message/sip"})
_match_status = re.compile(rb"\s*SIP/2\.0[ \t]+([1-6][0-9]{2})(?![0-9])[ \t]*([^\r\n]*)", re.IGNORECASE).match
_PHRASE_CHARS = 256


def refer_lines(refer_to: str, referred_by: str | None, names: list[str]) -> str:
    """The lines of a REFER that say where to; `names` are those of the owner's own headers.

    Raises `WrongArgument` for what is no address and `HeaderRefused` for what would break the message.
    """
    check_value("Refer-To", refer_to)
    try:
        _check_address(refer_to)
    except MessageMalformed as broken:
        raise WrongArgument(f"Refer-To: {broken.why}") from None
    for name in names:
        if header_key(name) in _OWN:
            raise HeaderRefused(name, "is written by the stack itself in a REFER")
    lines = f"Refer-To: {refer_to}\r\n"
    if referred_by is not None:
        check_value("Referred-By", referred_by)
        try:
            _ = parse_address(referred_by).uri
        except MessageMalformed as broken:
            raise WrongArgument(f"Referred-By: {broken.why}") from None
        lines += f"Referred-By: {referred_by}\r\n"
    return lines


def _check_address(text: str) -> None:
    """An address, or a bare URI that brings headers or commas of its own and is sent as it is."""
    try:
        _ = parse_address(text).uri
    except MessageMalformed:
        parse_uri(text)


class Refers:
    """Hears what becomes of our REFERs, and declines the peer's."""

    def __init__(self, core: Core, uas: Uas, uac: Uac) -> None:
        self._core = core
        self._uas = uas
        self._uac = uac
        uac.hearers["REFER"] = self._on_response
        uas.in_dialog["NOTIFY"] = self._on_notify
        uas.in_dialog["REFER"] = self._on_refer

    def _on_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        """Silence says nothing of the call: some drop every REFER and are well otherwise."""
        leg.referring = False
        phrase = "" if response is None else response.phrase
        self._core.events.append(ReferCompleted(leg.id, status, phrase, _tells_nothing(status, response)))
        if status != 408:
            self._uac.check_gone(leg, transaction, status, response, now)

    def _on_notify(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        if not is_refer_event(request):
            self._uas.answer(transaction, 489, "Allow-Events: refer\r\n", now)
            return
        if not leg.refer_cseq:
            self._uas.answer(transaction, 481, "", now)
            return
        self._uas.answer(transaction, 200, "", now)
        if not _is_of_former_refer(leg, request):
            self._core.events.append(_read_notify(leg, request))

    def _on_refer(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        self._uas.answer(transaction, 603, "", now)
        self._core.events.append(ReferReceived(leg.id, request.headers.get("refer-to") or ""))


def _tells_nothing(status: int, response: Response | None) -> bool:
    """Whether a 2xx says that no NOTIFY comes (RFC 4488)."""
    if response is None or status >= 300:
        return False
    return (response.headers.get("refer-sub") or "").partition(";")[0].strip().lower() == "false"


def is_refer_event(request: Request) -> bool:
    """Whether a NOTIFY is one of a REFER. Without Event, which some leave out, it is taken for one."""
    event = request.headers.get("event")
    return event is None or event.partition(";")[0].strip().lower() == "refer"


def _is_of_former_refer(leg: Leg, request: Request) -> bool:
    """Whether a NOTIFY names a REFER before the last one of this leg: its `id` is that one's CSeq (RFC 3515 2.4.6).

    An `id` that was never ours is not held against the peer.
    """
    for param in (request.headers.get("event") or "").split(";")[1:]:
        name, _, value = param.partition("=")
        number = value.strip()
        if name.strip().lower() == "id" and number.isascii() and number.isdigit() and len(number) <= 10:
            return int(number) < leg.refer_cseq
    return False


def _read_notify(leg: Leg, request: Request) -> NotifyReceived:
    """What a NOTIFY tells, whatever its shape: a status line that cannot be read is none."""
    state = (request.headers.get("subscription-state") or "").partition(";")[0].strip().lower()
    kind = request.content_type
    found = _match_status(request.body) if kind is None or kind in _FRAGMENT_TYPES else None
    status, phrase = None, ""
    if found is not None:
        status = int(found.group(1))
        text = found.group(2).decode("utf-8", "replace").strip()
        phrase = "".join([each for each in text if each.isprintable()])[:_PHRASE_CHARS]
    return NotifyReceived(leg.id, status, phrase, state or None, request.body)
