"""REFER and INVITE handoffs of a server process to scripted peers on real sockets, rude ones among them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tieline.testing.agents import write_project
from tieline.testing.contact_center import Manners, PeerState, behaving
from tieline.testing.contact_center.sockets import SocketCentre
from tieline.testing.served import AgentServer

FILES = {
    "functions/start_function.py": """
        from _gen import *


        def start_function(conv: Conversation):
            conv.state.failed = None
            conv.call_handoff(conv.sip_headers.get("X-To"), reason="asked", utterance="")
        """,
    "functions/turn_function.py": """
        from _gen import *


        def turn_function(conv: Conversation, user_input: str):
            return {"utterance": "", "hangup": True}
        """,
    "config/handoffs.yaml": """
        handoffs:
          - name: refer
            is_default: true
            sip_config: {method: refer, phone_number: "sip:queue@192.0.2.99"}
            sip_headers: [{key: X-Reason, value: $handoff_reason}]
            fallback: [{method: bye}]
          - name: invite
            sip_config:
              method: invite
              phone_number: "sip:human@127.0.0.70"
              outbound_endpoint: desk
              outbound_encryption: UDP/RTP
            fallback: [{method: bye}]
        """,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentServer]:
    """Every call is handed off at once, as its header `X-To` says."""
    project = write_project(tmp_path_factory.mktemp("project"), FILES)
    with AgentServer(project, phones=["desk"]) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "worked"),
    [
        ("refer-polite", True),
        ("refer-bye-after-202", True),
        ("refer-target-busy", False),
        ("refer-405", False),
    ],
)
async def test_refer(server: AgentServer, name: str, worked: bool) -> None:
    async with SocketCentre(server.sip, behaving(Manners(), [name])) as centre:
        call = centre.call_number("100", [("X-To", "refer")])
        await centre.over(call)
        ladder = centre.timeline.ladder()
        assert centre.transfer is not None, ladder
        assert centre.transfer.target == "sip:queue@192.0.2.99"
        told = centre.timeline.statuses("NOTIFY")
        assert told == [200] * len(told), ladder
        assert bool(centre.byes) is (name != "refer-bye-after-202"), ladder
        assert worked or call.ended_by == "them", ladder


@pytest.mark.parametrize(
    ("name", "joined"), [("invite-polite", True), ("invite-early-media", True), ("invite-busy", False)]
)
async def test_invite(server: AgentServer, name: str, joined: bool) -> None:
    human = SocketCentre(server.sip, behaving(Manners(), [name]), name="human", listen=server.phones["desk"])
    async with SocketCentre(server.sip, behaving(Manners(), ["sound-tone"])) as centre, human:
        call = centre.call_number("100", [("X-To", "invite")])
        await human.until(lambda: human.calls)
        if not joined:
            await centre.over(call)
            assert human.call.status == 486
            assert call.ended_by == "them", centre.timeline.ladder()
            return
        await human.up(human.call)
        await human.until(lambda: human.audio(human.call).heard_s > 0.5)
        assert call.state is PeerState.UP
        human.hang_up(human.call)
        await centre.over(call)
        assert call.ended_by == "them"
