"""How calls leave their walk: the exceptions that do it, and the words that go on the wire."""

from __future__ import annotations

from tieline.calls.routing import PHRASES, Route
from tieline.model.call import Termination, TerminationReason
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.sip.events import LegFailure
from tieline.sip.message import Headers

NORMAL_CLEARING = 'Q.850;cause=16;text="Normal call clearing"'
FAILURE_CLEARING = 'Q.850;cause=41;text="Temporary failure"'

LEG_FAILURES = {
    LegFailure.NO_ACK: TerminationReason.NO_ACK,
    LegFailure.TRANSPORT_FAILED: TerminationReason.TRANSPORT_FAILED,
    LegFailure.PEER_GONE: TerminationReason.PEER_GONE,
    LegFailure.SESSION_EXPIRED: TerminationReason.SESSION_EXPIRED,
}
"""How a call ends whose leg the SIP stack has ended."""

_REFUSALS = {
    TerminationReason.BAD_OFFER: (488, RefusalReason.BAD_OFFER, None),
    TerminationReason.MEDIA_FAILED: (503, RefusalReason.INTERNAL_ERROR, 5),
    TerminationReason.DRAINED: (503, RefusalReason.DRAINING, 10),
}
"""SIP status, reason and Retry-After of calls that end from our side before they were answered."""

_LONGEST_DETAIL = 200


def clearing_of(termination: Termination) -> str:
    """The Reason header of a BYE that ends a call nobody in it has ended."""
    watched = termination.reason is TerminationReason.OPERATOR_HUNG_UP
    return NORMAL_CLEARING if watched else FAILURE_CLEARING


class CallEnded(Exception):
    """Leaves the walk; the termination has been noted."""


class CallRefused(Exception):
    """The call cannot be set up; nothing has been answered yet."""

    def __init__(self, reason: TerminationReason, error: Exception) -> None:
        super().__init__(str(error))
        self.reason = reason
        self.detail = printable(str(error))


def refusal_of(reason: TerminationReason, detail: str, route: Route) -> Refusal:
    """Why an admitted call was not answered after all, with the rules that had brought it so far."""
    status, word, retry_after_s = _REFUSALS.get(reason, (500, RefusalReason.INTERNAL_ERROR, None))
    rule = "media" if reason in {TerminationReason.BAD_OFFER, TerminationReason.MEDIA_FAILED} else "set_up"
    return Refusal(
        status=status,
        phrase=PHRASES[status],
        reason=word,
        rules=(*route.rules, RuleResult(rule=rule, held=False, detail=detail or reason.value)),
        retry_after_s=retry_after_s,
    )


def refusal_headers(refusal: Refusal) -> list[tuple[str, str]]:
    """Headers of the response that refuses: when to come back, and the detail as a Warning (RFC 3261 20.43)."""
    headers = [("Retry-After", str(refusal.retry_after_s))] if refusal.retry_after_s else []
    if refusal.reason is RefusalReason.BAD_OFFER:
        headers.append(("Warning", f'399 tieline "{refusal.rules[-1].detail}"'))
    return headers


def reason_of(headers: Headers) -> str:
    """What a peer's Reason header says (RFC 3326), as a short line; empty without one."""
    return printable(headers.joined("Reason") or "")


def printable(text: str) -> str:
    """Text that may hold anything a peer sent, fit for a quoted string in a header: one short line of ASCII."""
    shown = "".join(char if " " <= char <= "~" else "?" for char in text[:_LONGEST_DETAIL])
    return shown.replace('"', "'").replace("\\", "/")
