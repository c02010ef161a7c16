"""A project's agent in a terminal: the same processes as on a call, with lines of text for keys and speech."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import msgspec

from tieline.agent.messages import ConversationSnapshot, Listen, LogEntry, Run, RunKind, TurnResult
from tieline.agent.pool import AgentPool
from tieline.agent.settings import AgentSettings
from tieline.model.context import ContextValue
from tieline.model.handoff import Destination
from tieline.model.sms import SmsTemplate

Preview = Callable[[dict[str, Any], ConversationSnapshot, Sequence[Destination]], list[str]]
"""Says in lines what would come of a handoff that a function asked for."""

HANG_UP = "/hangup"
EXIT_OK = 0
EXIT_FAILED = 1


def run_chat(
    path: str | Path,
    attributes: dict[str, Any] | None,
    sip_headers: dict[str, str] | None,
    input: TextIO,  # noqa: A002 - what a reader of the signature expects
    output: TextIO,
    *,
    caller_number: str | None = None,
    callee_number: str | None = None,
    destinations: tuple[Destination, ...] = (),
    sms_templates: tuple[SmsTemplate, ...] = (),
    secrets: dict[str, str] | None = None,
    context: Sequence[ContextValue] = (),
    preview: Preview | None = None,
) -> int:
    """Talk to the agent in the project folder `path` until it or the person ends the conversation.

    Each line of `input` is one keypad input or sentence; an empty line is a caller who says nothing, `/hangup` or the
    end of the input one who hangs up. Returns 0, or 1 when the project cannot be served or a function failed.
    """
    snapshot = ConversationSnapshot(
        id=str(uuid4()),
        account_id="chat",
        project_id=Path(path).resolve().name,
        env="sandbox",
        channel_type="chat.polyai",
        sip_headers=sip_headers or {},
        integration_attributes=attributes or {},
        caller_number=caller_number,
        callee_number=callee_number,
        context=[msgspec.to_builtins(value) for value in context],
    )
    chat = Chat(
        path, snapshot, input, output, destinations=destinations, sms_templates=sms_templates, secrets=secrets,
        preview=preview,
    )  # fmt: skip
    return asyncio.run(chat.talk())


class Chat:
    """One conversation in a terminal."""

    def __init__(
        self,
        path: str | Path,
        snapshot: ConversationSnapshot,
        source: TextIO,
        output: TextIO,
        *,
        destinations: tuple[Destination, ...] = (),
        sms_templates: tuple[SmsTemplate, ...] = (),
        secrets: dict[str, str] | None = None,
        preview: Preview | None = None,
    ) -> None:
        self._preview = preview
        self._settings = AgentSettings(runners_warm=1)
        self._pool = AgentPool(
            path, self._settings, destinations=destinations, sms_templates=sms_templates, secrets=secrets
        )
        self._snapshot = snapshot
        self._source = source
        self._output = output
        self._failed = False
        self._runs = 0

    async def talk(self) -> int:
        """Run the conversation to its end."""
        try:
            report = await self._pool.start()
            for finding in report.findings:
                self._say("!", str(finding))
            if not report.ok:
                return EXIT_FAILED
            await self._converse()
            await self._run(RunKind.END)
            self._say("=", f"state {json.dumps(self._snapshot.state, ensure_ascii=False, sort_keys=True)}")
        finally:
            await self._pool.close()
        return EXIT_FAILED if self._failed else EXIT_OK

    async def _converse(self) -> None:
        result = await self._run(RunKind.START)
        while not self._is_over(result):
            line = await asyncio.to_thread(self._read_line, result.listen or Listen())
            if line is None or line == HANG_UP:
                self._say("=", "the caller hung up")
                return
            pii = result.listen is not None and result.listen.dtmf.is_pii
            result = await self._run(RunKind.TURN, line, pii=pii)

    async def _run(self, kind: RunKind, text: str | None = None, *, pii: bool = False) -> TurnResult:
        self._runs += 1
        run = Run(
            run_id=self._runs,
            kind=kind,
            conversation=self._snapshot,
            user_input=text,
            input_is_pii=pii,
            limit_s=self._settings.function_limit_s,
        )
        result = await self._pool.run(run)
        self._snapshot = result.conversation
        self._show(result)
        return result

    def _show(self, result: TurnResult) -> None:
        for entry in result.logs:
            self._say("·", format_entry(entry))
        for metric in result.metrics:
            self._say("·", f"metric {metric.name} = {json.dumps(metric.value)}")
        failure = result.failure
        if failure is not None:
            self._failed = True
            self._say("!", f"{failure.function} failed ({failure.kind}): {failure.message}")
            for line in failure.traceback.splitlines():
                self._say("!", line)
            return
        for utterance in result.utterances:
            self._say("<", utterance)
        for message in result.messages:
            sender = f" from {message.from_}" if message.from_ else ""
            self._say("=", f"a call would send an SMS to {message.to}{sender}: {message.content}")

    def _is_over(self, result: TurnResult) -> bool:
        if result.failure is not None:
            self._say("=", "a call would go to the project's fall-back handoff here")
            return True
        if result.handoff is not None:
            self._say("=", f"handoff {json.dumps(result.handoff, ensure_ascii=False)}")
            if self._preview is not None:
                for line in self._preview(result.handoff, self._snapshot, self._pool.destinations):
                    self._say("=", line)
            return True
        if result.hangup:
            self._say("=", "the agent hung up")
            return True
        return False

    def _read_line(self, listen: Listen) -> str | None:
        digits = listen.dtmf.num_digits
        self._output.write("> " if digits is None else f"({digits} digit{'s' if digits > 1 else ''}) > ")
        self._output.flush()
        line = self._source.readline()
        return line.strip() if line else None

    def _say(self, mark: str, text: str) -> None:
        self._output.write(f"{mark} {text}\n")
        self._output.flush()


def format_entry(entry: LogEntry) -> str:
    """A log entry as one line."""
    fields = "".join(f" {key}={value!r}" for key, value in entry.fields.items())
    return f"{entry.level}: {entry.content}{fields}"
