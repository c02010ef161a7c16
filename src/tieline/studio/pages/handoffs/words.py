"""Handoffs in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nicegui import ui

from tieline.admin.handoffs import DestinationSource
from tieline.model.handoff import Destination, HandoffMethod, RingSound, Rung
from tieline.resources.handoff_check import HandoffRemark
from tieline.studio.parts.states import Tone, tell

METHODS = {
    HandoffMethod.REFER.value: "SIP REFER",
    HandoffMethod.INVITE.value: "SIP INVITE",
    HandoffMethod.BYE.value: "SIP BYE",
}
"""The methods, in the order in which they are offered."""

METHOD_HINTS = {
    HandoffMethod.REFER.value: "The other side is told where the caller is to go, and we are out of the call.",
    HandoffMethod.INVITE.value: "We call the destination ourselves, join the two, and stay in the call.",
    HandoffMethod.BYE.value: "Our leg ends; the phone system that sent the caller takes them back.",
}

RING_SOUNDS = {
    RingSound.EARLY_MEDIA.value: "what the other side sends",
    RingSound.TONE.value: "a ringing tone",
    RingSound.SILENCE.value: "silence",
}

SOURCES = {
    DestinationSource.FOLDER: "agent's folder",
    DestinationSource.LAID_OVER: "laid over the agent's folder",
    DestinationSource.RESOURCES: "",
}

_STEP = re.compile(r"^step \d+ of the \w+'s ladder: ")

TONES = {"error": Tone.BAD, "warning": Tone.WARN, "info": Tone.INFO}


def route_of(destination: Destination) -> str:
    """Where a destination leads, in words."""
    config = destination.sip_config
    if config.method is HandoffMethod.BYE:
        return "back to where the call came from"
    return config.phone_number or "given by the agent's code"


def fallback_of(destination: Destination) -> str:
    """What comes next when a destination's own method has failed, in words."""
    if destination.fallback is None:
        return "as the trunk's profile has it"
    if not destination.fallback:
        return "none: back to the agent"
    return ", then ".join(rung_in_words(one) for one in destination.fallback)


def rung_in_words(rung: Rung) -> str:
    """One step of a ladder."""
    method = METHODS[rung.method.value] if rung.method is not None else ""
    if rung.destination is None:
        return method
    return f"{rung.destination} by {method}" if method else rung.destination


def show_remarks(remarks: Sequence[HandoffRemark]) -> None:
    """What will not get through, each with its fix; what holds for several steps of a ladder is told once."""
    told: set[tuple[str, str]] = set()
    for one in remarks:
        what = (_STEP.sub("", one.message), one.fix)
        if what in told:
            continue
        told.add(what)
        where = f"{', '.join(one.trunks)}: " if one.trunks else ""
        fix = f"{one.fix[:1].upper()}{one.fix[1:]}."
        tell(f"{where}{one.message}", fix, TONES[one.level.value])


def in_words(remark: HandoffRemark) -> str:
    """One remark as a sentence."""
    where = f"{', '.join(remark.trunks)}: " if remark.trunks else ""
    return f"{where}{remark.message}; {remark.fix}."


def count_remarks(remarks: Sequence[HandoffRemark]) -> tuple[str, Tone] | None:
    """How bad it is, in two words."""
    for level, noun in (("error", "problem"), ("warning", "warning")):
        number = sum(one.level.value == level for one in remarks)
        if number:
            return f"{number} {noun}{'s' if number > 1 else ''}", TONES[level]
    return None


def muted(text: str) -> ui.label:
    """A quiet line."""
    return ui.label(text).classes("tl-muted tl-small")
