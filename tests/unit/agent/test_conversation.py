"""`conv` as functions use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tieline.agent.code import ProjectCode, StepNotFound
from tieline.agent.conversation import AgentResponse, Conversation, Flow, MissingHandoff, UserInput, Utilities
from tieline.agent.journal import Journal
from tieline.agent.messages import Metric
from tieline.agent.spec import FlowSpec, ProjectSpec
from tieline.agent.state import NotJson
from tieline.agent.unsupported import (
    CONVERSATION_ATTRIBUTES,
    CONVERSATION_METHODS,
    UTILITIES,
    NotInThisRelease,
)
from tieline.model.handoff import Destination, HandoffMethod, SipConfig, SipHeader
from tieline.testing.agents import make_snapshot

BYE = Destination(
    name="people",
    description="Everything else",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.BYE),
    sip_headers=(SipHeader(key="X-why", value="$why"),),
)
REFER = Destination(
    name="elsewhere", sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="+15550100")
)


def make_conv(tmp_path: Path, **fields: Any) -> Conversation:
    menu = FlowSpec(name="Menu", folder="menu", start_step="a", function_steps=("a",))
    spec = ProjectSpec(root=str(tmp_path), destinations=(BYE, REFER), flows=(menu,))
    return Conversation(make_snapshot(**fields), ProjectCode(spec), Journal(), "1")


def test_attributes_are_those_of_the_conversation(tmp_path: Path) -> None:
    conv = make_conv(
        tmp_path,
        sip_headers={"X-A": "b"},
        integration_attributes={"shared_id": "s", "customer": {"age": 3}},
        caller_number="+15550123",
        callee_number="+15550100",
        language="en-US",
        variant_name="v",
        current_flow="Menu",
        current_step="a",
        history=[{"role": "user", "text": "hello"}, {"role": "agent", "text": "hi"}, {}],
    )
    assert (conv.id, conv.account_id, conv.project_id) == (
        "0bba04d7-38b3-4fd3-a1a8-329c34517fc1",
        "ws-test",
        "PROJECT-test",
    )
    assert (conv.env, conv.channel_type, conv.language) == ("live", "sip.polyai", "en-US")
    assert (conv.caller_number, conv.callee_number) == ("+15550123", "+15550100")
    assert (conv.current_flow, conv.current_step, conv.variant_name) == ("Menu", "a", "v")
    assert conv.sip_headers["x-a"] == "b"
    assert conv.integration_attributes["customer"]["age"] == 3
    assert conv.history == [UserInput("hello"), AgentResponse("hi"), AgentResponse("")]
    assert conv.user_input == "1"


def test_context_gives_the_best_value_and_lists_every_source(tmp_path: Path) -> None:
    brought = [
        {"key": "tier", "value": "silver", "origin": "uui", "name": "User-to-User", "profile": None},
        {"key": "contact_id", "value": "7", "origin": "profile", "name": "x-inin-cnv", "profile": "genesys"},
    ]
    conv = make_conv(tmp_path, integration_attributes={"tier": "gold"}, context=brought)
    assert dict(conv.context) == {"tier": "gold", "contact_id": "7"}
    assert (conv.context.get("nothing"), len(conv.context), "tier" in conv.context) == (None, 2, True)
    listed = [(one.key, one.value, one.origin, one.name, one.profile) for one in conv.context.sources]
    assert listed == [
        ("tier", "gold", "reservation", "tier", None),
        ("tier", "silver", "uui", "User-to-User", None),
        ("contact_id", "7", "profile", "x-inin-cnv", "genesys"),
    ]
    source = conv.context.source("contact_id")
    assert source is not None
    assert source.profile == "genesys"
    assert conv.context.source("nothing") is None
    assert repr(conv.context) == "CallContext({'tier': 'gold', 'contact_id': '7'})"
    with pytest.raises(TypeError):
        conv.context["tier"] = "tin"  # type: ignore[index]


def test_history_entries_know_who_spoke() -> None:
    entry = UserInput("hello")
    assert (entry.role, entry.text, entry.to_string()) == ("user", "hello", "user: hello")
    assert entry.to_dict() == {"role": "user", "text": "hello"}
    assert entry != AgentResponse("hello")
    assert entry != "hello"
    assert len({entry, UserInput("hello"), AgentResponse("hello")}) == 2
    assert repr(entry) == "UserInput('hello')"


def test_handoffs_are_listed(tmp_path: Path) -> None:
    handoffs = make_conv(tmp_path).handoffs
    assert list(handoffs) == ["people", "elsewhere"]
    assert handoffs["people"].sip_headers == {"X-why": "$why"}
    assert handoffs["people"].is_default
    assert handoffs["people"].description == "Everything else"
    assert handoffs["elsewhere"].sip_type == "refer"
    assert handoffs["elsewhere"].sip_config == {"method": "refer", "phone_number": "+15550100"}


@pytest.mark.parametrize("name", ["people", "default", "DEFAULT"])
def test_a_handoff_is_queued_under_its_real_name(tmp_path: Path, name: str) -> None:
    conv = make_conv(tmp_path)
    conv.call_handoff(name, reason="r", utterance="u", sip_headers={"X-n": 1, "X-b": False}, route="x")  # type: ignore[dict-item]
    assert conv._handoff == {
        "destination": "people",
        "reason": "r",
        "utterance": "u",
        "route": "x",
        "sip_headers": {"X-n": "1", "X-b": "false"},
    }


def test_a_handoff_needs_a_destination_that_exists(tmp_path: Path) -> None:
    conv = make_conv(tmp_path)
    with pytest.raises(
        MissingHandoff, match=r"no handoff destination 'People'. Configured: people, elsewhere"
    ):
        conv.call_handoff("People")
    with pytest.raises(TypeError, match=r"destination of a handoff must be text, not NoneType"):
        conv.call_handoff(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the reason of conv.call_handoff must be text"):
        conv.call_handoff("people", reason=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"sip_headers of conv.call_handoff must be a dict"):
        conv.call_handoff("people", sip_headers=["X"])  # type: ignore[arg-type]
    assert conv._handoff is None


def test_default_without_a_default_is_missing(tmp_path: Path) -> None:
    code = ProjectCode(ProjectSpec(root=str(tmp_path), destinations=(REFER,)))
    with pytest.raises(MissingHandoff):
        Conversation(make_snapshot(), code, Journal()).call_handoff("default")


def test_metrics(tmp_path: Path) -> None:
    conv = make_conv(tmp_path, metrics_written=["OLD"])
    conv.write_metric("A")
    conv.write_metric("A", 1)
    conv.write_metric("B", "x", write_once=True)
    conv.write_metric("B", "y", write_once=True)
    conv.write_metric("OLD", write_once=True)
    assert conv._metrics == [
        Metric(name="A"),
        Metric(name="A", value=1),
        Metric(name="B", value="x", write_once=True),
    ]
    assert conv._metrics_written == ["OLD", "A", "B"]
    with pytest.raises(NotJson, match=r"the metric C is a"):
        conv.write_metric("C", object())
    with pytest.raises(TypeError, match=r"must be text, not int"):
        conv.write_metric(1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="takes a name"):
        conv.write_metric("")


def test_say_and_set_variant_take_text(tmp_path: Path) -> None:
    conv = make_conv(tmp_path)
    with pytest.raises(TypeError, match=r"the utterance of conv.say must be text, not int"):
        conv.say(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the variant of conv.set_variant must be text"):
        conv.set_variant(None)  # type: ignore[arg-type]
    conv.set_variant("v2")
    assert conv.variant_name == "v2"


def test_a_step_can_be_given_a_reason_for_the_log(tmp_path: Path) -> None:
    conv = make_conv(tmp_path)
    Flow(conv, "Menu", "a").goto_step("A", "asked again")
    assert conv._journal.entries[0].content == "goto_step a: asked again"
    with pytest.raises(StepNotFound):
        Flow(conv, "Menu", "a").goto_step("b")


def test_log_levels_and_personal_data(tmp_path: Path) -> None:
    conv = make_conv(tmp_path)
    conv.log.info("a", is_pii=True, n=1)
    conv.log.warning("b")
    conv.log.error("c", status=500)
    entries = conv._journal.entries
    assert [(entry.level, entry.content, entry.is_pii) for entry in entries] == [
        ("info", "a", True),
        ("warning", "b", False),
        ("error", "c", False),
    ]
    assert entries[0].fields == {"n": 1}


@pytest.mark.parametrize("name", sorted(CONVERSATION_ATTRIBUTES))
def test_attributes_of_later_releases_say_so(tmp_path: Path, name: str) -> None:
    conv = make_conv(tmp_path)
    with pytest.raises(NotInThisRelease, match=f"^conv.{name} is not in this release of Tieline: "):
        getattr(conv, name)
    with pytest.raises(NotInThisRelease):
        setattr(conv, name, 1)


@pytest.mark.parametrize("name", sorted(CONVERSATION_METHODS))
def test_methods_of_later_releases_say_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotInThisRelease, match=rf"^conv.{name}\(\) is not in this release of Tieline: "):
        getattr(make_conv(tmp_path), name)("x", y=1)


@pytest.mark.parametrize("name", sorted(UTILITIES))
def test_utilities_of_later_releases_say_so(name: str) -> None:
    with pytest.raises(NotInThisRelease, match=rf"^conv.utils.{name}\(\) is not in this release"):
        getattr(Utilities({}), name)("x")
