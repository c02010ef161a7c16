"""Destinations, stories and questions that the tests of bridges share."""

from typing import Any

from msgspec.structs import replace

from tieline.agent.messages import Run, TurnResult
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, SipConfig, SipHeader
from tieline.model.receipt import HandoffFailure
from tieline.model.trunk import Trunk
from tieline.sip.events import (
    ByeReceived,
)
from tieline.sip.message import Headers
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import RESOURCES, Switchboard
from tieline.testing.peer_stories import (
    ANSWER,
    Story,
)
from tieline.testing.virtual_time import run_virtual, settle

OUT = Trunk(name="out", networks=("192.0.2.128/25",), account="ws-1", target="pbx.example")
WITH_TRUNK = replace(RESOURCES, trunks=(*RESOURCES.trunks, OUT))
CONFIG = SipConfig(
    method=HandoffMethod.INVITE,
    phone_number="+15550002222",
    outbound_endpoint="out",
    ring_timeout_s=20.0,
    outbound_encryption="UDP/RTP",
)
HUMAN = Destination(
    name="human",
    is_default=True,
    sip_config=CONFIG,
    sip_headers=(SipHeader(key="X-Why", value="asked"),),
    fallback=(),
)
CALLEE = 1001
HELD = ANSWER + b"a=sendonly\r\n"


def ask(run: Run) -> TurnResult:
    return reply(
        run, "Passing you on.", state={"n": 1}, handoff={"destination": "default", "reason": "asked"}
    )


def board_parts(*destinations: Destination, **acts: Any) -> dict[str, Any]:
    agent = ScriptedAgent(turn=ask, destinations=destinations or (HUMAN,), **acts)
    return {"agent": agent, "resources": WITH_TRUNK}


def human(**config: Any) -> Destination:
    return replace(HUMAN, sip_config=replace(CONFIG, **config))


async def ask_for_a_human(board: Switchboard, story: Story | None = None) -> int:
    """The caller gets as far as the INVITE of the second leg."""
    if story is not None:
        board.sip.on_invite = story
    leg = board.invite()
    await board.hear("Welcome.")
    board.media.press("1#", leg="")
    await board.until("invite")
    return leg


async def joined(board: Switchboard) -> None:
    await board.journal.until_like("join ")
    await settle()


def leave(board: Switchboard, leg: int = CALLEE) -> None:
    """The human hangs up."""
    board.sip.legs.discard(leg)
    board.registry.on_event(ByeReceived(leg, Headers()))


def only(board: Switchboard) -> Conversation:
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert stored.closed is not None
    return stored


def ending(board: Switchboard) -> tuple[TerminationReason, str]:
    (termination,) = board.observer.terminations
    return termination.reason, termination.detail


def last_failure(board: Switchboard) -> HandoffFailure | None:
    return only(board).receipts[-1].steps[-1].failure


def result_of(board: Switchboard) -> dict[str, Any]:
    result = board.agent.runs[-1].conversation.handoff_result
    assert result is not None
    return result
