"""The life of a call, and the closed list of ways in which one ends.

A call is offered by an INVITE, answered with 200, talks, may be handed off, and ends. Every call ends in exactly
one `Termination`: whose fault it was and a word from a closed list, fit for a metric label.
"""

from __future__ import annotations

from enum import StrEnum

from tieline.model.record import Record


class CallState(StrEnum):
    """Where a call is in its life."""

    OFFERED = "offered"
    ANSWERED = "answered"
    TALKING = "talking"
    HANDING_OFF = "handing_off"
    ENDED = "ended"


class CallEvent(StrEnum):
    """What moves a call from one state to the next."""

    ANSWER = "answer"
    GREET = "greet"
    HAND_OFF = "hand_off"
    HANDOFF_FAILED = "handoff_failed"
    END = "end"


CALL_TRANSITIONS: dict[tuple[CallState, CallEvent], CallState] = {
    (CallState.OFFERED, CallEvent.ANSWER): CallState.ANSWERED,
    (CallState.OFFERED, CallEvent.END): CallState.ENDED,
    (CallState.ANSWERED, CallEvent.GREET): CallState.TALKING,
    (CallState.ANSWERED, CallEvent.HAND_OFF): CallState.HANDING_OFF,
    (CallState.ANSWERED, CallEvent.END): CallState.ENDED,
    (CallState.TALKING, CallEvent.HAND_OFF): CallState.HANDING_OFF,
    (CallState.TALKING, CallEvent.END): CallState.ENDED,
    (CallState.HANDING_OFF, CallEvent.HANDOFF_FAILED): CallState.TALKING,
    (CallState.HANDING_OFF, CallEvent.END): CallState.ENDED,
}
"""Every allowed step; a pair that is not listed is a defect, not an input error."""


class Fault(StrEnum):
    """Whose doing the end of the call was."""

    CALLER = "caller"
    AGENT = "agent"
    US = "us"
    TRUNK = "trunk"
    PROVIDER = "provider"
    UNKNOWN = "unknown"


class TerminationReason(StrEnum):
    """Why a call ended. Documented one by one in docs/reference/terminations.md."""

    CALLER_HUNG_UP = "caller_hung_up"
    CALLER_CANCELLED = "caller_cancelled"
    AGENT_HUNG_UP = "agent_hung_up"
    OPERATOR_HUNG_UP = "operator_hung_up"
    HANDED_OFF = "handed_off"
    AGENT_FAILED = "agent_failed"
    NO_ACK = "no_ack"
    NO_MEDIA = "no_media"
    HELD_TOO_LONG = "held_too_long"
    MEDIA_FAILED = "media_failed"
    BAD_OFFER = "bad_offer"
    REFUSED = "refused"
    TRANSPORT_FAILED = "transport_failed"
    PEER_GONE = "peer_gone"
    SESSION_EXPIRED = "session_expired"
    DRAINED = "drained"
    INTERRUPTED = "interrupted"
    INTERNAL_ERROR = "internal_error"


FAULT_OF: dict[TerminationReason, Fault] = {
    TerminationReason.CALLER_HUNG_UP: Fault.CALLER,
    TerminationReason.CALLER_CANCELLED: Fault.CALLER,
    TerminationReason.AGENT_HUNG_UP: Fault.AGENT,
    TerminationReason.OPERATOR_HUNG_UP: Fault.US,
    TerminationReason.HANDED_OFF: Fault.AGENT,
    TerminationReason.AGENT_FAILED: Fault.AGENT,
    TerminationReason.NO_ACK: Fault.TRUNK,
    TerminationReason.NO_MEDIA: Fault.TRUNK,
    TerminationReason.HELD_TOO_LONG: Fault.TRUNK,
    TerminationReason.MEDIA_FAILED: Fault.US,
    TerminationReason.BAD_OFFER: Fault.TRUNK,
    TerminationReason.REFUSED: Fault.TRUNK,
    TerminationReason.TRANSPORT_FAILED: Fault.TRUNK,
    TerminationReason.PEER_GONE: Fault.TRUNK,
    TerminationReason.SESSION_EXPIRED: Fault.TRUNK,
    TerminationReason.DRAINED: Fault.US,
    TerminationReason.INTERRUPTED: Fault.US,
    TerminationReason.INTERNAL_ERROR: Fault.US,
}


class Termination(Record):
    """How a call ended: the fault, the reason, and a sentence with the particulars."""

    fault: Fault
    reason: TerminationReason
    detail: str = ""

    @classmethod
    def of(cls, reason: TerminationReason, detail: str = "") -> Termination:
        """The termination for `reason`, with the fault that the table names."""
        return cls(fault=FAULT_OF[reason], reason=reason, detail=detail)
