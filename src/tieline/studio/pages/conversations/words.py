"""Calls in a few words: numbers, outcomes and their tones."""

from __future__ import annotations

from tieline.admin.call_words import ENDS
from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import Conversation
from tieline.studio.parts.states import Tone

FAULT_TONES = {
    Fault.CALLER: Tone.GOOD,
    Fault.AGENT: Tone.GOOD,
    Fault.US: Tone.BAD,
    Fault.TRUNK: Tone.WARN,
    Fault.PROVIDER: Tone.WARN,
    Fault.UNKNOWN: Tone.QUIET,
}

_TONES = {
    TerminationReason.AGENT_FAILED: Tone.BAD,
    TerminationReason.CALLER_CANCELLED: Tone.QUIET,
    TerminationReason.OPERATOR_HUNG_UP: Tone.QUIET,
    TerminationReason.DRAINED: Tone.WARN,
}


def number_or(number: str | None, otherwise: str) -> str:
    """A number, or what stands in for one that is not known."""
    return number or otherwise


def tone_of(reason: TerminationReason, fault: Fault) -> Tone:
    """How an end is to be taken."""
    return _TONES.get(reason, FAULT_TONES[fault])


def outcome_of(call: Conversation) -> tuple[str, Tone, str]:
    """A call's outcome in a word or two, its tone, and a sentence that says more."""
    closed, outcome = call.closed, call.outcome
    if closed is None:
        return "up", Tone.INFO, call.state.value.replace("_", " ")
    end = closed.termination
    title = ENDS[end.reason].title
    if outcome is not None and outcome.handed_off:
        handoff = outcome.handoff or {}
        where = handoff.get("destination") or handoff.get("method") or ""
        tone = Tone.GOOD if end.reason is TerminationReason.HANDED_OFF else tone_of(end.reason, end.fault)
        return "handed off", tone, f"to {where}" if where else title
    if closed.answered_at is None:
        return "not answered", tone_of(end.reason, end.fault), title
    if end.reason in {TerminationReason.AGENT_HUNG_UP, TerminationReason.CALLER_HUNG_UP}:
        return "contained", Tone.GOOD, title
    return "ended", tone_of(end.reason, end.fault), title


def talk_s(call: Conversation) -> float | None:
    """Seconds from the answer to the end; None while the call is up, and where nobody answered."""
    closed = call.closed
    if closed is None or closed.answered_at is None:
        return None
    return (closed.ended_at - closed.answered_at).total_seconds()
