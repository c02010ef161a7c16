"""Runs: entries, transitions, what ends a turn, and what becomes of failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tieline.agent.code import ProjectCode
from tieline.agent.folder import load_folder
from tieline.agent.messages import FailureKind, Run, RunKind, TurnResult
from tieline.agent.turn import MAX_FUNCTIONS, NoLimit, TimeLimitExceeded, name_entry, run_turn
from tieline.model.handoff import HandoffMethod, HandoffRequest
from tieline.testing.agents import AgentTalk, make_snapshot, write_project

HEAD = "from _gen import *\n"
GREETING = "greeting:\n  welcome_message: Welcome to Northwind.\n"
HANDOFFS = """\
handoffs:
  - name: people
    sip_config: {method: bye}
    sip_headers: [{key: X-why, value: $handoff_reason}]
"""


@pytest.fixture
def talk(tmp_path: Path) -> Callable[..., AgentTalk]:
    """Make a conversation with a project of these functions (name to body) and other files."""

    def make(
        files: dict[str, str] | None = None, fields: dict[str, Any] | None = None, **functions: str
    ) -> AgentTalk:
        named = {f"functions/{name}.py": HEAD + body for name, body in functions.items()}
        common = {"voice/configuration.yaml": GREETING, "config/handoffs.yaml": HANDOFFS}
        made = AgentTalk(write_project(tmp_path, {**common, **named, **(files or {})}), **(fields or {}))
        assert made.report.ok, made.report.errors
        return made

    return make


Talk = Callable[..., AgentTalk]


def flow(start: str, *, name: str = "Menu", **steps: str) -> dict[str, str]:
    folder = f"flows/{name.lower()}"
    files = {f"{folder}/flow_config.yaml": f"name: {name}\ndescription: x\nstart_step: {start}\n"}
    for step, body in steps.items():
        files[f"{folder}/function_steps/{step}.py"] = (
            f"{HEAD}def {step}(conv: Conversation, flow: Flow):\n{body}"
        )
    return files


def failure_of(result: TurnResult) -> tuple[FailureKind, str]:
    assert result.failure is not None
    return result.failure.kind, result.failure.message


# ------------------------------------------------------------------------------------------------- greeting


@pytest.mark.parametrize(
    ("body", "utterances", "greeting"),
    [
        ("def start_function(conv): pass", ["Welcome to Northwind."], True),
        ("def start_function(conv): return 'context'", ["Welcome to Northwind."], True),
        ("def start_function(conv): return {'utterance': 'Hi.'}", ["Hi."], False),
        ("def start_function(conv): return {'utterance': ''}", [], False),
        ("def start_function(conv): conv.say('First.')", ["First.", "Welcome to Northwind."], True),
        ("def start_function(conv): return {'hangup': True}", [], False),
        ("def start_function(conv): conv.call_handoff('people', utterance='Hold on.')", ["Hold on."], False),
        ("def start_function(conv): return {'handoff': True}", [], False),
    ],
)
def test_the_greeting_is_spoken_unless_the_start_function_says_otherwise(
    talk: Talk, body: str, utterances: list[str], greeting: bool
) -> None:
    result = talk(start_function=body).start()
    assert result.failure is None
    assert (result.utterances, result.greeting) == (utterances, greeting)


def test_without_a_start_function_there_is_just_the_greeting(talk: Talk) -> None:
    result = talk().start()
    assert result.utterances == ["Welcome to Northwind."]
    assert result.function_runs == []


def test_a_flow_entered_by_the_start_function_begins_after_the_greeting(talk: Talk) -> None:
    files = flow("ask", ask="    flow.goto_step('ask')\n    return {'utterance': 'Which key?'}\n")
    conversation = talk(files, start_function="def start_function(conv): conv.goto_flow('Menu')")
    result = conversation.start()
    assert result.utterances == ["Welcome to Northwind.", "Which key?"]
    assert [run.name for run in result.function_runs] == ["start_function", "ask"]
    assert (result.conversation.current_flow, result.conversation.current_step) == ("Menu", "ask")


# ------------------------------------------------------------------------------------------------- turns


def test_the_turn_function_gets_the_input_and_keeps_state(talk: Talk) -> None:
    body = """\
def turn_function(conv, user_input):
    conv.state.heard = [*(conv.state.heard or []), user_input]
    return {"utterance": f"You pressed {user_input}."}
"""
    conversation = talk(turn_function=body)
    conversation.start()
    conversation.hear("1")
    result = conversation.hear("22")
    assert result.conversation.state == {"heard": ["1", "22"]}
    assert result.utterances == ["You pressed 22."]
    assert not result.greeting
    assert [entry["role"] for entry in result.conversation.history] == [
        "agent",
        "user",
        "agent",
        "user",
        "agent",
    ]
    assert result.conversation.history[-2:] == [
        {"role": "user", "text": "22"},
        {"role": "agent", "text": "You pressed 22."},
    ]


def test_says_come_before_the_utterance_and_the_handoff_speaks_last(talk: Talk) -> None:
    body = """\
def turn_function(conv, user_input):
    conv.say("One.")
    conv.say("  ")
    conv.say("Two.")
    return {"utterance": "Three.", "handoff": {"type": "people", "reason": "r", "utterance": "Four."}}
"""
    result = talk(turn_function=body).hear("1")
    assert result.utterances == ["One.", "Two.", "Three.", "Four."]
    request = msgspec.convert(result.handoff, HandoffRequest)
    assert request == HandoffRequest(destination="people", reason="r", utterance="Four.")


def test_a_returned_handoff_wins_over_a_called_one(talk: Talk) -> None:
    body = """\
def turn_function(conv, user_input):
    conv.call_handoff("people", reason="called")
    return {"handoff": {"type": "bye", "reason": "returned", "bye": {"sip_headers": {"X-contained": True}}}}
"""
    result = talk(turn_function=body).hear("1")
    request = msgspec.convert(result.handoff, HandoffRequest)
    expected = HandoffRequest(
        method=HandoffMethod.BYE, reason="returned", sip_headers={"X-contained": "true"}
    )
    assert request == expected


def test_context_and_settings_without_effect_are_logged_and_not_spoken(talk: Talk) -> None:
    body = """\
def turn_function(conv, user_input):
    return {"content": "the caller is cross", "listen": {"asr": {"timeout": 1}}, "variant": "v2"}
"""
    result = talk(turn_function=body).hear("1")
    assert result.utterances == []
    assert [(entry.level, entry.content) for entry in result.logs] == [
        ("context", "the caller is cross"),
        ("warning", "listen.asr has no effect in this release."),
    ]
    assert result.conversation.variant_name == "v2"


def test_personal_input_stays_out_of_history_and_log(talk: Talk) -> None:
    body = """\
def turn_function(conv, user_input):
    conv.log.info(f"got {user_input}")
    print(user_input)
    assert conv.history[-1].text == ""
    assert conv.user_input == user_input
    if user_input == "998877":
        raise ValueError(f"{user_input} is refused")
"""
    conversation = talk(turn_function=body)
    result = conversation.hear("123456", is_pii=True)
    assert result.failure is None
    assert "123456" not in repr(result)
    assert result.conversation.history == [{"role": "user", "text": "", "is_pii": True}]
    result = conversation.hear("998877", is_pii=True)
    assert failure_of(result) == (FailureKind.RAISED, "ValueError: [withheld] is refused")
    assert "998877" not in repr((result.failure, result.logs, result.conversation))


def test_a_project_without_a_turn_function_says_so(talk: Talk) -> None:
    kind, message = failure_of(talk().hear("1"))
    assert kind is FailureKind.NOT_LOADED
    assert "turn_function.py" in message


# ------------------------------------------------------------------------------------------------- the end


def test_the_end_function_has_the_whole_state_and_its_return_is_ignored(talk: Talk) -> None:
    body = """\
def end_function(conv):
    conv.state.last = conv.state.order
    conv.write_metric("DONE", 1)
    conv.say("nobody hears this")
    conv.call_handoff("people")
    return {"no such key": 1}
"""
    result = talk(end_function=body, fields={"state": {"order": 5}}).end()
    assert result.failure is None
    assert result.conversation.state == {"order": 5, "last": 5}
    assert (result.utterances, result.handoff, result.hangup) == ([], None, False)
    assert [metric.name for metric in result.metrics] == ["DONE"]


def test_no_end_function_is_no_failure(talk: Talk) -> None:
    assert talk().end().failure is None


# ------------------------------------------------------------------------------------------------- flows


def test_a_step_after_an_utterance_waits_for_the_caller(talk: Talk) -> None:
    files = flow(
        "ask",
        ask="    flow.goto_step('check')\n    return {'utterance': 'Number?'}\n",
        check="    conv.exit_flow()\n    return {'utterance': f'Got {conv.user_input}.'}\n",
    )
    conversation = talk(files, turn_function="def turn_function(conv, user_input): conv.goto_flow('menu')")
    asked = conversation.hear("1")
    assert asked.utterances == ["Number?"]
    assert asked.conversation.current_step == "check"
    assert [run.name for run in asked.function_runs] == ["turn_function", "ask"]
    checked = conversation.hear("4711")
    assert checked.utterances == ["Got 4711."]
    assert checked.conversation.current_flow is None
    assert checked.conversation.current_step is None


def test_a_step_entered_in_the_same_turn_sees_no_input(talk: Talk) -> None:
    files = flow("ask", ask="    return {'utterance': repr((conv.user_input, conv.history[-1].text))}\n")
    conversation = talk(files, turn_function="def turn_function(conv, user_input): conv.goto_flow('Menu')")
    assert conversation.hear("1").utterances == ["(None, '1')"]
    assert conversation.hear("2").utterances == ["('2', '2')"]


@pytest.mark.parametrize(
    ("reply", "runs"),
    [
        ("None", ["first", "second"]),
        ("{}", ["first", "second"]),
        ("'context only'", ["first", "second"]),
        ("{'utterance': ''}", ["first", "second"]),
        ("{'utterance': 'x'}", ["first"]),
        ("{'listen': {}}", ["first"]),
        ("{'utterance': 'x', 'end_turn': False}", ["first", "second"]),
        ("{'end_turn': True}", ["first"]),
        ("{'hangup': True}", ["first"]),
        ("{'handoff': True}", ["first"]),
    ],
)
def test_what_ends_a_turn(talk: Talk, reply: str, runs: list[str]) -> None:
    files = flow("first", first=f"    flow.goto_step('second')\n    return {reply}\n", second="    pass\n")
    result = talk(files, fields={"current_flow": "Menu", "current_step": "first"}).hear("1")
    assert result.failure is None
    assert [run.name for run in result.function_runs] == runs
    assert result.conversation.current_step == "second"


def test_saying_does_not_end_the_turn(talk: Talk) -> None:
    files = flow("a", a="    conv.say('A.')\n    flow.goto_step('b')\n", b="    return {'utterance': 'B.'}\n")
    result = talk(files, fields={"current_flow": "Menu", "current_step": "a"}).hear("1")
    assert result.utterances == ["A.", "B."]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("    conv.exit_flow()\n    flow.goto_step('b')\n", ("Menu", "b")),
        ("    flow.goto_step('b')\n    conv.exit_flow()\n", (None, None)),
        ("    flow.goto_step('c')\n    flow.goto_step('B')\n", ("Menu", "b")),
        ("    flow.goto_step('c')\n    return {'transition': {'goto_step': 'b'}}\n", ("Menu", "b")),
        (
            "    conv.exit_flow()\n    return {'transition': {'goto_flow': 'Menu', 'goto_step': 'b'}}\n",
            ("Menu", "b"),
        ),
        ("    flow.goto_step('b')\n    return {'transition': {'exit_flow': True}}\n", (None, None)),
        ("    flow.goto_step('b')\n    return {'transition': {}}\n", ("Menu", "b")),
        (
            "    return {'transition': {'exit_flow': True, 'goto_flow': 'menu', 'goto_step': 'b'}}\n",
            ("Menu", "b"),
        ),
        ("    pass\n", ("Menu", "a")),
    ],
)
def test_the_last_navigation_wins(talk: Talk, body: str, place: tuple[str | None, str | None]) -> None:
    files = flow("a", a=body, b="    pass\n", c="    pass\n")
    result = talk(files, fields={"current_flow": "Menu", "current_step": "a"}).hear("1")
    assert result.failure is None
    assert (result.conversation.current_flow, result.conversation.current_step) == place


def test_a_circle_of_steps_is_cut(talk: Talk) -> None:
    files = flow("a", a="    flow.goto_step('b')\n", b="    flow.goto_step('a')\n")
    result = talk(files, fields={"current_flow": "Menu", "current_step": "a"}).hear("1")
    kind, message = failure_of(result)
    assert kind is FailureKind.BAD_RETURN
    assert "transition: 20 functions ran in one turn" in message
    assert len(result.function_runs) == MAX_FUNCTIONS
    assert result.conversation.current_step == "a", "a failed run changes nothing"


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("    conv.goto_flow('Nowhere')\n", FailureKind.RAISED, "There is no flow 'Nowhere'. Flows: Menu."),
        ("    flow.goto_step('z')\n", FailureKind.RAISED, "has no step 'z'. Steps: a, Ask them."),
        (
            "    flow.goto_step('ask them')\n",
            FailureKind.NOT_LOADED,
            "is a prompt step; it needs a language model",
        ),
        (
            "    return {'transition': {'goto_flow': 'X'}}\n",
            FailureKind.BAD_RETURN,
            "transition: There is no flow 'X'",
        ),
        ("    return {'transition': {'goto_step': 'z'}}\n", FailureKind.BAD_RETURN, "has no step 'z'"),
        ("    return flow.functions.helped()\n", FailureKind.RAISED, "has no functions/helped.py"),
        ("    return conv.functions.nobody()\n", FailureKind.RAISED, "There is no functions/nobody.py"),
    ],
)
def test_going_nowhere_is_an_error_that_says_where_one_can_go(
    talk: Talk, body: str, kind: FailureKind, message: str
) -> None:
    files = flow("a", a=body) | {"flows/menu/steps/ask.yaml": "name: Ask them\nstep_type: default_step\n"}
    result = talk(files, fields={"current_flow": "Menu", "current_step": "a"}).hear("1")
    assert failure_of(result)[0] is kind
    assert message in failure_of(result)[1]


def test_a_step_outside_a_flow_cannot_be_named(talk: Talk) -> None:
    body = "def turn_function(conv, user_input): return {'transition': {'goto_step': 'a'}}"
    kind, message = failure_of(talk(turn_function=body).hear("1"))
    assert kind is FailureKind.BAD_RETURN
    assert "the conversation is in no flow" in message


def test_a_stored_flow_that_is_gone_is_a_typed_failure(talk: Talk) -> None:
    result = talk(fields={"current_flow": "Gone", "current_step": "a"}).hear("1")
    assert failure_of(result) == (FailureKind.NOT_LOADED, "There is no flow 'Gone'. Flows: none.")


def test_flow_and_global_functions_can_be_called_from_a_step(talk: Talk) -> None:
    files = flow("a", a="    return flow.functions.add(conv.functions.two(), n=3)\n") | {
        "flows/menu/functions/add.py": HEAD + "def add(conv, flow, m: int, n: int):\n"
        "    conv.state.at = flow.current_step\n    return {'utterance': str(m + n)}\n",
    }
    conversation = talk(
        files, {"current_flow": "Menu", "current_step": "a"}, two="def two(conv: Conversation): return 2"
    )
    result = conversation.hear("1")
    assert result.utterances == ["5"]
    assert result.conversation.state == {"at": "a"}


# ------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("    raise ValueError('no')", FailureKind.RAISED, "ValueError: no"),
        ("    raise KeyboardInterrupt", FailureKind.RAISED, "KeyboardInterrupt: "),
        ("    raise MemoryError", FailureKind.OUT_OF_MEMORY, "turn_function ran out of memory."),
        (
            "    raise SystemExit(3)",
            FailureKind.EXITED,
            "turn_function tried to exit the process (status 3).",
        ),
        ("    return 5", FailureKind.BAD_RETURN, "A function returns None, text or a dict, not int."),
        ("    return {'utterance': 5}", FailureKind.BAD_RETURN, "utterance must be text, not int."),
        ("    conv.state.x = object()", FailureKind.RAISED, "NotJson: conv.state.x is a builtins.object"),
        (
            "    conv.state.l = []; conv.state.l.append(set())",
            FailureKind.BAD_RETURN,
            "conv.state.l[0] is a builtins.set",
        ),
        ("    conv.goto_nothing()", FailureKind.RAISED, "AttributeError"),
        ("    conv.send_email('a', 'b')", FailureKind.RAISED, "conv.send_email() is not in this release"),
        (
            "    conv.send_sms('a', '+15550100', 'c')",
            FailureKind.RAISED,
            "to_number of an SMS must be an E.164",
        ),
        ("    return (x for x in [])", FailureKind.BAD_RETURN, "not generator"),
    ],
)
def test_failures_are_typed_and_change_nothing(
    talk: Talk, body: str, kind: FailureKind, message: str
) -> None:
    source = f"def turn_function(conv, user_input):\n    conv.state.touched = 1\n    conv.log.info('before')\n{body}"
    conversation = talk(turn_function=source, fields={"state": {"kept": True}})
    result = conversation.hear("1")
    assert failure_of(result)[0] is kind
    assert message in failure_of(result)[1]
    assert result.failure is not None
    assert result.failure.function == "turn_function"
    assert result.conversation.state == {"kept": True}
    assert result.utterances == []
    assert [entry.content for entry in result.logs] == ["before"]
    assert len(result.function_runs) == 1


def test_a_coroutine_is_refused_with_a_reason(talk: Talk) -> None:
    source = "async def later(): pass\ndef turn_function(conv, user_input): return later()"
    kind, message = failure_of(talk(turn_function=source).hear("1"))
    assert kind is FailureKind.BAD_RETURN
    assert "functions are synchronous" in message


def test_the_traceback_shows_the_project_only(talk: Talk) -> None:
    result = talk(turn_function="def turn_function(conv, user_input):\n    raise ValueError('no')").hear("1")
    assert result.failure is not None
    assert "functions/turn_function.py" in result.failure.traceback
    assert "tieline/agent" not in result.failure.traceback


def test_secrets_are_read_and_never_logged(tmp_path: Path) -> None:
    body = """\
from _gen import *
def turn_function(conv, user_input):
    token = conv.utils.get_secret("token")
    both = conv.utils.get_secret("pair")
    print(token)
    conv.log.info("using " + token, token=token)
    assert both == {"user": "u", "password": "p"}
    assert conv.utils.get_secret("broken") == "{not json"
    assert conv.utils.get_secret("list") == " {} "[:0] + "[1]"
    conv.utils.get_secret(user_input)
"""
    secrets = {
        "token": "hunter22",
        "pair": '{"user": "u", "password": "p"}',
        "broken": "{not json",
        "list": "[1]",
    }
    folder = load_folder(write_project(tmp_path, {"functions/turn_function.py": body}))
    code = ProjectCode(folder.spec, secrets)
    code.load()
    run = Run(run_id=1, kind=RunKind.TURN, conversation=make_snapshot(), user_input="other")
    result = run_turn(run, code, NoLimit())
    assert failure_of(result) == (
        FailureKind.RAISED,
        "SecretNotFound: The secret 'other' is not configured for this project.",
    )
    assert "hunter22" not in repr(result)
    assert [entry.content for entry in result.logs] == ["[withheld]", "using [withheld]"]


def test_each_function_after_the_first_is_announced(tmp_path: Path) -> None:
    files = flow("a", a="    flow.goto_step('b')\n", b="    pass\n")
    code = ProjectCode(load_folder(write_project(tmp_path, files)).spec)
    code.load()
    announced: list[str] = []
    conversation = make_snapshot(current_flow="Menu", current_step="a")
    run = Run(run_id=1, kind=RunKind.TURN, conversation=conversation, user_input="1")
    run_turn(run, code, NoLimit(), announced.append)
    assert announced == ["b"]
    assert name_entry(run) == "a"


class Impatient:
    """A limiter whose time is always up."""

    def call(self, _seconds: float, _function: object, _args: object) -> object:
        raise TimeLimitExceeded


def test_a_time_limit_is_a_typed_failure(tmp_path: Path) -> None:
    body = "def turn_function(conv, user_input): pass"
    code = ProjectCode(load_folder(write_project(tmp_path, {"functions/turn_function.py": body})).spec)
    code.load()
    run = Run(run_id=1, kind=RunKind.TURN, conversation=make_snapshot(), user_input="1", limit_s=2.5)
    result = run_turn(run, code, Impatient())
    assert failure_of(result) == (FailureKind.TIMED_OUT, "turn_function did not return within 2.5 s.")
