"""Importing a project's Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tieline.agent.code import ProjectCode, StepNotFound
from tieline.agent.folder import load_folder
from tieline.agent.gen import ERROR_CLASSES, VALUE_CLASSES
from tieline.agent.host import report_failures
from tieline.agent.unsupported import NotInThisRelease
from tieline.testing.agents import AgentTalk, write_project

WRITTEN_ELSEWHERE = {
    "functions/start_function.py": """\
        from _gen import *  # <AUTO GENERATED>
        import _gen
        import plog
        from functions.prices import price_of as look_up
        from functions.nested.deep import DEPTH
        from .prices import VAT
        from flows.booking.functions.confirmed import confirmed
        from flows.booking.functions import confirmed as module
        import functions.prices

        VOICE = ElevenLabsVoice("abc", stability=0.5)

        @func_description("Starts.")
        @func_parameter("x", "not one of ours")
        @func_latency_control(delay_before_responses_start=1, delay_responses=[("One moment.", 2)])
        @plog.tmp_bind(integration="x")
        def start_function(conv: Conversation):
            with plog.bind(a=1):
                plog.info("price %s", look_up("tea"), is_pii=True, vat=VAT)
            plog.exception("trouble")
            conv.state.price = look_up("tea")
            conv.state.depth = DEPTH
            conv.state.same = module.confirmed is confirmed and functions.prices.VAT == VAT
            conv.state.gen = _gen.Conversation is Conversation
            from functions.late import late
            late(conv)
        """,
    "functions/prices.py": """\
        from _gen import *
        VAT = 20
        def price_of(thing: str): return {"tea": 5}[thing]
        @func_description("x")
        def prices(conv: Conversation): return "a utility module"
        """,
    "functions/late.py": "def late(conv): conv.state.late = True\n",
    "functions/nested/__init__.py": "NESTED = True\n",
    "functions/nested/deep.py": "from . import NESTED\nDEPTH = 1 if NESTED else 0\n",
    "flows/booking/flow_config.yaml": "name: Booking\ndescription: x\nstart_step: ask\n",
    "flows/booking/function_steps/ask.py": """\
        from _gen import *
        from ..functions.confirmed import confirmed
        def ask(conv: Conversation, flow: Flow): return confirmed(conv, flow, True)
        """,
    "flows/booking/functions/confirmed.py": """\
        from _gen import *
        @func_description("x")
        @func_parameter("sure", "y")
        def confirmed(conv: Conversation, flow: Flow, sure: bool): return {"utterance": f"{flow.name} {sure}"}
        """,
}


def test_a_project_with_every_kind_of_import_loads_and_runs(tmp_path: Path) -> None:
    talk = AgentTalk(write_project(tmp_path, WRITTEN_ELSEWHERE), current_flow="Booking", current_step="ask")
    assert talk.report.errors == ()
    result = talk.start()
    assert result.failure is None
    assert result.conversation.state == {"price": 5, "depth": 1, "same": True, "gen": True, "late": True}
    assert [(entry.level, entry.content, entry.is_pii) for entry in result.logs] == [
        ("info", "price 5", True),
        ("error", "trouble", False),
    ]
    assert talk.hear("1").utterances == ["Booking True"]


def test_nothing_of_a_project_is_left_in_this_process(tmp_path: Path) -> None:
    path_before, meta_before = list(sys.path), list(sys.meta_path)
    AgentTalk(write_project(tmp_path, WRITTEN_ELSEWHERE)).start()
    assert (sys.path, sys.meta_path) == (path_before, meta_before)
    assert not {"functions", "functions.prices", "flows", "_gen", "plog"} & set(sys.modules)


def test_two_projects_do_not_see_each_other(tmp_path: Path) -> None:
    talks = []
    for name in ("one", "two"):
        files = {
            "functions/shared.py": f"WHO = '{name}'\n",
            "functions/turn_function.py": """\
                def turn_function(conv, user_input):
                    from functions.shared import WHO
                    return {"utterance": WHO}
                """,
        }
        (tmp_path / name).mkdir()
        talks.append(AgentTalk(write_project(tmp_path / name, files)))
    assert [talk.hear("1").utterances for talk in (*talks, *talks)] == [["one"], ["two"], ["one"], ["two"]]


def test_a_file_of_the_project_cannot_stand_in_for_a_library(tmp_path: Path) -> None:
    files = {
        "json.py": "raise RuntimeError('never imported')\n",
        "config/__init__.py": "raise RuntimeError('never imported')\n",
        "functions/turn_function.py": """\
            import json
            def turn_function(conv, user_input):
                try:
                    import config.handoffs
                except ImportError:
                    return {"utterance": json.dumps(user_input)}
            """,
    }
    talk = AgentTalk(write_project(tmp_path, files))
    assert talk.hear("1").utterances == ['"1"']


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("\nraise ValueError('no')\n", 2, "it cannot be imported: ValueError: no"),
        ("import sys\nsys.exit(3)\n", 2, "it exits the process when it is imported"),
        ("from functions.nowhere import x\n", 1, "No module named 'functions.nowhere'"),
        ("import _gen.inner\n", 1, "No module named '_gen.inner'"),
        ("import flows.nowhere\n", 1, "No module named 'flows.nowhere'"),
    ],
)
def test_a_file_that_cannot_be_imported_is_an_error_and_the_others_still_load(
    tmp_path: Path, source: str, line: int, message: str
) -> None:
    files = {"functions/a.py": source, "functions/b.py": "def b(conv): pass\n"}
    code = ProjectCode(load_folder(write_project(tmp_path, files)).spec)
    seen: list[str] = []
    code.load(seen.append)
    assert seen == ["functions/a.py", "functions/b.py"]
    [finding] = report_failures(code)
    assert (finding.file, finding.line) == ("functions/a.py", line)
    assert message in finding.message
    assert code.find_entry("b") is not None
    with pytest.raises(StepNotFound):
        code.find_function("a")


def test_an_interrupt_while_loading_is_not_swallowed(tmp_path: Path) -> None:
    code = ProjectCode(
        load_folder(write_project(tmp_path, {"functions/a.py": "raise KeyboardInterrupt\n"})).spec
    )
    with pytest.raises(KeyboardInterrupt):
        code.load()


def test_installed_modules_stay(tmp_path: Path) -> None:
    code = ProjectCode(load_folder(write_project(tmp_path, {"functions/a.py": "def a(conv): pass\n"})).spec)
    code.load()
    before = dict(sys.modules)
    code.install()
    try:
        import functions.a  # type: ignore[import-not-found]

        assert functions.a.a is code.find_function("a")
    finally:
        sys.meta_path.pop(0)
        for name in set(sys.modules) - set(before):
            del sys.modules[name]


def test_names_of_later_releases_can_be_imported_and_made(tmp_path: Path) -> None:
    names = [*VALUE_CLASSES, *ERROR_CLASSES]
    source = "from _gen import *\nMADE = [" + ", ".join(f"{name}('x')" for name in names) + "]\n"
    files = {
        "functions/turn_function.py": source
        + """\
def turn_function(conv, user_input):
    assert "CartesiaVoice()" in repr(MADE)
    try:
        conv.set_voice(CartesiaVoice("x", speed=1))
    except NotInThisRelease as error:
        return {"utterance": str(error)}
""",
    }
    [utterance] = AgentTalk(write_project(tmp_path, files)).hear("1").utterances
    assert utterance.startswith("conv.set_voice() is not in this release")
    assert issubclass(NotInThisRelease, NotImplementedError)


def test_decorators_leave_their_words_on_the_function(tmp_path: Path) -> None:
    code = ProjectCode(load_folder(write_project(tmp_path, WRITTEN_ELSEWHERE)).spec)
    code.load()
    start: Any = code.find_function("start_function")
    assert start.__description__ == "Starts."
    assert start.__parameters_described__ == {"x": "not one of ours"}
    assert start.__latency_control__["delay_responses"] == [("One moment.", 2)]


def test_logging_outside_a_run_goes_nowhere(tmp_path: Path) -> None:
    files = {"functions/a.py": "import plog\nplog.info('loading')\nplog.warn('%s%%', 5)\ndef a(conv): pass\n"}
    assert AgentTalk(write_project(tmp_path, files)).report.errors == ()
