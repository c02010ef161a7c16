"""What a SIP status means for a handoff, and what to do about each failure."""

from __future__ import annotations

from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Retry

_F = HandoffFailure

FAILURE_OF_STATUS: dict[int, HandoffFailure] = {
    401: _F.AUTHENTICATION_FAILED,
    403: _F.FORBIDDEN,
    404: _F.NOT_FOUND,
    405: _F.NOT_SUPPORTED,
    407: _F.AUTHENTICATION_FAILED,
    408: _F.NO_ANSWER,
    410: _F.NOT_FOUND,
    415: _F.MEDIA_REFUSED,
    420: _F.NOT_SUPPORTED,
    480: _F.NO_ANSWER,
    484: _F.NOT_FOUND,
    486: _F.BUSY,
    487: _F.NO_ANSWER,
    488: _F.MEDIA_REFUSED,
    489: _F.NOT_SUPPORTED,
    501: _F.NOT_SUPPORTED,
    600: _F.BUSY,
    603: _F.DECLINED,
    604: _F.NOT_FOUND,
    606: _F.MEDIA_REFUSED,
}
"""The failure that a final response stands for. Not listed: 3xx `redirected`, 5xx `unavailable`, else `rejected`."""

FAILURE_OF_REFER_STATUS: dict[int, HandoffFailure] = {408: _F.NO_RESPONSE, 415: _F.NOT_SUPPORTED}
"""Where the answer to the REFER itself means something else than the same answer to an INVITE."""

FAILURE_MADE_HERE: dict[int, HandoffFailure] = {408: _F.NO_RESPONSE, 503: _F.TRANSPORT_FAILED}
"""Statuses that our own stack made up, because nothing came or nothing could be sent."""

RETRY_OF: dict[HandoffFailure, Retry] = {
    _F.NOT_SUPPORTED: Retry.OTHER_METHOD,
    _F.FORBIDDEN: Retry.FIX_SETTINGS,
    _F.AUTHENTICATION_FAILED: Retry.FIX_SETTINGS,
    _F.BUSY: Retry.LATER,
    _F.DECLINED: Retry.OTHER_DESTINATION,
    _F.NO_ANSWER: Retry.LATER,
    _F.NOT_FOUND: Retry.FIX_SETTINGS,
    _F.UNAVAILABLE: Retry.LATER,
    _F.REDIRECTED: Retry.FIX_SETTINGS,
    _F.MEDIA_REFUSED: Retry.FIX_SETTINGS,
    _F.NOT_ACCEPTED: Retry.OTHER_DESTINATION,
    _F.NO_RESPONSE: Retry.LATER,
    _F.NO_NOTIFY: Retry.OTHER_METHOD,
    _F.TRANSPORT_FAILED: Retry.LATER,
    _F.REJECTED: Retry.OTHER_METHOD,
    _F.CALLER_HUNG_UP: Retry.NEVER,
    _F.MISCONFIGURED: Retry.FIX_SETTINGS,
    _F.INTERNAL_ERROR: Retry.LATER,
}
"""What to do about each failure."""

MEANING_OF: dict[HandoffFailure, str] = {
    _F.NOT_SUPPORTED: "The peer does not know the method (405, 420, 489, 501), or its profile says so.",
    _F.FORBIDDEN: "The peer knows the method and does not let us use it (403).",
    _F.AUTHENTICATION_FAILED: "The peer asked for credentials and did not take ours, or we have none (401, 407).",
    _F.BUSY: "The other side is on the phone (486, 600).",
    _F.DECLINED: "The other side pressed the call away (603).",
    _F.NO_ANSWER: "It rang and nobody answered in time (408, 480, 487, or our own ring timeout).",
    _F.NOT_FOUND: "The target does not exist or its number is incomplete (404, 410, 484, 604).",
    _F.UNAVAILABLE: "A server on the way cannot do it now (5xx).",
    _F.REDIRECTED: "The target is elsewhere (3xx); redirects are not followed.",
    _F.MEDIA_REFUSED: "No codec or encryption in common (415, 488, 606), or the media could not be joined.",
    _F.NOT_ACCEPTED: "The human answered, but hung up on the whisper or did not press the key.",
    _F.NO_RESPONSE: "Nothing came back for what we sent.",
    _F.NO_NOTIFY: "The REFER was accepted, and then nothing told how it went.",
    _F.TRANSPORT_FAILED: "What we sent could not be delivered, or the leg broke.",
    _F.REJECTED: "Any other refusal; the status says more.",
    _F.CALLER_HUNG_UP: "The caller was gone before it was done.",
    _F.MISCONFIGURED: "The step cannot be tried as it is configured.",
    _F.INTERNAL_ERROR: "A defect of ours.",
}
"""Each failure in a sentence, for the reference and for people."""


def failure_of(method: HandoffMethod, status: int, *, made_here: bool = False) -> HandoffFailure:
    """The failure that a final status of 300 or more stands for.

    `method` is REFER for the answer to the REFER itself; the status in a NOTIFY is that of an INVITE. `made_here`
    tells the 408 and 503 of our own stack from the peer's.
    """
    if made_here and status in FAILURE_MADE_HERE:
        return FAILURE_MADE_HERE[status]
    if method is HandoffMethod.REFER and status in FAILURE_OF_REFER_STATUS:
        return FAILURE_OF_REFER_STATUS[status]
    found = FAILURE_OF_STATUS.get(status)
    if found is not None:
        return found
    if 300 <= status < 400:
        return HandoffFailure.REDIRECTED
    if 500 <= status < 600:
        return HandoffFailure.UNAVAILABLE
    return HandoffFailure.REJECTED
