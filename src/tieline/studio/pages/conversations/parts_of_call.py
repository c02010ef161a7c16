"""The parts of the call page, each from what is stored of the call."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from nicegui import ui

from tieline.admin.call_words import ENDS, FAILURES, FAULTS, reason_words
from tieline.calls.live import Health, LegSound
from tieline.model.conversation import Conversation, ConversationClosed
from tieline.model.receipt import Receipt, ReceiptState, ReceiptStep, Step
from tieline.studio.pages.conversations.words import outcome_of, talk_s
from tieline.studio.parts.cards import card, titled_card, values
from tieline.studio.parts.states import Tone, badge, note
from tieline.studio.parts.tables import Column, DataTable, Kind, table
from tieline.studio.parts.times import duration

STATE_TONES = {ReceiptState.DONE: Tone.GOOD, ReceiptState.FAILED: Tone.BAD, ReceiptState.UNDER_WAY: Tone.INFO}
HEALTH_TONES = {
    Health.GOOD: Tone.GOOD,
    Health.FAIR: Tone.WARN,
    Health.POOR: Tone.BAD,
    Health.SILENT: Tone.BAD,
}
SOUND = {
    "leg": "Leg", "codec": "Codec", "received": "Received", "lost": "Lost", "late": "Late",
    "discarded": "Discarded", "jitter": "Jitter", "sent": "Sent", "peak": "Loudest",
}  # fmt: skip
CODECS = {"0": "PCMU", "8": "PCMA"}
_AUDIO = re.compile(r"^m=audio \d+ \S+ (\d+)", re.MULTILINE)


def end_note(call: Conversation) -> None:
    """Why the call ended, whose doing it was, and where to look."""
    closed = call.closed
    if closed is None:
        return
    end = closed.termination
    words = ENDS[end.reason]
    _, tone, _ = outcome_of(call)
    with note(words.title, f"{words.text} {FAULTS[end.fault]}", Tone.INFO if tone is Tone.QUIET else tone):
        if end.detail:
            ui.label(end.detail).classes("tl-mono tl-small")
        if words.advice:
            ui.label(words.advice).classes("tl-small")


def who_and_when(call: Conversation, project: str) -> None:
    """From and to, over what, when and for how long, and by which names the call is known."""
    opened, closed, outcome = call.opened, call.closed, call.outcome
    shared_id = outcome.shared_id if outcome is not None and outcome.shared_id else opened.shared_id
    ending: dict[str, Any] = {}
    if closed is not None:
        answered = closed.answered_at
        ending = {
            "Answered after": duration((answered - opened.started_at).total_seconds()) if answered else None,
            "Talked for": duration(talk_s(call)),
            "Ended": closed.ended_at,
        }
    values(
        {
            "From": opened.caller_number or "withheld",
            "To": opened.callee_number or "unknown",
            "Project": f"{project} ({opened.env})",
            "Trunk": opened.trunk,
            "Channel": opened.channel_type,
            "Started": opened.started_at,
            **ending,
            "Shared id": shared_id,
            "Reservation": f"{opened.reservation_id}{' (late)' if opened.late else ''}"
            if opened.reservation_id
            else None,
            "Call id": opened.id,
            "SIP Call-ID": opened.sip_call_id,
            "Further legs": ", ".join(call.further_call_ids) or None,
        }
    )


def route(call: Conversation) -> None:
    """The decision where the call goes, rule by rule."""
    if not call.opened.rules:
        ui.label("No rules were asked.").classes("tl-muted")
    for rule in call.opened.rules:
        rule_line(str(rule.get("rule", "")), str(rule.get("detail", "")), held=bool(rule.get("held")))


def rule_line(rule: str, detail: str, *, held: bool) -> None:
    """One rule, whether it held, and what was seen."""
    with ui.element("div").classes(f"tl-rule tl-rule-{'held' if held else 'failed'}"):
        icon = ui.icon("check_circle" if held else "remove_circle_outline")
        icon.props(f'role=img aria-label="{"held" if held else "did not hold"}"')
        with ui.element("div"):
            ui.label(reason_words(rule)).style("font-weight: 600")
            ui.label(detail).classes("tl-muted tl-small")


def handoffs(call: Conversation) -> None:
    """What was asked for, and each handoff step by step."""
    outcome = call.outcome
    plan = outcome.handoff if outcome is not None else None
    if plan:
        with card("Handoff as it was planned"):
            values(
                {
                    "Destination": plan.get("destination"),
                    "Method": str(plan.get("method") or "").upper(),
                    "Route": plan.get("route"),
                    "Reason": plan.get("reason"),
                    "Headers": lambda: _pairs(plan.get("headers") or ()),
                    "Left out": lambda: _pairs(plan.get("left_out") or ()),
                }
            )
    for number, receipt in enumerate(call.receipts, 1):
        title = "Handoff receipt" if len(call.receipts) == 1 else f"Handoff receipt {number}"
        with titled_card(title, flush=True) as beside:
            with beside:
                badge(reason_words(receipt.state), STATE_TONES[receipt.state])
            _steps(receipt, call)


def _pairs(pairs: Any) -> None:
    if not pairs:
        ui.label("–").classes("tl-muted")
    for name, value in pairs:
        ui.label(f"{name}: {value}").classes("tl-mono tl-small")


def _steps(receipt: Receipt, call: Conversation) -> None:
    start = call.opened.started_at

    def row_of(index: int, step: ReceiptStep) -> dict[str, Any]:
        why = f"{reason_words(step.failure)}" if step.failure is not None else ""
        advice = f"; {FAILURES[step.retry]}" if step.retry is not None else ""
        bad, good = step.step in {Step.FAILED, Step.SKIPPED}, step.step is Step.DONE
        return {
            "id": str(index),
            "at": f"{(step.at - start).total_seconds():.2f} s",
            "step": reason_words(step.step),
            "step_tone": (Tone.BAD if bad else Tone.GOOD if good else Tone.QUIET).value,
            "way": f"{step.method.value.upper()} {step.destination or ''}".strip(),
            "way_sub": f"rung {step.rung}" if step.rung else "",
            "evidence": step.evidence or (str(step.status) if step.status else ""),
            "detail": f"{why}{advice}" or step.detail,
            "detail_sub": step.detail if why else "",
        }

    DataTable(
        [
            Column("at", "At", "number", sortable=False),
            Column("step", "Step", "badge", sortable=False),
            Column("way", "Way", sortable=False),
            Column("evidence", "Evidence", "mono", sortable=False),
            Column("detail", "What it means", sortable=False),
        ],
        [row_of(index, step) for index, step in enumerate(receipt.steps)],
        per_page=100,
        label="Steps of the handoff",
    )


def context(call: Conversation) -> None:
    """Attributes and what headers told, each with its source, best first."""
    rows = [
        {
            "id": str(index),
            "key": value.key,
            "value": text_of(value.value),
            "source": f"{value.origin.value}: {value.name}",
            "source_sub": f"profile {value.profile}" if value.profile else "",
        }
        for index, value in enumerate(call.opened.whole_context())
    ]
    _named_rows(
        "Attributes and context", rows, ("key", "value", "source"), "No attributes came with the call."
    )


def headers(call: Conversation) -> None:
    """All headers of the INVITE, and those of the peer's BYE."""
    told = [("INVITE", call.opened.sip_headers)]
    if call.closed is not None and call.closed.peer_bye_headers:
        told.append(("BYE", call.closed.peer_bye_headers))
    for title, found in told:
        rows = [{"id": name, "key": name, "value": value} for name, value in found.items()]
        _named_rows(f"Headers of the {title}", rows, ("key", "value"), "None were kept.")


def outcome(call: Conversation) -> None:
    """What Get Handoff answers, the last state, and the metrics that the agent wrote."""
    state = msgspec.json.decode(call.turns[-1].state_json) if call.turns else {}
    exposed = call.outcome.data if call.outcome is not None else {}
    metrics = (
        {one.get("name"): one.get("value") for one in call.closed.metrics} if call.closed is not None else {}
    )
    for title, found, nothing in (
        ("Get Handoff answers", exposed, "Nothing is exposed."),
        (
            "State at the end" if call.closed is not None else "State now",
            state if isinstance(state, dict) else {},
            "The agent kept no state.",
        ),
        ("Metrics", metrics, ""),
    ):
        if found or nothing:
            rows = [
                {"id": str(name), "key": str(name), "value": text_of(value)} for name, value in found.items()
            ]
            _named_rows(title, rows, ("key", "value"), nothing)


def _named_rows(title: str, rows: list[dict[str, str]], columns: tuple[str, ...], nothing: str) -> None:
    titles = {"key": "Name", "value": "Value", "source": "From where"}
    with card(title, flush=bool(rows)):
        if not rows:
            ui.label(nothing).classes("tl-muted")
            return
        kinds = {"key": "text", "value": "mono", "source": "text"}
        DataTable(
            [
                Column(name, titles[name], kinds[name], sortable=False, nowrap=name == "key")  # type: ignore[arg-type]
                for name in columns
            ],
            rows,
            per_page=200,
            label=title,
        )


def sound(closed: ConversationClosed) -> None:
    """How the audio of each leg got through."""
    media = closed.media or {}
    legs = {"caller": {name: one for name, one in media.items() if not isinstance(one, dict)}}
    legs |= {name: one for name, one in media.items() if isinstance(one, dict)}
    rows = [_sound_row(name, codec_of(closed, name), leg) for name, leg in legs.items() if leg]
    if not rows:
        ui.label("No audio figures were kept.").classes("tl-muted")
        return
    DataTable(_sound_columns(SOUND), rows, label="Audio of each leg")


class LiveSound:
    """How the audio of each leg gets through while the call is up."""

    def __init__(self) -> None:
        with card("Sound", flush=True):
            self._table = table(
                _sound_columns({"leg": SOUND["leg"], "health": "Now", **SOUND}),
                [],
                icon="graphic_eq",
                nothing="Nothing was told yet",
                text="The figures of the sound come every few seconds while the call is up.",
                label="Audio of each leg",
            )
        self._shown: tuple[LegSound, ...] = ()

    def show(self, told: tuple[LegSound, ...]) -> None:
        """Show these figures."""
        if told == self._shown:
            return
        self._shown = told
        self._table.rows = [
            {
                **_sound_row(one.leg, one.codec, msgspec.structs.asdict(one)),
                "health": one.health.value,
                "health_tone": HEALTH_TONES[one.health].value,
            }
            for one in told
        ]


def _sound_columns(titles: dict[str, str]) -> list[Column]:
    kinds: dict[str, Kind] = {"leg": "text", "codec": "text", "health": "badge"}
    return [Column(name, title, kinds.get(name, "number"), sortable=False) for name, title in titles.items()]


def _sound_row(name: str, codec: str, leg: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "leg": name,
        "codec": codec,
        "received": f"{leg.get('packets_received', 0):,}",
        "sent": f"{leg.get('packets_sent', 0):,}",
        "lost": f"{leg.get('packets_lost', 0):,}",
        "lost_sub": _share(leg),
        "late": f"{leg.get('packets_late', 0):,}",
        "discarded": f"{leg.get('packets_discarded', 0):,}",
        "jitter": f"{float(leg.get('jitter_ms', 0)):.1f} ms",
        "peak": f"{100 * float(leg.get('peak_level', 0)):.0f} %",
    }


def _share(leg: dict[str, Any]) -> str:
    """What share of the peer's packets was lost."""
    lost, received = leg.get("packets_lost", 0), leg.get("packets_received", 0)
    return f"{100 * lost / (lost + received):.2f} %" if lost else ""


def codec_of(closed: ConversationClosed, leg: str) -> str:
    """What a leg spoke, by the last session description that answered an offer on it; a dash where none was kept."""
    for entry in reversed(closed.ladder):
        text = str(entry.get("text", ""))
        found = _AUDIO.search(text)
        if entry.get("leg", "caller") == leg and text.startswith("SIP/2.0 200") and found:
            return CODECS.get(found[1], f"payload type {found[1]}")
    return "–"


def text_of(value: Any) -> str:
    """A value as one line of text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
