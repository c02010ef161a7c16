"""Reading project folders: what is found, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieline.agent.destinations import merge_destinations, with_default
from tieline.agent.folder import load_folder
from tieline.agent.secret_file import read_secret_file
from tieline.agent.spec import Finding, Level, LoadReport, to_slug
from tieline.model.handoff import Destination, HandoffMethod, RingSound, Rung, SipConfig, SipHeader
from tieline.testing.agents import write_project

TURN = {"functions/turn_function.py": "def turn_function(conv, user_input): pass\n"}
FLOW = {
    "flows/menu/flow_config.yaml": "name: Main menu\ndescription: x\nstart_step: first\n",
    "flows/menu/function_steps/first.py": "def first(conv, flow): pass\n",
}


def load(tmp_path: Path, files: dict[str, str]) -> tuple[LoadReport, list[tuple[str, int | None, str]]]:
    report = load_folder(write_project(tmp_path, files)).report
    return report, [(finding.file, finding.line, finding.level.value) for finding in report.findings]


def say(report: LoadReport) -> str:
    return "\n".join(str(finding) for finding in report.findings)


def test_a_small_project_has_no_findings(tmp_path: Path) -> None:
    files = {
        **TURN,
        **FLOW,
        "functions/start_function.py": "def start_function(conv): pass\n",
        "functions/helped.py": "from functions.turn_function import turn_function as helped\n",
        "functions/constants.py": "constants = 5\n",
        "voice/configuration.yaml": "greeting:\n  welcome_message: Hello.\n  language_code: en-GB\n",
        "config/handoffs.yaml": "handoffs:\n- name: a\n  is_default: true\n  sip_config: {method: bye}\n",
        "README.md": "x",
        "voice/recordings.yaml": "Hello.: hello.wav\n",
        "voice/recordings/hello.wav": "x",
        "_gen/__init__.py": "x",
        ".hidden": "x",
    }
    folder = load_folder(write_project(tmp_path, files))
    assert say(folder.report) == ""
    assert folder.report.ok
    assert folder.spec.name == "Test"
    assert folder.spec.greeting == "Hello."
    assert folder.spec.language == "en-GB"
    assert set(folder.spec.functions) == {"turn_function", "start_function", "helped", "constants"}
    assert folder.spec.destinations == (
        Destination(name="a", is_default=True, sip_config=SipConfig(method=HandoffMethod.BYE)),
    )


def test_flows_and_steps_are_found_by_their_names_in_any_spelling(tmp_path: Path) -> None:
    files = {**FLOW, "flows/menu/steps/ask_name.yaml": "name: Ask the name\nprompt: x\n"}
    spec = load_folder(write_project(tmp_path, files)).spec
    flow = spec.find_flow("Main menu")
    assert flow is not None
    assert flow == spec.find_flow("main_menu") == spec.find_flow("menu")
    assert spec.find_flow("other") is None
    assert flow.find_step("First") == "first"
    assert flow.find_step("ask the NAME") == "Ask the name"
    assert flow.find_step("last") is None
    assert to_slug("Straße 9 – done!") == "straße_9_done"


def test_greeting_may_be_a_plain_text(tmp_path: Path) -> None:
    files = {**TURN, "voice/configuration.yaml": "greeting: Hello.\nlanguage_code: de\n"}
    spec = load_folder(write_project(tmp_path, files)).spec
    assert (spec.greeting, spec.language) == ("Hello.", "de")


def test_missing_things_are_said(tmp_path: Path) -> None:
    report = load_folder(tmp_path / "nowhere").report
    assert not report.ok
    assert "there is no such project folder" in say(report)
    (tmp_path / "empty").mkdir()
    folder = load_folder(tmp_path / "empty")
    assert folder.report.ok
    assert folder.spec.name == "empty"
    assert [finding.file for finding in folder.report.warnings] == ["functions", "project.yaml"]


@pytest.mark.parametrize(
    ("file", "text", "line", "message"),
    [
        ("functions/a.py", "def a(:\n", 1, "it is not Python"),
        ("functions/a.py", "x = '\0'\n", None, "it is not Python"),
        ("functions/my-tool.py", "", None, "not a Python name"),
        ("functions/a.py", "#" * (1024 * 1024 + 1), None, "larger than 1024 KiB"),
        ("functions/start_function.py", "x = 1\n", None, "does not define a function start_function"),
        ("functions/end_function.py", "\ndef end_function(): pass\n", 2, "is called as end_function(conv)"),
        (
            "functions/turn_function.py",
            "def turn_function(conv): pass\n",
            1,
            "turn_function(conv, user_input)",
        ),
        ("functions/turn_function.py", "def turn_function(conv, a, b): pass\n", 1, "does not take that"),
        ("functions/turn_function.py", "def turn_function(conv, a, *, b): pass\n", 1, "does not take that"),
        ("functions/a.py", "async def a(conv): pass\n", 1, "a is async; functions are synchronous"),
        (
            "flows/menu/function_steps/first.py",
            "def first(conv): pass\n",
            1,
            "is called as first(conv, flow)",
        ),
        (
            "flows/menu/function_steps/second.py",
            "def third(conv, flow): pass\n",
            None,
            "not define a function second",
        ),
        ("flows/menu/flow_config.yaml", "name: x\n", None, "start_step is missing"),
        (
            "flows/menu/flow_config.yaml",
            "name: x\nstart_step: last\n",
            2,
            "'last' is not a step of this flow",
        ),
        ("flows/menu/flow_config.yaml", "name: [x]\nstart_step: first\n", 1, "name must be text"),
        (
            "flows/other/flow_config.yaml",
            "name: Main menu\nstart_step: x\n",
            None,
            "another flow has this name",
        ),
        (
            "flows/bad-name/flow_config.yaml",
            "start_step: x\n",
            None,
            "the folder's name is not a Python name",
        ),
        ("flows/bare/functions/x.py", "def x(conv, flow): pass\n", None, "it is missing"),
        ("project.yaml", "a: [1\n", 2, "it is not YAML"),
        ("project.yaml", "a: 1\na: 2\n", 2, "it is not YAML"),
        ("project.yaml", "- a\n", None, "must hold a mapping"),
        ("project.yaml", "#" * (1024 * 1024 + 1), None, "larger than 1024 KiB"),
        ("project.yaml", "project_name: {a: b}\n", 1, "project_name must be text"),
    ],
)
def test_mistakes_are_errors_by_file_and_line(
    tmp_path: Path, file: str, text: str, line: int | None, message: str
) -> None:
    report = load_folder(write_project(tmp_path, {**TURN, **FLOW, file: text})).report
    found = [finding for finding in report.errors if message in finding.message]
    assert found, say(report)
    assert found[0].line == line


@pytest.mark.parametrize(
    "source",
    [
        "def turn_function(conv, user_input, more=1): pass",
        "def turn_function(*args): pass",
        "def turn_function(conv, *rest, key=1, **others): pass",
        "def turn_function(conv, /, user_input): pass",
        "from functions.other import turn_function",
        "turn_function = print",
    ],
)
def test_other_ways_to_take_the_arguments_are_fine(tmp_path: Path, source: str) -> None:
    assert load(tmp_path, {"functions/turn_function.py": source})[0].ok


def test_a_utility_file_without_its_function_is_a_warning(tmp_path: Path) -> None:
    report, found = load(tmp_path, {**TURN, "functions/tools.py": "def other(): pass\n"})
    assert report.ok
    assert found == [("functions/tools.py", None, "warning")]


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("topics/billing.yaml", "x: 1\n", None),
        ("agent_settings/role.yaml", "x: 1\n", None),
        ("agent_settings/rules.txt", "x", None),
        ("agent_settings/experimental_config.json", "{}", None),
        ("config/entities.yaml", "x: 1\n", None),
        ("config/variant_attributes.yaml", "x: 1\n", None),
        ("config/translations.yaml", "x: 1\n", None),
        ("config/api_integrations.yaml", "x: 1\n", None),
        ("config/something.yaml", "x: 1\n", None),
        ("chat/configuration.yaml", "x: 1\n", None),
        ("test_suite/a.yaml", "x: 1\n", None),
        ("voice/speech_recognition/asr_settings.yaml", "x: 1\n", None),
        ("flows/menu/steps/ask.yaml", "name: Ask\n", None),
        ("voice/configuration.yaml", "greeting: Hello {{vrbl:name}}.\n", 1),
        ("voice/configuration.yaml", "\nstyle_prompt:\n  prompt: be nice\n", 2),
        ("voice/configuration.yaml", "disclaimer_messages: {enabled: true, message: x}\n", 1),
        ("voice/configuration.yaml", "speed: 2\n", 1),
    ],
)
def test_what_is_not_supported_is_reported_by_file(
    tmp_path: Path, file: str, text: str, line: int | None
) -> None:
    report, found = load(tmp_path, {**TURN, **FLOW, file: text})
    assert report.ok
    assert found == [(file, line, "unsupported")]
    assert report.unsupported == report.findings


def test_settings_that_are_off_are_not_reported(tmp_path: Path) -> None:
    text = "style_prompt: {prompt: ''}\ndisclaimer_messages: {enabled: false, message: x}\n"
    assert load(tmp_path, {**TURN, "voice/configuration.yaml": text})[1] == []


def test_strangers_are_said_not_to_be_read(tmp_path: Path) -> None:
    assert load(tmp_path, {**TURN, "scripts/x.sh": "x"})[1] == [("scripts", None, "warning")]


# ------------------------------------------------------------------------------------------------- handoffs

BY_INVITE = """handoffs:
- name: a
  sip_config:
    method: invite
    phone_number: "1"
"""


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("handoffs: 5\n", 1, "handoffs must be a list"),
        ("destinations: []\n", None, "expected under the key 'handoffs'"),
        ("handoffs:\n- people\n", 2, "must be a mapping with a name"),
        ("handoffs:\n- sip_config: {method: bye}\n", 2, "has no name"),
        ("handoffs:\n- name: a\n", 2, "a: sip_config must be a mapping"),
        (
            "handoffs:\n- name: a\n  sip_config: {method: fax}\n",
            3,
            "method must be refer, invite or bye, not 'fax'",
        ),
        (
            "handoffs:\n- &a\n  name: a\n  sip_config: {method: bye}\n- name: a\n  sip_config: {method: bye}\n",
            5,
            "the name 'a' is used twice",
        ),
        (
            "handoffs:\n- &a {name: a, is_default: true, sip_config: {method: bye}}\n- {<<: *a, name: b}\n",
            3,
            "'b' is a second default",
        ),
        (
            "handoffs:\n- name: a\n  is_default: maybe\n  sip_config: {method: bye}\n",
            3,
            "must be true or false",
        ),
        (
            "handoffs:\n- name: a\n  sip_config: {method: bye}\n  sip_headers: X\n",
            4,
            "must be a list of key and value",
        ),
        (
            "handoffs:\n- name: a\n  sip_config: {method: bye}\n  sip_headers: [{key: X}]\n",
            4,
            "needs a key and a value",
        ),
        (
            'handoffs:\n- name: a\n  sip_config: {method: bye}\n  sip_headers: [{key: X-a, value: "b\\r\\nVia: c"}]\n',
            4,
            "holds a line break or NUL",
        ),
        (
            BY_INVITE + "    ring_timeout_s: 0\n",
            6,
            "ring_timeout_s must be seconds from 1 to 600, not 0",
        ),
        (
            BY_INVITE + "    ring_timeout_s: true\n",
            6,
            "ring_timeout_s must be seconds",
        ),
        (
            BY_INVITE + "    accept_timeout_s: 301\n",
            6,
            "accept_timeout_s must be seconds from 1 to 300",
        ),
        (
            BY_INVITE + "    ring_sound: polka\n",
            6,
            "ring_sound must be one of tone, early_media, silence, not 'polka'",
        ),
        (
            BY_INVITE + "    accept_key: 12\n",
            6,
            "accept_key must be one key",
        ),
        (
            BY_INVITE + "    accept_key: true\n",
            6,
            "accept_key must be one key",
        ),
        (
            BY_INVITE + "    outbound_encryption: none\n",
            6,
            "outbound_encryption must be TLS/SRTP or UDP/RTP",
        ),
        (
            BY_INVITE + "    whisper: [a]\n",
            6,
            "whisper must be text",
        ),
        (
            BY_INVITE + "  fallback: bye\n",
            6,
            "fallback must be a list",
        ),
        (
            BY_INVITE + "  fallback: [5]\n",
            6,
            "a step of fallback is a method",
        ),
        (
            BY_INVITE + "  fallback: [{}]\n",
            6,
            "a step of fallback is a method",
        ),
        (
            BY_INVITE + "  fallback: [{colour: red}]\n",
            6,
            "a step of fallback is a method",
        ),
        (
            BY_INVITE + "  fallback: [fax]\n",
            6,
            "the method 'fax' is not refer",
        ),
        (
            BY_INVITE + "  fallback:\n  - bye\n  - destination: 5\n",
            8,
            "a destination is named by text",
        ),
        (
            BY_INVITE + "  between: {a: b}\n",
            6,
            "between must be text",
        ),
    ],
)
def test_mistakes_in_handoffs(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    report = load_folder(write_project(tmp_path, {**TURN, "config/handoffs.yaml": text})).report
    found = [finding for finding in report.errors if message in finding.message]
    assert found, say(report)
    assert found[0].line == line


def test_things_to_know_about_handoffs(tmp_path: Path) -> None:
    text = """\
    handoffs:
    - name: a
      colour: red
      sip_config: {method: bye, phone_number: "+15550100", codec: x}
      sip_headers: {User-to-User: $uui, Odd: x, X-n: 5, X-b: true}
    """
    folder = load_folder(write_project(tmp_path, {**TURN, "config/handoffs.yaml": text}))
    assert folder.report.ok
    for message in (
        "the first one, 'a', is taken",
        "colour is not known",
        "sip_config.codec is not known",
        "phone_number has no effect with bye",
        "Odd does not start with X-",
    ):
        assert message in say(folder.report)
    [destination] = folder.spec.destinations
    assert destination.is_default
    assert destination.sip_headers == (
        SipHeader(key="User-to-User", value="$uui"),
        SipHeader(key="Odd", value="x"),
        SipHeader(key="X-n", value="5"),
        SipHeader(key="X-b", value="true"),
    )


def test_a_destination_with_everything(tmp_path: Path) -> None:
    text = """\
    handoffs:
    - name: a
      is_default: true
      between: One moment.
      fallback: [invite, {destination: DEFAULT}, {destination: b, method: Bye}, {destination: gone}]
      sip_config:
        method: refer
        phone_number: 15550100
        outbound_endpoint: carrier
        outbound_encryption: UDP/RTP
        outbound_caller_id: "+15550199"
        ring_timeout_s: 20
        ring_sound: tone
        whisper: A caller for sales.
        accept_key: 1
        accept_timeout_s: 5.5
    - name: b
      sip_config: {method: refer}
    """
    folder = load_folder(write_project(tmp_path, {**TURN, "config/handoffs.yaml": text}))
    assert folder.report.ok
    said = say(folder.report)
    assert "phone_number should be in quotes" in said
    assert "fallback names 'gone', which is not in this file" in said
    assert "b: refer has no phone_number, so the code has to give a route" in said
    first, second = folder.spec.destinations
    assert first.between == "One moment."
    assert first.fallback == (
        Rung(method=HandoffMethod.INVITE),
        Rung(destination="DEFAULT"),
        Rung(destination="b", method=HandoffMethod.BYE),
        Rung(destination="gone"),
    )
    assert first.sip_config == SipConfig(
        method=HandoffMethod.REFER,
        phone_number="15550100",
        outbound_endpoint="carrier",
        outbound_encryption="UDP/RTP",
        outbound_caller_id="+15550199",
        ring_timeout_s=20.0,
        ring_sound=RingSound.TONE,
        whisper="A caller for sales.",
        accept_key="1",
        accept_timeout_s=5.5,
    )
    assert second.fallback is None


def test_an_empty_handoffs_file_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, {**TURN, "config/handoffs.yaml": ""})[1] == []
    assert load(tmp_path, {**TURN, "config/handoffs.yaml": "handoffs: []\n"})[1] == []


def test_destinations_of_the_server_are_laid_over_those_of_the_folder() -> None:
    config = SipConfig(method=HandoffMethod.BYE)
    a, b = Destination(name="a", is_default=True, sip_config=config), Destination(name="b", sip_config=config)
    new_b = Destination(name="b", description="new", is_default=True, sip_config=config)
    c = Destination(name="c", sip_config=config)
    merged = merge_destinations((a, b), (new_b, c))
    assert [(item.name, item.is_default, item.description) for item in merged] == [
        ("a", False, ""),
        ("b", True, "new"),
        ("c", False, ""),
    ]
    assert merge_destinations((a, b), ()) == (a, b)
    assert with_default((b, c))[0].is_default
    assert with_default(()) == ()


# ------------------------------------------------------------------------------------------------- secrets


def test_the_secret_file(tmp_path: Path) -> None:
    assert read_secret_file(tmp_path) == {}
    text = "# comment\n\nA=1\nexport B = 'two words'\nC=\"x=y\"\nnonsense\n=5\nD='\n"
    (tmp_path / "secrets.env").write_text(text)
    assert read_secret_file(tmp_path) == {"A": "1", "B": "two words", "C": "x=y", "D": "'"}
    (tmp_path / "secrets.env").write_text("#" * (256 * 1024 + 1))
    with pytest.raises(ValueError, match="larger than 256 KiB"):
        read_secret_file(tmp_path)


def test_findings_read_as_file_line_level_message() -> None:
    finding = Finding(file="a.yaml", line=3, level=Level.ERROR, message="bad.")
    assert str(finding) == "a.yaml:3: error: bad."
    report = LoadReport().plus([finding, Finding(file="b", level=Level.WARNING, message="odd.")])
    assert str(report.warnings[0]) == "b: warning: odd."
    assert not report.ok
