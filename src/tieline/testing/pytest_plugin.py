"""The pytest plugin: a real server for your agent project, contact centres that call it, and a call in a few lines.

    def test_billing(call):
        talk = call(name="Ada")
        talk.hears("press 1")
        talk.press("1")
        assert talk.handoff()["handoff_to"] == "billing"

Loaded by every pytest where Tieline is installed, so importing it costs nothing and it does nothing until a fixture
is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tieline.testing.contact_center.sockets import SocketCentre
    from tieline.testing.served import AgentServer, LoopThread, Talk

MakeCentre = Callable[..., "SocketCentre"]
MakeCall = Callable[..., "Talk"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings of the plugin, for pytest.ini or pyproject.toml."""
    parser.addini(
        "tieline_project", "the agent project under test (default: the folder of the settings)", default=""
    )
    parser.addini("tieline_profile", "the trunk profile under which it is called", default="generic")
    parser.addini("tieline_phones", "trunks that its destinations call", type="args", default=[])
    parser.addini("tieline_state_keys", "state keys that Get Handoff shows", type="args", default=[])


@pytest.fixture(scope="session")
def tieline_project(pytestconfig: pytest.Config) -> Path:
    """The folder of the agent under test; override it in conftest.py, or set `tieline_project`."""
    return pytestconfig.rootpath / str(pytestconfig.getini("tieline_project"))


@pytest.fixture(scope="session")
def tieline_settings() -> dict[str, dict[str, Any]]:
    """Sections of the server's settings; override it in conftest.py."""
    return {}


@pytest.fixture(scope="session")
def tieline_server(
    pytestconfig: pytest.Config, tieline_project: Path, tieline_settings: dict[str, dict[str, Any]]
) -> Iterator[AgentServer]:
    """A running server that serves the project; one for the whole session."""
    from tieline.demo.process import ServerFailed
    from tieline.testing.served import AgentServer

    server = AgentServer(
        tieline_project,
        profile=str(pytestconfig.getini("tieline_profile")),
        phones=list(pytestconfig.getini("tieline_phones")),
        state_keys=list(pytestconfig.getini("tieline_state_keys")) or None,
        settings=tieline_settings,
    )
    try:
        server.start()
    except ServerFailed as error:
        server.stop()
        pytest.fail(str(error), pytrace=False)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def tieline_loop() -> Iterator[LoopThread]:
    """The event loop in which the peers live."""
    from tieline.testing.served import LoopThread

    loop = LoopThread()
    try:
        yield loop
    finally:
        loop.close()


@pytest.fixture
def contact_center(tieline_server: AgentServer, tieline_loop: LoopThread) -> Iterator[MakeCentre]:
    """Make scripted peers: `contact_center("bye-late", profile="five9")`, or `phone="desk"` for one that we call."""
    with ExitStack() as stack:

        def make(*behaviours: str, profile: str | None = None, phone: str | None = None) -> SocketCentre:
            from tieline.testing.contact_center import behaving, find_centre
            from tieline.testing.contact_center.sockets import SocketCentre
            from tieline.testing.served.agent_server import CENTRE_HOST

            name = profile or tieline_server.profile
            manners = behaving(find_centre(name).manners, behaviours)
            listen = (CENTRE_HOST, 0) if phone is None else tieline_server.phones[phone]

            async def open_centre() -> SocketCentre:
                centre = SocketCentre(tieline_server.sip, manners, name=phone or name, listen=listen)
                return await centre.__aenter__()

            centre = tieline_loop.run(open_centre())
            stack.callback(lambda: tieline_loop.run(centre.__aexit__(None, None, None)))
            return centre

        yield make


@pytest.fixture
def call(tieline_server: AgentServer, tieline_loop: LoopThread, contact_center: MakeCentre) -> MakeCall:
    """Call the agent: `call(name="Ada")` reserves a number with these attributes, dials it and waits for the answer.

    `behaviours` and `profile` say who calls, `headers` go with the INVITE, `number` is dialled without a reservation.
    """

    def place(
        *,
        behaviours: Sequence[str] = (),
        profile: str | None = None,
        headers: dict[str, str] | None = None,
        number: str | None = None,
        caller: str = "+15557654321",
        **attributes: Any,
    ) -> Talk:
        from tieline.testing.served import Talk

        centre = contact_center(*behaviours, profile=profile)
        dialled = number or tieline_server.reserve(attributes)
        pairs = list((headers or {}).items())
        placed = tieline_loop.call(lambda: centre.call_number(dialled, pairs, caller))
        tieline_loop.run(centre.up(placed))
        return Talk(tieline_server, tieline_loop, centre, placed)

    return place
