"""The reference of `conv` names every name there is, and none that is not."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tieline.agent.code import ProjectCode
from tieline.agent.conversation import Conversation, Flow
from tieline.agent.folder import UNSUPPORTED_FILES, UNSUPPORTED_FOLDERS
from tieline.agent.journal import Journal
from tieline.agent.messages import DtmfListen, FailureKind
from tieline.agent.returns import READERS
from tieline.agent.settings import AgentSettings
from tieline.agent.spec import ProjectSpec
from tieline.agent.turn import MAX_FUNCTIONS
from tieline.agent.unsupported import (
    CONVERSATION_ATTRIBUTES,
    CONVERSATION_METHODS,
    UTILITIES,
    UnsupportedAttribute,
    UnsupportedMethod,
)
from tieline.testing.agents import make_snapshot

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "reference" / "conv.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)}


def first_cells(section: str) -> set[str]:
    """The names in code in the first column of a section's table."""
    rows = re.findall(r"^\| (`.*?) \|", SECTIONS[section], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+(?:\.\w+)?)", row)}


def public_names(value: object) -> set[str]:
    return {name for name in [*vars(type(value)), *vars(value)] if not name.startswith("_")}


@pytest.fixture
def conv() -> Conversation:
    return Conversation(make_snapshot(), ProjectCode(ProjectSpec(root="/")), Journal())


def supported(conv: Conversation) -> set[str]:
    refused = (UnsupportedAttribute, UnsupportedMethod)
    return {n for n in public_names(conv) if not isinstance(inspect.getattr_static(conv, n), refused)}


def test_every_attribute_and_method_is_documented_and_no_other(conv: Conversation) -> None:
    methods = {name for name in supported(conv) if inspect.ismethod(inspect.getattr_static(conv, name, None))}
    methods |= {name for name in supported(conv) if inspect.isfunction(inspect.getattr_static(conv, name))}
    assert first_cells("Methods") == methods
    assert first_cells("Attributes") == supported(conv) - methods


def test_methods_are_documented_with_their_parameters() -> None:
    for name in first_cells("Methods"):
        signature = inspect.signature(getattr(Conversation, name))
        parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
        bare = inspect.Signature([p.replace(annotation=inspect.Parameter.empty) for p in parameters])
        assert f"`{name}{bare}`" in SECTIONS["Methods"]


def test_names_of_later_releases_are_listed() -> None:
    listed = set(re.findall(r"`(\w+)`", SECTIONS["Not in this release"]))
    assert listed == {*CONVERSATION_ATTRIBUTES, *CONVERSATION_METHODS, *UTILITIES}


def test_flow_is_documented(conv: Conversation) -> None:
    names = {name.removeprefix("flow.") for name in first_cells("`flow`")}
    assert names == public_names(Flow(conv, "a", "b"))


def test_return_keys_are_documented() -> None:
    assert first_cells("What a function returns") == set(READERS)


def test_keypad_settings_are_documented_with_their_defaults() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", SECTIONS["Keypad"], re.MULTILINE))
    defaults = DtmfListen()
    words = {None: "none", True: "true", False: "false", 10.0: "10", 3.0: "3", "#": "`#`"}
    assert rows == {name: words[getattr(defaults, name)] for name in DtmfListen.__struct_fields__}


def test_limits_are_those_of_the_code() -> None:
    settings = AgentSettings()
    assert f"At most {MAX_FUNCTIONS} functions run in one turn" in " ".join(PAGE.split())
    isolation = (DOCS / "explanation" / "isolation.md").read_text(encoding="utf-8")
    assert f"Time: {settings.function_limit_s:g} s a function, {settings.start_limit_s:g} s for" in isolation
    assert f"Memory: {settings.memory_mb} MiB" in isolation
    assert f"At most {settings.runners_max} functions" in isolation
    assert settings.queue_max == 1_000
    assert f"wait for up to {settings.queue_wait_s:g} s" in isolation
    for kind in FailureKind:
        assert f"`{kind}`" in isolation


def test_unsupported_files_are_documented() -> None:
    page = (DOCS / "reference" / "project.md").read_text(encoding="utf-8")
    for name in (*UNSUPPORTED_FILES, *(f"{folder}/" for folder in UNSUPPORTED_FOLDERS if folder != "config")):
        assert f"`{name}`" in page
