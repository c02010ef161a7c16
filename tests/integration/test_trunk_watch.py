"""A trunk that is registered with and asked whether it is up: Kamailio, stopped and started again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.served import eventually
from tests.integration.switched import HUNG_UP, call, switched

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.needs("kamailio"), pytest.mark.timeout(300)]

WATCHED = "register: true\n    options_interval_s: 5\n    number_from: to"


async def test_registered_refreshed_down_up_and_taken_back(tmp_path: Path) -> None:
    """TCP, because there it is seen at once that nobody listens; Kamailio grants three seconds."""
    with switched(tmp_path, "tcp", WATCHED) as (served, switch):

        def registered() -> list[str]:
            """The seconds that each REGISTER asked for."""
            contact = r"<sip:tieline@127\.0\.0\.1:\d+;transport=tcp>"
            return re.findall(rf"registered tieline at {contact}.* for (\d+)", switch.log)

        async def count(state: str) -> float:
            return await served.metric("tieline_trunks", state=state)

        async def is_up() -> bool:
            return await count("up") == 1

        async def is_down() -> bool:
            return await count("down") == 1

        await eventually(registered)
        steps = [*call("X-Act: leave", "X-By-Registration: yes"), *HUNG_UP]
        played = await sipp.play(tmp_path, steps, switch.outer, "200")
        assert played.bye.header("X-Destination") == "sales"
        await eventually(lambda: len(registered()) >= 2)
        assert registered()[:2] == ["300", "300"]
        await eventually(is_up)
        switch.stop()
        await eventually(is_down)
        switch.start()
        await eventually(is_up)
        assert await served.metric("tieline_trunk_changes_total", state="down") == 1
        before = len(registered())
        await eventually(lambda: len(registered()) > before)
        served.process.stop()
        assert registered()[-1] == "0"
        log = served.process.log.read_text()
        assert re.search(r"= trunk .*edge.*down", log)
