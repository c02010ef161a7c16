"""What is written down about a call: the facts of the INVITE, turns, outcome, ladder."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tieline.agent.messages import ConversationSnapshot, Run, RunKind, TurnResult
from tieline.calls.call_context import read_context
from tieline.calls.peer_text import readable
from tieline.calls.routing import Route
from tieline.clock import Clock
from tieline.errors import TielineError
from tieline.handoff.exposure import expose, shared_id_of
from tieline.integrations.profiles import dialect_of
from tieline.media.messages import LegClosed
from tieline.model.call import Termination
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, Turn
from tieline.model.handoff import HandoffPlan, HandoffRequest
from tieline.model.reservation import BindResult, BindVerdict
from tieline.model.sms import SmsMessage
from tieline.model.sms_segments import measure
from tieline.sip.events import InviteReceived
from tieline.sip.leg import TraceEntry
from tieline.sip.message import header_key

HIDDEN = "(hidden)"
HIDDEN_BODY = "(hidden: keypad input marked as personal data)"
HIDDEN_CONTENT = "(hidden: personal data)"

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization"})
"""Headers whose value is neither stored nor shown, beside the trunk's own token header."""

_INFO_CSEQ = re.compile(r"^CSeq:\s*\d+\s+INFO\s*$", re.MULTILINE | re.IGNORECASE)
# SDES keys and the older k= lines of session descriptions, in whatever content type they come.
_MEDIA_KEY = re.compile(
    r"(?<=[\r\n])([ \t]*(?:a[ \t]*=[ \t]*(?:crypto(?::\d+ +[\w-]+ +inline:)?|key-mgmt)|k[ \t]*=))[^\r\n]*",
    re.IGNORECASE,
)
_DIALOG_HEADERS = frozenset(
    {
        "via", "content-length", "content-type", "max-forwards", "cseq", "route", "record-route",
        "from", "to", "call-id", "contact", "authorization", "proxy-authorization",
    }
)  # fmt: skip
_LEAST_HIDDEN = 3
"""Shorter keypad inputs are not looked for in log lines: they are everywhere."""


@dataclass(frozen=True, slots=True)
class LegRecord:
    """What is kept of one leg: its messages and its media figures; `name` is `caller`, `callee`, `callee 2`, ..."""

    name: str
    trace: Sequence[TraceEntry]
    media: LegClosed | None


class CallRecord:
    """Gathers one call's facts and makes its records. Times come from `clock` as aware UTC."""

    def __init__(self, call_id: str, route: Route, invite: InviteReceived, clock: Clock) -> None:
        request = invite.request
        self._call_id = call_id
        self._route = route
        self._invite = invite
        self._clock = clock
        self._turns = itertools.count(0)
        self._metrics: list[dict[str, Any]] = []
        self.started_at = clock.utc()
        self.answered_at: datetime | None = None
        self.sip_call_id = readable(request.call_id)
        self.from_tag = readable(request.from_.tag or "")
        self.peer_host = _peer_host(invite)
        self.called_uri = _called_uri(invite)
        self.bound: BindResult | None = None
        self.input_channel = "keypad"
        self.hide_digits = False
        self.is_open = False
        self.peer_bye_headers: dict[str, str] = {}
        self._secret_headers = SECRET_HEADERS | {dialect_of(route.trunk).token_header.casefold()}
        self.sip_headers = {
            name: value
            for name, value in joined_headers(request.headers.items()).items()
            if name.casefold() not in self._secret_headers
        }
        self.context = read_context(request, route.trunk, route.caller, self._secret_headers)
        self.shared_id: str | None = _shared_id(route.attributes) or self.context.shared_id

    def note_bind(self, bound: BindResult) -> None:
        """What the reserved number brought; `shared_id` among the attributes is the conversation's."""
        self.bound = bound
        self.shared_id = _shared_id(bound.attributes) or self.shared_id

    def snapshot(self) -> ConversationSnapshot:
        """`conv` at the start of the call."""
        project = self._route.project
        return ConversationSnapshot(
            id=self._call_id,
            account_id=project.account,
            project_id=project.id,
            env=project.env.value,
            channel_type=self._route.channel,
            sip_headers=self.sip_headers,
            integration_attributes=self.bound.attributes if self.bound else self._route.attributes,
            caller_number=self._route.caller,
            callee_number=self._route.callee,
            context=[msgspec.to_builtins(value) for value in self.context.values],
        )

    def opened(self) -> ConversationOpened:
        """The record that starts the conversation."""
        reservation = self.bound.reservation if self.bound else None
        return ConversationOpened(
            id=self._call_id,
            account=self._route.project.account,
            project=self._route.project.id,
            env=self._route.project.env.value,
            channel_type=self._route.channel,
            trunk=self._route.trunk.name,
            sip_call_id=self.sip_call_id,
            from_tag=self.from_tag,
            caller_number=self._route.caller,
            callee_number=self._route.callee,
            reservation_id=reservation.id if reservation else None,
            shared_id=self.shared_id,
            attributes_json=reservation.attributes_json if reservation else _json(self._route.attributes),
            sip_headers=self.sip_headers,
            rules=tuple(msgspec.to_builtins(rule) for rule in (*self._route.rules, *self.context.remarks)),
            context=self.context.values,
            late=self.bound is not None and self.bound.verdict is BindVerdict.LATE,
            started_at=self.started_at,
        )

    def turn(self, run: Run, result: TurnResult, conversation: ConversationSnapshot) -> Turn:
        """One run as a stored turn; `conversation` is what it left behind.

        Input marked as personal data is left out, also where the code's own log lines repeat it. Of a run that
        failed, only its log and its function runs count.
        """
        secret = run.user_input or "" if run.input_is_pii else ""
        utterance = ""
        if result.failure is None:
            self._metrics.extend(_without(msgspec.to_builtins(metric), secret) for metric in result.metrics)
            utterance = " ".join(text for text in result.utterances if text)
        logs = (_log_entry(entry) for entry in msgspec.to_builtins(result.logs))
        return Turn(
            index=next(self._turns),
            at=self._clock.utc(),
            channel=self.input_channel if run.kind is RunKind.TURN else run.kind.value,
            user_input=None if run.input_is_pii else run.user_input,
            utterance=_without(utterance, secret),
            function_runs=tuple(msgspec.to_builtins(function) for function in result.function_runs),
            logs=tuple(_without(entry, secret) for entry in logs),
            state_json=msgspec.json.encode(conversation.state).decode(),
        )

    def messages(self, turn: Turn, result: TurnResult) -> tuple[SmsMessage, ...]:
        """What a run asks to be sent, to be stored with its turn. Their ids follow from it: they are made once."""
        if result.failure is not None:
            return ()
        project = self._route.project
        return tuple(
            SmsMessage(
                id=f"{self._call_id}-{turn.index}-{number}",
                account=project.account,
                project=project.id,
                env=project.env,
                conversation_id=self._call_id,
                to=one.to,
                from_=one.from_,
                content=one.content,
                template=one.template,
                segments=measure(one.content).segments,
                retry_count=one.retry_count,
                created_at=turn.at,
                changed_at=turn.at,
                next_at=turn.at,
            )
            for number, one in enumerate(result.messages)
        )

    def setup_s(self) -> float:
        """Seconds from the INVITE until now."""
        return (self._clock.utc() - self.started_at).total_seconds()

    def talk_s(self) -> float:
        """Seconds since the answer; 0 for a call that was never answered."""
        return (self._clock.utc() - self.answered_at).total_seconds() if self.answered_at else 0.0

    def variables(self, conversation: ConversationSnapshot) -> dict[str, Any]:
        """What `$variables` in headers are filled from."""
        return {
            **conversation.state,
            "caller_number": conversation.caller_number,
            "callee_number": conversation.callee_number,
            "conversation_id": self._call_id,
            "shared_id": self.current_shared_id(conversation),
        }

    def current_shared_id(self, conversation: ConversationSnapshot) -> str | None:
        """The shared id as the agent has it now, else as the call brought it."""
        return shared_id_of(conversation.state, self._route.project.handoff_api, self.shared_id)

    def outcome(
        self, conversation: ConversationSnapshot, plan: HandoffPlan | None, revision: int = 0
    ) -> Outcome:
        """The row that Get Handoff answers from."""
        return Outcome(
            conversation_id=self._call_id,
            shared_id=self.current_shared_id(conversation),
            handed_off=plan is not None,
            data=expose(conversation.state, self._route.project.handoff_api, plan),
            handoff=msgspec.to_builtins(plan) if plan is not None else None,
            saved_at=self._clock.utc(),
            revision=revision,
        )

    def closed(
        self,
        termination: Termination,
        trace: Sequence[TraceEntry],
        media: LegClosed | None,
        further: Sequence[LegRecord] = (),
    ) -> ConversationClosed:
        """The record that ends the conversation; `further` are the legs that handoffs made."""
        figures = {"caller": media, **{leg.name: leg.media for leg in further}}
        return ConversationClosed(
            conversation_id=self._call_id,
            termination=termination,
            answered_at=self.answered_at,
            ended_at=self._clock.utc(),
            ladder=self.ladder([LegRecord("caller", trace, media), *further]),
            media=_figures(figures),
            metrics=tuple(self._metrics),
            peer_bye_headers=self.peer_bye_headers,
        )

    def ladder(self, legs: Sequence[LegRecord]) -> tuple[dict[str, Any], ...]:
        """The messages of all legs in the order of their times."""
        begun = [leg.trace[0].at for leg in legs if leg.trace]
        entries = [
            entry
            for leg in legs
            for entry in ladder_entries(
                leg.trace,
                hide_digits=self.hide_digits,
                secret_headers=self._secret_headers,
                origin=min(begun, default=0.0),
                leg=leg.name,
            )
        ]
        return tuple(sorted(entries, key=lambda entry: float(entry["at_ms"])))


def _shared_id(attributes: Mapping[str, Any]) -> str | None:
    """The shared id among attributes: text or a whole number."""
    found = attributes.get("shared_id")
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) and str(found) else None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _figures(legs: dict[str, LegClosed | None]) -> dict[str, Any] | None:
    """The caller's figures, with those of further legs under their names."""
    known = {name: _figures_of(leg) for name, leg in legs.items() if leg is not None}
    own = known.pop("caller", None)
    return {**(own or {}), **known} if own is not None or known else None


def _figures_of(leg: LegClosed) -> dict[str, Any]:
    """One leg's figures, without what only the media process goes by."""
    return {name: value for name, value in msgspec.to_builtins(leg).items() if name not in {"type", "leg_id"}}


def _peer_host(invite: InviteReceived) -> str:
    """Where the peer takes requests within the call: the host of its Contact, with a port where it names one."""
    try:
        contact = invite.request.contact
        if contact is not None and contact.uri.host:
            return f"{contact.uri.host}{'' if contact.uri.port is None else f':{contact.uri.port}'}"
    except TielineError:
        pass  # a Contact that is no address: the source of the INVITE stands in
    host, port = invite.flow.remote[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _called_uri(invite: InviteReceived) -> str:
    """Who was called, as the caller's side names us: the URI of To."""
    try:
        return invite.request.to.uri.text
    except TielineError:
        return invite.request.uri_text


def handoff_request(shape: dict[str, Any]) -> HandoffRequest:
    """The agent's handoff, from its JSON shape."""
    return msgspec.convert(shape, HandoffRequest)


def joined_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers as `conv.sip_headers` shows them: first spelling kept, repeated ones joined with a comma.

    A compact form (`f`) is written out, for nobody would look for it.
    """
    joined: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for name, value in headers:
        key = header_key(name)
        shown = spelling.setdefault(key, name if len(name) > 1 else key.title())
        text = readable(value)
        joined[shown] = f"{joined[shown]}, {text}" if shown in joined else text
    return joined


def custom_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers of a BYE that say something: all but those of the dialog's own working."""
    return {
        name: value
        for name, value in joined_headers(headers).items()
        if name.casefold() not in _DIALOG_HEADERS
    }


def ladder_entries(
    trace: Sequence[TraceEntry],
    *,
    hide_digits: bool,
    secret_headers: frozenset[str] = SECRET_HEADERS,
    origin: float | None = None,
    leg: str = "caller",
) -> Iterable[dict[str, Any]]:
    """A leg's messages in the shape that `tieline.observe.ladder` draws, without what is secret or personal.

    `origin` is the monotonic second that `at_ms` counts from, the first message's by default.
    """
    origin = trace[0].at if origin is None and trace else origin or 0.0
    for message in trace:
        head, gap, body = message.data.decode("utf-8", "replace").partition("\r\n\r\n")
        if hide_digits and body and (head.startswith("INFO ") or _INFO_CSEQ.search(head)):
            body = HIDDEN_BODY
        text = _hide_headers(head, secret_headers) + gap + body
        yield {
            "at_ms": round((message.at - origin) * 1000, 1),
            "leg": leg,
            "direction": message.direction,
            "peer": f"{message.flow.remote[0]}:{message.flow.remote[1]}",
            "text": _MEDIA_KEY.sub(rf"\1{HIDDEN}", text),
        }


def _hide_headers(head: str, secret: frozenset[str]) -> str:
    """The start line and headers with the values of secret ones taken out, folded lines included."""
    shown: list[str] = []
    hiding = False
    for line in head.split("\r\n"):
        if line[:1] in {" ", "\t"}:
            if not hiding:
                shown.append(line)
            continue
        name, colon, _ = line.partition(":")
        hiding = bool(colon) and name.strip().casefold() in secret
        shown.append(f"{name}: {HIDDEN}" if hiding else line)
    return "\r\n".join(shown)


def _without(value: Any, secret: str) -> Any:
    """JSON without the digits that were personal data."""
    if len(secret) < _LEAST_HIDDEN:
        return value
    if isinstance(value, str):
        return value.replace(secret, HIDDEN)
    if isinstance(value, dict):
        return {key: _without(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, secret) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and secret in str(value):
        return HIDDEN
    return value


def _log_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """A line of the conversation's log; what the code marked as personal data is not stored."""
    if entry.get("is_pii"):
        return {**entry, "content": HIDDEN_CONTENT, "fields": {}}
    return entry
