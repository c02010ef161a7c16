"""Every named behaviour of a peer against the whole server: each call ends once, with one outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieline.testing.contact_center import BEHAVIOURS, Manners, MemoryCentre, PeerState, behaving
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual

FRONT_DESK = Path(__file__).parents[2] / "examples" / "front_desk"


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("key", ["0", "1", ""])
def test_a_caller_of_any_manners_leaves_one_outcome(name: str, key: str) -> None:
    """The caller asks for a person (a BYE handoff), gets an answer, or says nothing."""

    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            dni = (await server.reserve({"shared_id": "s-1"})).json()["dni"]
            centre = MemoryCentre(server, behaving(Manners(), [name]))
            call = centre.call_number(dni)
            await centre.until(
                lambda: call.state in {PeerState.UP, PeerState.OVER} or server.board.registry.sessions() == []
            )
            await elapse(10)
            if key and call.state is PeerState.UP:
                server.press(key)
            await elapse(400)
            if call.state is not PeerState.OVER:
                centre.act(call.hang_up)
            await server.idle()
            await elapse(100)
            assert server.sip.stack.is_idle(), server.sip.stack.leg_ids()
            answer = (await server.handoff_state(shared_id="s-1")).json()
            if call.up_at is not None:
                assert answer["shared_id"] == "s-1"
            (conversation,) = await server.board.conversations()
            assert conversation.closed is not None
            assert call.state is PeerState.OVER, centre.timeline.ladder()

    run_virtual(story())
