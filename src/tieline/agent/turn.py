"""One run: the entry function, then the function steps that transitions lead to, until the caller is to speak.

A step runs as soon as it is entered, unless the function that led to it ended the turn: by an utterance, by `listen`,
by a handoff or hang-up, or by `end_turn: True`. Then it waits for the caller, and runs with what they say or key in.
The input of a turn belongs to the first function of the run; a step entered after it sees `conv.user_input` as None.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import msgspec

from tieline.agent.code import Function, ProjectCode, StepNotFound
from tieline.agent.conversation import Conversation, Flow, Navigation
from tieline.agent.journal import Journal, JournalWriter
from tieline.agent.messages import (
    CLOSING,
    ConversationSnapshot,
    FailureKind,
    FunctionFailure,
    FunctionRun,
    Listen,
    Run,
    RunKind,
    TurnResult,
)
from tieline.agent.returns import NOTHING, BadReturn, Reply, read_return
from tieline.agent.state import NotJson, to_json

MAX_FUNCTIONS = 20
"""Functions one run may go through; more is taken for a circle of steps."""
MAX_TRACEBACK = 8 * 1024
"""Characters of a traceback that are kept: its end, which names the error."""
MAX_MESSAGE = 1_000

ENTRY_NAMES = {
    RunKind.START: "start_function",
    RunKind.TURN: "turn_function",
    RunKind.HANDOFF_FAILED: "handoff_failed_function",
    RunKind.BRIDGE_ENDED: "bridge_ended_function",
    RunKind.END: "end_function",
}


class TimeLimitExceeded(BaseException):
    """Raised inside a customer's function when its time is up. Not an `Exception`, so that few catch it."""


class NotRunnable(Exception):
    """The run has nothing to run: no turn function, or a step that needs what this release does not have."""


class Limiter(Protocol):
    """What keeps a function to its time: raises `TimeLimitExceeded` out of the call when it can."""

    def call(self, seconds: float, function: Function, args: tuple[Any, ...]) -> Any:
        """`function(*args)`, within `seconds`."""
        ...


class NoLimit:
    """A limiter that does not limit: for tests and tools that run functions in their own process."""

    def call(self, _seconds: float, function: Function, args: tuple[Any, ...]) -> Any:
        """`function(*args)`."""
        return function(*args)


def run_turn(
    run: Run, code: ProjectCode, limiter: Limiter, on_function: Callable[[str], None] | None = None
) -> TurnResult:
    """Run one turn of a conversation in this process. Never raises what a customer's function raises.

    `on_function` is told the name of every function after the first, just before it starts. The result's conversation
    leaves out the call's headers, attributes, context and handoff result: they cannot change, see `restore_context`.
    """
    return Turn(run, code, limiter, on_function).execute()


def restore_context(result: TurnResult, run: Run) -> TurnResult:
    """The result with what a function cannot change of the call back in place; it never travels out of a runner."""
    conversation = msgspec.structs.replace(
        result.conversation,
        sip_headers=run.conversation.sip_headers,
        integration_attributes=run.conversation.integration_attributes,
        context=run.conversation.context,
        handoff_result=run.conversation.handoff_result,
    )
    return msgspec.structs.replace(result, conversation=conversation)


def fail_run(run: Run, kind: FailureKind, message: str, function: str | None = None) -> TurnResult:
    """The result of a run that a runner could not answer for: nothing changed, and why."""
    return TurnResult(
        run_id=run.run_id,
        conversation=run.conversation,
        greeting=False,
        failure=FunctionFailure(kind=kind, function=function or name_entry(run), message=message),
    )


def name_entry(run: Run) -> str:
    """The name of the function that a run begins with."""
    if run.kind is RunKind.TURN and run.conversation.current_flow is not None:
        return run.conversation.current_step or ENTRY_NAMES[run.kind]
    return ENTRY_NAMES[run.kind]


class Turn:
    """The run under way: what has been said, where the conversation is, which functions ran."""

    def __init__(
        self, run: Run, code: ProjectCode, limiter: Limiter, on_function: Callable[[str], None] | None
    ) -> None:
        withheld = list(code.secrets.values())
        if run.input_is_pii and run.user_input:
            withheld.append(run.user_input)
        self._run = run
        self._code = code
        self._limiter = limiter
        self._on_function = on_function
        self._journal = Journal(withheld)
        self._conv = Conversation(run.conversation, code, self._journal, run.user_input)
        self._name = name_entry(run)
        self._runs: list[FunctionRun] = []
        self._utterances: list[str] = []
        self._greeting = False
        self._listen: Listen | None = None
        self._handoff: dict[str, Any] | None = None
        self._hangup = False

    def execute(self) -> TurnResult:
        """Run the entry and what follows from it."""
        writer = JournalWriter(self._journal)
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = writer
        try:
            try:
                self._run_entry()
                state = self._read_state()
            finally:
                sys.stdout, sys.stderr = stdout, stderr
                writer.finish()
        except BaseException as error:
            return self._fail(error)
        return self._finish(state)

    def _read_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = to_json(dict(self._conv.state), "conv.state")
        except NotJson as error:
            raise BadReturn(str(error)) from None
        return state

    def _run_entry(self) -> None:
        kind = self._run.kind
        if kind is RunKind.START:
            self._run_start()
        elif kind in CLOSING:
            function = self._code.find_entry(ENTRY_NAMES[kind])
            if function is not None:
                self._call(function, (self._conv,))
        elif kind is RunKind.HANDOFF_FAILED:
            self._run_handoff_failed()
        else:
            self._run_input()

    def _run_start(self) -> None:
        function = self._code.find_entry("start_function")
        reply = NOTHING if function is None else self._read(self._call(function, (self._conv,)))
        self._take_says()
        leaves = bool(reply.handoff or reply.hangup or self._conv._handoff)
        if reply.utterance is None and not leaves:
            self._greeting = True
            self._speak(self._code.spec.greeting)
        self._follow(reply)

    def _run_handoff_failed(self) -> None:
        """The project's own answer to a failed handoff, else a turn in which the caller said nothing."""
        function = self._code.find_entry("handoff_failed_function")
        if function is not None:
            self._follow(self._read(self._call(function, (self._conv,))))
            return
        self._name = ENTRY_NAMES[RunKind.TURN]
        self._run_turn("")

    def _run_input(self) -> None:
        text = self._run.user_input or ""
        entry: dict[str, Any] = {"role": "user", "text": "" if self._run.input_is_pii else text}
        if self._run.input_is_pii:
            entry["is_pii"] = True
        self._conv._history.append(entry)
        self._run_turn(text)

    def _run_turn(self, text: str) -> None:
        conv = self._conv
        if conv._current_flow is not None:
            self._follow(self._run_step())
            return
        function = self._code.find_entry("turn_function")
        if function is None:
            raise NotRunnable(
                "The project has no functions/turn_function.py and the conversation is in no flow."
            )
        self._follow(self._read(self._call(function, (conv, text))))

    def _run_step(self) -> Reply:
        """Run the function of the current step."""
        conv = self._conv
        flow_name, step = conv._current_flow or "", conv._current_step or ""
        function = self._find_step(flow_name, step)
        self._name = step
        return self._read(self._call(function, (conv, Flow(conv, flow_name, step))))

    def _follow(self, reply: Reply) -> None:
        """Act on a reply, and run the steps it leads to until one ends the turn."""
        while True:
            ended = self._apply(reply)
            if not self._move(reply) or ended:
                return
            if len(self._runs) >= MAX_FUNCTIONS:
                raise BadReturn(
                    f"transition: {MAX_FUNCTIONS} functions ran in one turn without waiting for the caller; the last "
                    f"was {self._name!r}, which leads to {self._conv._current_step!r}."
                )
            self._conv.user_input = None
            if self._on_function is not None:
                self._on_function(self._conv._current_step or "")
            reply = self._run_step()

    def _apply(self, reply: Reply) -> bool:
        """Take over what a reply asks for. True when the turn ends with it."""
        conv = self._conv
        self._take_says()
        if reply.utterance is not None:
            self._speak(reply.utterance)
        if reply.content:
            self._journal.add("context", reply.content)
        for note in reply.notes:
            self._journal.add("warning", note)
        if reply.variant is not None:
            conv._variant_name = reply.variant
        if reply.listen is not None:
            self._listen = reply.listen
        handoff = reply.handoff or conv._handoff
        conv._handoff = None
        if handoff is not None:
            self._handoff = {key: value for key, value in handoff.items() if value is not None}
            self._speak(handoff.get("utterance") or "")
        self._hangup = self._hangup or reply.hangup
        if self._handoff is not None or self._hangup:
            return True
        if reply.end_turn is not None:
            return reply.end_turn
        return reply.listen is not None or bool(reply.utterance and reply.utterance.strip())

    def _move(self, reply: Reply) -> bool:
        """Carry out the navigation asked for. True when it leads into a step."""
        conv = self._conv
        wanted, conv._navigation = conv._navigation, None
        transition = reply.transition
        if transition is not None:
            wanted = (
                self._read_transition(transition.goto_flow, transition.goto_step, transition.exit_flow)
                or wanted
            )
        if wanted is None:
            return False
        if wanted.leave or wanted.flow is None:
            conv._current_flow = conv._current_step = None
            return False
        flow = self._code.find_flow(wanted.flow)
        step = self._code.find_step(flow.name, wanted.step or flow.start_step)
        self._find_step(flow.name, step)
        conv._current_flow, conv._current_step = flow.name, step
        return True

    def _find_step(self, flow_name: str, step: str) -> Function:
        try:
            return self._code.find_step_function(flow_name, step)
        except StepNotFound as error:
            raise NotRunnable(str(error)) from None

    def _read_transition(
        self, flow_name: str | None, step_name: str | None, leave: bool
    ) -> Navigation | None:
        """The `transition` key as a navigation. Going somewhere overrides leaving."""
        if flow_name is None and step_name is None:
            return Navigation(leave=True) if leave else None
        try:
            name = flow_name or self._conv._current_flow
            if name is None:
                raise BadReturn(f"transition.goto_step {step_name!r}: the conversation is in no flow.")
            flow = self._code.find_flow(name)
            return Navigation(flow=flow.name, step=step_name and self._code.find_step(flow.name, step_name))
        except StepNotFound as error:
            raise BadReturn(f"transition: {error}") from None

    def _call(self, function: Function, args: tuple[Any, ...]) -> Any:
        started = perf_counter()
        error: str | None = None
        try:
            return self._limiter.call(self._run.limit_s, function, args)
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            elapsed = (perf_counter() - started) * 1000
            self._runs.append(FunctionRun(name=self._name, duration_ms=round(elapsed, 3), error=error))

    def _read(self, value: Any) -> Reply:
        close = getattr(value, "close", None)
        if close is not None and not isinstance(value, dict | str):
            close()
        return read_return(value, self._code.spec.destinations)

    def _take_says(self) -> None:
        for utterance in self._conv._says:
            self._speak(utterance)
        self._conv._says = []

    def _speak(self, text: str) -> None:
        if text.strip():
            self._utterances.append(text.encode("utf-8", "replace").decode())

    def _finish(self, state: dict[str, Any]) -> TurnResult:
        ending = self._run.kind in CLOSING
        conv = self._conv
        if self._utterances and not ending:
            conv._history.append({"role": "agent", "text": " ".join(self._utterances)})
        return TurnResult(
            run_id=self._run.run_id,
            conversation=self._snapshot(state),
            utterances=[] if ending else self._utterances,
            greeting=self._greeting,
            listen=self._listen,
            handoff=None if ending else self._handoff,
            hangup=self._hangup and not ending,
            function_runs=self._runs,
            logs=self._journal.close(),
            metrics=conv._metrics,
            messages=conv._sms.messages,
        )

    def _snapshot(self, state: dict[str, Any]) -> ConversationSnapshot:
        before, conv = self._run.conversation, self._conv
        return ConversationSnapshot(
            id=before.id,
            account_id=before.account_id,
            project_id=before.project_id,
            env=before.env,
            channel_type=before.channel_type,
            caller_number=before.caller_number,
            callee_number=before.callee_number,
            state=state,
            history=conv._history,
            current_flow=conv._current_flow,
            current_step=conv._current_step,
            variant_name=conv._variant_name,
            language=before.language,
            metrics_written=conv._metrics_written,
        )

    def _fail(self, error: BaseException) -> TurnResult:
        kind = find_kind(error)
        clean = self._journal.clean
        text = str(error) if kind is not FailureKind.RAISED else f"{type(error).__name__}: {error}"
        if kind is FailureKind.TIMED_OUT:
            text = f"{self._name} did not return within {self._run.limit_s:g} s."
        elif kind is FailureKind.OUT_OF_MEMORY:
            text = f"{self._name} ran out of memory."
        elif kind is FailureKind.EXITED:
            text = f"{self._name} tried to exit the process (status {error})."
        shows_where = kind not in (FailureKind.BAD_RETURN, FailureKind.NOT_LOADED)
        failure = FunctionFailure(
            kind=kind,
            function=self._name,
            message=clean(text[:MAX_MESSAGE]),
            traceback=clean(format_traceback(error)) if shows_where else "",
        )
        return TurnResult(
            run_id=self._run.run_id,
            conversation=self._run.conversation,
            greeting=False,
            function_runs=self._runs,
            logs=self._journal.close(),
            failure=failure,
        )


def find_kind(error: BaseException) -> FailureKind:
    """The kind of failure that an exception out of a run stands for."""
    if isinstance(error, TimeLimitExceeded):
        return FailureKind.TIMED_OUT
    if isinstance(error, MemoryError):
        return FailureKind.OUT_OF_MEMORY
    if isinstance(error, SystemExit):
        return FailureKind.EXITED
    if isinstance(error, BadReturn):
        return FailureKind.BAD_RETURN
    if isinstance(error, NotRunnable):
        return FailureKind.NOT_LOADED
    return FailureKind.RAISED


def format_traceback(error: BaseException) -> str:
    """The traceback of an error in a customer's file: the frames below ours."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith("tieline."):
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames)
    return "".join(lines)[-MAX_TRACEBACK:]
