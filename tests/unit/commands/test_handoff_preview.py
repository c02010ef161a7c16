"""What a handoff would send, said without a call."""

from __future__ import annotations

from typing import Any

from tieline.agent.messages import ConversationSnapshot
from tieline.commands.handoff_preview import preview_on
from tieline.model.handoff import Destination, HandoffMethod, Rung, SipConfig, SipHeader

SALES = Destination(
    name="sales",
    sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="+15550171"),
    sip_headers=(
        SipHeader(key="X-Topic", value="$topic"),
        SipHeader(key="X-Tier", value="$tier"),
        SipHeader(key="X-Case", value="$shared_id"),
    ),
    fallback=(Rung(method=HandoffMethod.BYE),),
)


def lines(shape: dict[str, Any], profile: str = "generic") -> list[str]:
    conversation = ConversationSnapshot(
        id="c-1",
        account_id="a",
        project_id="p",
        env="sandbox",
        channel_type="chat",
        state={"topic": "bills"},
        integration_attributes={"shared_id": "case-1"},
    )
    return preview_on(profile)(shape, conversation, (SALES,))


def test_steps_come_in_turn_with_their_headers() -> None:
    found = lines({"destination": "sales"})
    assert found[0] == "first: refer to sales (+15550171)"
    assert found[1:3] == ["  X-Topic: bills", "  X-Case: case-1"]
    assert found[3].startswith("  X-Tier is left out: ")
    assert "if that fails: bye to sales" in found


def test_a_step_that_the_profile_knows_to_be_refused_is_left_out() -> None:
    found = lines({"destination": "sales"}, "five9")
    assert found[0] == "first: bye to sales"
    assert found[-1] == "left out: refer, for the profile five9 takes no REFER"


def test_a_handoff_without_a_destination() -> None:
    assert lines({"method": "bye", "sip_headers": {"X-a": "b"}})[:2] == ["first: bye", "  X-a: b"]


def test_what_cannot_be_carried_out_says_why() -> None:
    (found,) = lines({"destination": "nobody"})
    assert found.startswith("it cannot be carried out: ")
    assert "nobody" in found
