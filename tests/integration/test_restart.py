"""Kill -9 of a server with calls up, and a new one in its place: nobody is left sitting in a dead call."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.served import HOST, SECRETS, eventually
from tests.integration.switched import HUNG_UP, accept, call, called, switched, taken
from tests.ports import free_port

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.needs("kamailio"), pytest.mark.timeout(300)]

ASK = Path(__file__).with_name("ask_outcome.py")
REASON = 'Q.850;cause=41;text="The server restarted"'


def dialogs_kept(database: Path) -> int:
    """How many dialogs the next process will find there; they are written behind the calls' backs."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        (kept,) = connection.execute("SELECT sum(json_array_length(dialogs)) FROM conversations").fetchone()
    return int(kept or 0)


def acknowledged(one: sipp.Sipp) -> bool:
    """Whether the call is up."""
    return any(seen.start.startswith("ACK ") for seen in one.messages())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_everybody_gets_bye(tmp_path: Path, transport: str) -> None:
    """One caller is with the agent, another with a human. Get Handoff knows at the BYE what became of it."""
    web = free_port()
    url = f"http://{HOST}:{web}/v1/northwind/desk/handoff_state?shared_id=held"
    told = tmp_path / "told"
    asking = f"{sys.executable} {ASK} {url} {SECRETS['TEST_HANDOFF_KEY']} {told}"
    with switched(tmp_path, transport, settings={"http": {"port": web}}) as (served, switch):
        callee = sipp.Sipp(tmp_path, [*called(), *HUNG_UP])
        held = sipp.Sipp(
            tmp_path, [*call("X-Shared-Id: held"), sipp.receive_request("BYE", asking), accept()]
        )
        bridged = sipp.Sipp(tmp_path, [*call("X-Act: human", "X-Shared-Id: bridged"), *HUNG_UP])
        everybody = (callee, held, bridged)
        try:
            await callee.start(switch.outer, "1001", source=switch.behind[0], port=switch.behind[1])
            await eventually(lambda: taken(*switch.behind))
            for caller in (held, bridged):
                await caller.start(switch.outer, "200")
            for one in (callee, held):
                await eventually(partial(acknowledged, one))
            await eventually(lambda: dialogs_kept(served.folder / "tieline.db") == 3)
            served.process.kill()
            served.start()
            for one in everybody:
                played = await one.end()
                assert played.status == 0, played.output
                assert played.bye.header("Reason") == REASON
        finally:
            for one in everybody:
                one.stop()
        await eventually(told.exists)
        assert told.read_text().startswith('200 {"')
        assert '"ended_without_handoff"' in told.read_text()
        assert (await served.handoff("bridged")).answer["status"] == "ended_with_handoff"
        for one in (held, bridged):
            ended = await served.ended_call(one.messages()[0].header("Call-ID"))
            assert ended["termination"]["reason"] == "interrupted"
        assert await served.metric("tieline_calls_interrupted_total") == 2
        log = served.process.log.read_text()
        assert "calls of the previous run ended" in log
