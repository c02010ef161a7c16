"""The example projects do what their READMEs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tieline.agent.memory import InMemoryAgent
from tieline.agent.messages import Run, RunKind
from tieline.agent.ports import AgentPort
from tieline.model.handoff import HandoffRequest
from tieline.testing.agents import AgentTalk, make_snapshot

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
ADA = {"shared_id": "4f1c", "ani": "+15550123", "customer": {"first_name": "Ada"}}


def call(example: str, keys: list[str], **fields: Any) -> AgentTalk:
    talk = AgentTalk(EXAMPLES / example, **fields)
    assert talk.report.findings == ()
    assert talk.start().failure is None
    for key in keys:
        assert talk.hear(key).failure is None
    return talk


def test_the_front_desk_greets_by_name() -> None:
    talk = call("front_desk", [], integration_attributes=ADA)
    assert talk.result is not None
    assert talk.result.utterances[0].startswith("Hello Ada, this is Northwind. ")
    assert talk.result.listen is not None
    assert talk.result.listen.dtmf.num_digits == 1
    assert talk.conversation.state["shared_id"] == "4f1c"
    assert talk.conversation.state["ani"] == "+15550123"


@pytest.mark.parametrize("attributes", [{}, {"customer": None}, {"customer": {}}])
def test_the_front_desk_greets_strangers_too(attributes: dict[str, Any]) -> None:
    talk = call("front_desk", [], integration_attributes=attributes)
    assert talk.result is not None
    assert talk.result.utterances[0].startswith("Hello, this is Northwind. ")


@pytest.mark.parametrize(
    ("keys", "handoff_to", "reason"),
    [
        (["0"], "reception", "asked_for_a_person"),
        (["9", "", "0"], "reception", "asked_for_a_person"),
        (["", "", ""], "reception", "no_input"),
        (["2", "0000", "1111"], "orders", "order_not_found"),
    ],
)
def test_the_front_desk_hands_back(keys: list[str], handoff_to: str, reason: str) -> None:
    talk = call("front_desk", keys, integration_attributes=ADA)
    assert talk.result is not None
    assert talk.result.handoff is not None
    request = msgspec.convert(talk.result.handoff, HandoffRequest)
    assert (request.destination, request.reason) == ("contact_centre", reason)
    assert talk.result.utterances == [request.utterance]
    state = talk.conversation.state
    assert (state["handoff_to"], state["handoff_reason"], state["contained"]) == (handoff_to, reason, False)


@pytest.mark.parametrize(
    ("keys", "said"), [(["1"], "nine to six"), (["2", "0000", "1001"], "left our warehouse")]
)
def test_the_front_desk_serves(keys: list[str], said: str) -> None:
    talk = call("front_desk", keys, integration_attributes=ADA)
    assert talk.result is not None
    assert talk.result.hangup
    assert talk.result.handoff is None
    assert said in talk.result.utterances[0]
    assert talk.conversation.state["contained"] is True
    assert [metric.value for metric in talk.end().metrics] == [True]


@pytest.mark.parametrize(
    ("keys", "contained", "destination"),
    [
        (["1"], "false", "billing"),
        (["2"], "false", "technical"),
        (["3"], "true", "none"),
        (["7", "", "8"], "false", "general"),
    ],
)
def test_five9_is_told_by_headers_and_state(keys: list[str], contained: str, destination: str) -> None:
    talk = call("five9", keys, sip_headers={"x-five9-session-id": "0A1B"})
    assert talk.result is not None
    assert talk.result.handoff is not None
    request = msgspec.convert(talk.result.handoff, HandoffRequest)
    assert request.sip_headers == {"X-contained": contained, "X-destination": destination}
    assert request.destination is None
    assert talk.conversation.state["shared_id"] == "0A1B"
    assert talk.conversation.state["contained"] is (contained == "true")


def test_five9_speaks_the_projects_greeting() -> None:
    talk = call("five9", [])
    assert talk.result is not None
    assert talk.result.greeting
    assert talk.result.utterances[0].startswith("Thanks for calling Northwind. For billing, press 1.")
    assert talk.result.logs[0].level == "warning"


@pytest.mark.parametrize(("keys", "name"), [(["1"], "sales"), (["7", "2"], "orders")])
def test_genesys_is_handed_the_reason_and_the_order(keys: list[str], name: str) -> None:
    brought = {"key": "order", "value": "4711", "origin": "uui", "name": "User-to-User", "profile": None}
    talk = call("genesys", keys, context=[brought])
    assert talk.result is not None
    assert talk.result.handoff is not None
    assert talk.result.handoff["destination"] == name
    assert (talk.conversation.state["order"], talk.conversation.state["handoff_reason"]) == (
        "4711",
        {"sales": "buy", "orders": "order"}[name],
    )


async def test_the_agent_in_memory_is_an_agent_port() -> None:
    agent: AgentPort = InMemoryAgent(EXAMPLES / "front_desk")
    run = Run(run_id=1, kind=RunKind.START, conversation=make_snapshot(sip_headers={"A": "b"}))
    assert (await agent.run(run)).failure is not None
    assert (await agent.start()).ok
    assert agent.report.ok
    assert agent.destinations[0].name == "contact_centre"
    result = await agent.run(run)
    assert result.failure is None
    assert result.conversation.sip_headers == {"A": "b"}
    await agent.close()
    assert (await agent.run(run)).failure is not None
    nothing = InMemoryAgent(EXAMPLES / "nowhere")
    assert not (await nothing.start()).ok
