"""For tests of agent projects: write one from a dict, run its turns, in this process."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import msgspec

from tieline.agent.memory import InMemoryAgent
from tieline.agent.messages import ConversationSnapshot, Run, RunKind, TurnResult

__all__ = ["AgentTalk", "InMemoryAgent", "make_snapshot", "write_project"]


def write_project(folder: Path, files: dict[str, str]) -> Path:
    """Write a project's files, dedented, below `folder`; `project.yaml` too when it is not among them."""
    for name, text in {"project.yaml": "project_name: Test\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def make_snapshot(**fields: Any) -> ConversationSnapshot:
    """A conversation that has just begun, with `fields` as given."""
    start: dict[str, Any] = {
        "id": "0bba04d7-38b3-4fd3-a1a8-329c34517fc1",
        "account_id": "ws-test",
        "project_id": "PROJECT-test",
        "env": "live",
        "channel_type": "sip.polyai",
    }
    return ConversationSnapshot(**{**start, **fields})


class AgentTalk:
    """One conversation with a project, turn by turn. `result` is the last one."""

    def __init__(self, path: Path, *, agent: InMemoryAgent | None = None, **fields: Any) -> None:
        self.agent = agent or InMemoryAgent(path)
        self.report = self.agent.report if agent is not None else self.agent.load()
        self.conversation = make_snapshot(**fields)
        self.result: TurnResult | None = None
        self._runs = 0

    def start(self) -> TurnResult:
        """The start function."""
        return self._run(RunKind.START)

    def hear(self, text: str, *, is_pii: bool = False) -> TurnResult:
        """One turn with the caller's input."""
        return self._run(RunKind.TURN, text, is_pii=is_pii)

    def fail_handoff(self, **result: Any) -> TurnResult:
        """A handoff has failed; `result` is `conv.handoff_result`."""
        self.conversation = msgspec.structs.replace(self.conversation, handoff_result=result)
        return self._run(RunKind.HANDOFF_FAILED)

    def end_bridge(self, **result: Any) -> TurnResult:
        """Caller and human were joined and have finished."""
        self.conversation = msgspec.structs.replace(self.conversation, handoff_result=result)
        return self._run(RunKind.BRIDGE_ENDED)

    def end(self) -> TurnResult:
        """The end function."""
        return self._run(RunKind.END)

    def _run(self, kind: RunKind, text: str | None = None, *, is_pii: bool = False) -> TurnResult:
        self._runs += 1
        run = Run(
            run_id=self._runs, kind=kind, conversation=self.conversation, user_input=text, input_is_pii=is_pii
        )
        self.result = self.agent.run_now(run)
        self.conversation = self.result.conversation
        return self.result
