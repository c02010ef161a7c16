"""What the server and an agent process say to each other.

The customer's code runs in *runner* processes, one function of one call at a time. Everything a function may see
travels in as a `ConversationSnapshot`; everything it changed or asked for travels out in a `TurnResult`. No call
lives in a runner, so a runner that hangs, exits or runs out of memory costs only the run it was doing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from tieline.model.record import Record


class Message(Record, tag=True):
    """Base of all messages; the tag is the class name."""


class ConversationSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`conv` between two runs. JSON-safe throughout.

    `context` holds the `tieline.model.context.ContextValue`s of the INVITE; those of the reservation are the
    attributes. `handoff_result` says how the last handoff went (keys
    `destination, method, state, reason, retry, status, detail`; `duration_s` after a bridge), None before the first.
    """

    id: str
    account_id: str
    project_id: str
    env: str
    channel_type: str
    sip_headers: dict[str, str] = {}
    integration_attributes: dict[str, Any] = {}
    caller_number: str | None = None
    callee_number: str | None = None
    state: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    current_flow: str | None = None
    current_step: str | None = None
    variant_name: str | None = None
    language: str | None = None
    metrics_written: list[str] = []
    context: list[dict[str, Any]] = []
    handoff_result: dict[str, Any] | None = None


class RunKind(StrEnum):
    """Which entry of the agent is run."""

    START = "start"
    TURN = "turn"
    HANDOFF_FAILED = "handoff_failed"
    BRIDGE_ENDED = "bridge_ended"
    END = "end"


CLOSING = frozenset({RunKind.BRIDGE_ENDED, RunKind.END})
"""Runs that nobody hears any more: what they say or ask for is ignored."""


class Run(Message):
    """Run one turn: the named entry, then whatever function steps its transitions lead to.

    A project that has no `handoff_failed_function` gets an ordinary turn without input in its place.
    `user_input` is the text or digits of the turn; `input_is_pii` keeps it out of the history and of every log.
    Each function gets `limit_s` seconds of its own.
    """

    run_id: int
    kind: RunKind
    conversation: ConversationSnapshot
    user_input: str | None = None
    input_is_pii: bool = False
    limit_s: float = 10.0


class Progress(Message):
    """From a runner in the middle of a run: it begins a further function, whose time limit starts now."""

    run_id: int
    function: str


class DtmfListen(msgspec.Struct, frozen=True, kw_only=True):
    """How keypad input is collected; times in seconds. `finish_on_key` is not part of the input."""

    num_digits: int | None = None
    first_digit_timeout: float = 10.0
    inter_digit_timeout: float = 3.0
    finish_on_key: str | None = "#"
    early_listening: bool = True
    is_pii: bool = False


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """What to listen for after the utterance. `channel` is SPEECH, DTMF or SPEECH_AND_DTMF."""

    listen: bool = True
    channel: str = "DTMF"
    dtmf: DtmfListen = DtmfListen()


class FunctionRun(msgspec.Struct, frozen=True, kw_only=True):
    """One customer function that ran: how long it took and how it failed, if it did."""

    name: str
    duration_ms: float
    error: str | None = None


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the conversation's log, from `conv.log` or `print`."""

    level: str
    content: str
    is_pii: bool = False
    fields: dict[str, Any] = {}


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One `conv.write_metric`."""

    name: str
    value: Any = None
    write_once: bool = False


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One text message that was asked for, checked and filled in. `from_` empty: the project's own number sends it."""

    to: str
    from_: str
    content: str
    template: str | None = None
    retry_count: int | None = None


class FailureKind(StrEnum):
    """How a run failed."""

    RAISED = "raised"
    TIMED_OUT = "timed_out"
    EXITED = "exited"
    OUT_OF_MEMORY = "out_of_memory"
    BAD_RETURN = "bad_return"
    NOT_LOADED = "not_loaded"
    OVERLOADED = "overloaded"


class FunctionFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A customer function that failed: which, how, and the traceback for the project's own log."""

    kind: FailureKind
    function: str
    message: str
    traceback: str = ""


class TurnResult(Message):
    """What a run asks for. The server speaks `utterances` to the end, then acts, handoff before hangup.

    `utterances` holds everything there is to say, in order: the project's greeting where it applies (`greeting`
    says whether it is among them) and a handoff's own utterance. `handoff` is the JSON shape of
    `tieline.model.handoff.HandoffRequest`; its `utterance` repeats what is in `utterances`, for the record.
    `messages` are stored with the turn and sent after it.
    `failure` set means that nothing else in the result counts, except logs and function runs.
    """

    run_id: int
    conversation: ConversationSnapshot
    utterances: list[str] = []
    greeting: bool = True
    end_turn: bool = True
    listen: Listen | None = None
    handoff: dict[str, Any] | None = None
    hangup: bool = False
    function_runs: list[FunctionRun] = []
    logs: list[LogEntry] = []
    metrics: list[Metric] = []
    messages: list[OutgoingMessage] = []
    failure: FunctionFailure | None = None
