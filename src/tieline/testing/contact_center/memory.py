"""A scripted peer beside a `MemoryServer`: the whole server and the peer in virtual time, without a socket.

async with MemoryServer.open(Path("my_agent")) as server:
    centre = MemoryCentre(server, behaving(Manners(), ["refer-no-notify"]))
    call = centre.call_number("100")
    await centre.up(call)
    server.press("0")
    await centre.over(call)
    assert centre.refers
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tieline.testing.contact_center.exchanges import PeerState
from tieline.testing.contact_center.peer import CALLER, Centre
from tieline.testing.contact_center.peer_call import PeerCall
from tieline.testing.contact_center.steps import Header, Manners

if TYPE_CHECKING:
    from tieline.testing.memory_server import MemoryServer

STEP_S = 0.05


class MemoryCentre(Centre):
    """A `Centre` on the network of a `MemoryServer`, at an address of the trunk `carrier`.

    What it presses as RTP reaches every call of the server that is up.
    """

    def __init__(
        self,
        server: MemoryServer,
        manners: Manners | None = None,
        *,
        name: str = "contact centre",
        address: tuple[str, int] = ("192.0.2.20", 5060),
    ) -> None:
        super().__init__(manners, name=name, address=address, server=server.ours.address)
        self._server = server
        self.on_press = lambda call, keys: server.press(keys)
        server.network.join(self)

    def act(self, verb: Callable[[float], None]) -> None:
        """Do something with a call now; `verb` is given the time."""
        self._server.sip.pump()
        verb(asyncio.get_running_loop().time())
        self._server.sip.pump()

    def call_number(self, number: str, headers: Sequence[Header] = (), caller: str = CALLER) -> PeerCall:
        """Call a number of the server's, now."""
        self._server.sip.pump()
        call = self.dial(number, asyncio.get_running_loop().time(), headers, caller)
        self._server.sip.pump()
        return call

    async def until(self, held: Callable[[], object], within_s: float = 600.0) -> None:
        """Wait until something holds. Raises `AssertionError` with the ladder when it never does."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not held():
            if loop.time() >= deadline:
                raise AssertionError(
                    f"it did not come to pass in {within_s:g} s:\n{self.timeline.ladder(self.name)}"
                )
            await asyncio.sleep(STEP_S)

    async def up(self, call: PeerCall) -> None:
        """Wait until a call is up."""
        await self.until(lambda: call.state is PeerState.UP)

    async def over(self, call: PeerCall) -> None:
        """Wait until a call is over."""
        await self.until(lambda: call.state is PeerState.OVER)
