"""A server that is stopped, or loses its media process, in the middle of a handoff: nobody is left in a dead call."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.integration.served import eventually
from tests.integration.test_handoffs_to_peers import FILES
from tieline.testing.agents import write_project
from tieline.testing.contact_center import Manners, PeerState, behaving
from tieline.testing.contact_center.sockets import SocketCentre
from tieline.testing.served import AgentServer


def media_pids(server: int) -> list[int]:
    """The media processes of a server process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_text()
        except OSError:
            continue
        if parent == server and "media_process" in words:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    ("to", "manners", "under_way"),
    [
        ("refer", "refer-no-notify", "REFER"),
        ("invite", "invite-no-answer", "INVITE"),
        ("invite", "invite-polite", "joined"),
    ],
)
@pytest.mark.parametrize("how", ["two signals", "media killed"])
async def test_in_the_middle_of_a_handoff(
    tmp_path: Path, to: str, manners: str, under_way: str, how: str
) -> None:
    project = write_project(tmp_path / "project", FILES)
    settings = {"server": {"drain_timeout_s": 600}}
    with AgentServer(project, phones=["desk"], settings=settings) as server:
        human = SocketCentre(
            server.sip, behaving(Manners(), [manners]), name="human", listen=server.phones["desk"]
        )
        async with SocketCentre(server.sip, behaving(Manners(), [manners])) as centre, human:
            call = centre.call_number("100", [("X-To", to)])
            if to == "refer":
                await centre.until(lambda: centre.transfer is not None)
            else:
                await human.until(lambda: human.calls)
            if under_way == "joined":
                await human.up(human.call)
                await human.until(lambda: human.audio(human.call).heard_s >= 0)
            await asyncio.sleep(0.5)
            stopping: asyncio.Task[int | None] | None = None
            if how == "media killed":
                for pid in media_pids(server.process.pid):
                    os.kill(pid, signal.SIGKILL)
            else:
                stopping = asyncio.create_task(asyncio.to_thread(server.process.stop))
                await eventually(lambda: "= draining" in server.process.log.read_text())
                os.kill(server.process.pid, signal.SIGTERM)
            await centre.over(call)
            assert call.ended_by == "them", centre.timeline.ladder()
            if human.calls:
                await human.over(human.call)
                assert human.call.state is PeerState.OVER
            if stopping is not None:
                assert await asyncio.wait_for(stopping, 20) == 0, server.log
                return
        stored = server.conversation_of(call.call_id)
        assert stored is not None
        receipts = [receipt["state"] for receipt in stored["receipts"]]
        assert receipts == ["done" if under_way == "joined" else "failed"]
        assert server.process.stop() == 0
