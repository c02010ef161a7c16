"""What a project is asked when a handoff has failed, and when a bridge has ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tieline.agent.messages import FailureKind
from tieline.testing.agents import AgentTalk, write_project

HEAD = "from _gen import *\n"


@pytest.fixture
def talk(tmp_path: Path) -> Callable[..., AgentTalk]:
    """Make a conversation with a project of these functions (name to body)."""

    def make(files: dict[str, str] | None = None, **functions: str) -> AgentTalk:
        named = {f"functions/{name}.py": HEAD + body for name, body in functions.items()}
        made = AgentTalk(write_project(tmp_path, {**named, **(files or {})}))
        assert made.report.ok, made.report.errors
        return made

    return make


Talk = Callable[..., AgentTalk]
TURN = "def turn_function(conv, user_input):\n    return {'utterance': repr((user_input, conv.handoff_result))}\n"


def test_the_projects_own_function_answers_a_failed_handoff(talk: Talk) -> None:
    conversation = talk(
        turn_function=TURN,
        handoff_failed_function=(
            "def handoff_failed_function(conv):\n"
            "    conv.state.failed = conv.handoff_result['reason']\n"
            "    return {'utterance': 'Nobody is there.', 'listen': {'dtmf': {'num_digits': 1}}}\n"
        ),
    )
    result = conversation.fail_handoff(reason="busy", status=486)
    assert result.utterances == ["Nobody is there."]
    assert result.listen is not None
    assert result.conversation.state == {"failed": "busy"}
    assert [run.name for run in result.function_runs] == ["handoff_failed_function"]
    assert conversation.hear("1").utterances == ["('1', {'reason': 'busy', 'status': 486})"]


def test_without_it_the_turn_function_runs_with_empty_input(talk: Talk) -> None:
    conversation = talk(turn_function=TURN)
    result = conversation.fail_handoff(reason="declined")
    assert result.utterances == ["('', {'reason': 'declined'})"]
    assert [entry["role"] for entry in result.conversation.history] == ["agent"]
    assert [run.name for run in result.function_runs] == ["turn_function"]


def test_without_it_the_current_step_runs(talk: Talk) -> None:
    files = {
        "flows/menu/flow_config.yaml": "name: menu\ndescription: x\nstart_step: ask\n",
        "flows/menu/function_steps/ask.py": (
            f"{HEAD}def ask(conv: Conversation, flow: Flow):\n"
            "    return {'utterance': repr((conv.user_input, bool(conv.handoff_result))), 'end_turn': True}\n"
        ),
    }
    conversation = talk(files, turn_function="def turn_function(conv, user_input): conv.goto_flow('menu')")
    conversation.hear("1")
    assert conversation.fail_handoff(reason="busy").utterances == ["(None, True)"]


def test_a_project_with_nothing_to_run_fails(talk: Talk) -> None:
    failure = talk(start_function="def start_function(conv): pass").fail_handoff().failure
    assert failure is not None
    assert (failure.kind, failure.function) == (FailureKind.NOT_LOADED, "turn_function")


def test_the_end_of_a_bridge_is_told_and_nothing_is_said(talk: Talk) -> None:
    conversation = talk(
        bridge_ended_function=(
            "def bridge_ended_function(conv):\n"
            "    conv.state.talked_s = conv.handoff_result['duration_s']\n"
            "    conv.say('not heard')\n"
            "    return {'hangup': True, 'utterance': 'nor this'}\n"
        ),
    )
    result = conversation.end_bridge(state="done", duration_s=12.5)
    assert (result.utterances, result.hangup) == ([], False)
    assert result.conversation.state == {"talked_s": 12.5}


def test_the_end_of_a_bridge_needs_no_function(talk: Talk) -> None:
    result = talk(turn_function=TURN).end_bridge(state="done")
    assert (result.failure, result.function_runs) == (None, [])
