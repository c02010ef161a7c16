"""A scripted peer on real sockets: SIP over UDP or TCP, RTP over UDP, in the running event loop.

async with SocketCentre(("127.0.0.1", 5060), behaving(Manners(), ["bye-late"])) as centre:
    call = centre.call_number("+15550100")
    await centre.up(call)
    await centre.audio(call).speech_ended()
    centre.press(call, "1")
    await centre.over(call)
    assert centre.bye_headers["X-destination"] == "billing"
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence
from types import TracebackType

from tieline.net.addresses import free_port
from tieline.sip.events import Flow, Transport
from tieline.sip.framing import StreamFramer
from tieline.sip.message import DEFAULT_LIMITS
from tieline.testing.contact_center.audio import FRAME_S, PeerAudio
from tieline.testing.contact_center.dialog import PeerDialog
from tieline.testing.contact_center.exchanges import PeerState
from tieline.testing.contact_center.peer import CALLER, Centre
from tieline.testing.contact_center.peer_call import PeerCall
from tieline.testing.contact_center.steps import Header, Manners


class SocketCentre(Centre):
    """A `Centre` at `listen`; port 0 takes a free one. Use it as `async with`."""

    def __init__(
        self,
        server: tuple[str, int] = ("127.0.0.1", 5060),
        manners: Manners | None = None,
        *,
        name: str = "contact centre",
        listen: tuple[str, int] = ("127.0.0.1", 0),
        transport: Transport = Transport.UDP,
    ) -> None:
        kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
        address = (listen[0], listen[1] or free_port(listen[0], kind))
        # The names of two runs must differ: a server may remember the calls of the first.
        super().__init__(
            manners, name=name, address=address, server=server, transport=transport, seed=free_name()
        )
        self.rtp = lambda call: (self.address[0], self.audio(call).port)
        self.on_press = lambda call, keys: self.audio(call).press(keys)
        self.on_change = self._changed
        self._audio: dict[str, PeerAudio] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._listener: asyncio.Server | None = None
        self._streams: dict[int, asyncio.StreamWriter] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> SocketCentre:
        """Bind, and for TCP connect. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        if self.transport is Transport.UDP:
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=self.address
            )
        else:
            self._listener = await asyncio.start_server(self._accept, *self.address)
        return self

    async def connect(self) -> None:
        """Open the stream on which we call; nothing to do for UDP. Raises `OSError`."""
        if self.transport is Transport.TCP and self.flow.connection is None:
            reader, writer = await asyncio.open_connection(*self.server)
            number = self._open(reader, writer, self.server)
            self.flow = Flow(Transport.TCP, self.server, number)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up what is left, and close every socket."""
        for call in self.calls:
            if call.state is PeerState.UP:
                self.act(call.hang_up)
        if self._timer is not None:
            self._timer.cancel()
        for audio in self._audio.values():
            audio.close()
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for writer in self._streams.values():
            writer.close()
        if self._listener is not None:
            self._listener.close()
        if self._udp is not None:
            self._udp.close()
        await asyncio.sleep(0)

    # ------------------------------------------------------------------------------------------ what a test does

    def call_number(self, number: str, headers: Sequence[Header] = (), caller: str = CALLER) -> PeerCall:
        """Call a number of the server's, now; `up` waits for its answer. Over TCP `connect` comes first."""
        call = self.dial(number, self._loop.time(), headers, caller)
        self._settle()
        return call

    def act(self, verb: Callable[[float], None]) -> None:
        """Do something with a call now; `verb` is given the time."""
        verb(self._loop.time())
        self._settle()

    def hang_up(self, call: PeerCall, headers: Sequence[Header] = ()) -> None:
        """BYE, CANCEL or a refusal, whatever ends the call."""
        self.act(lambda now: call.hang_up(now, headers))

    def press(self, call: PeerCall, keys: str) -> None:
        """Press keys."""
        self.act(lambda now: call.press(keys, now))

    def audio(self, call: PeerDialog) -> PeerAudio:
        """The sound of a call."""
        found = self._audio.get(call.call_id)
        if found is None:
            found = self._audio[call.call_id] = PeerAudio(self.address[0], call)
        return found

    async def until(self, held: Callable[[], object], within_s: float = 30.0) -> None:
        """Wait until something holds. Raises `AssertionError` with the ladder when it does not in time."""
        deadline = self._loop.time() + within_s
        while not held():
            if self._loop.time() >= deadline:
                ladder = self.timeline.ladder(self.name)
                raise AssertionError(f"it did not come to pass in {within_s:g} s:\n{ladder}")
            await asyncio.sleep(FRAME_S)

    async def up(self, call: PeerCall, within_s: float = 30.0) -> None:
        """Wait until a call is up. Raises `AssertionError` when it is refused or over before."""
        await self.until(lambda: call.up_at is not None or call.state is PeerState.OVER, within_s)
        if call.up_at is None:
            ladder = self.timeline.ladder(self.name)
            raise AssertionError(f"the call was not answered: {call.status} {call.ended_by}\n{ladder}")

    async def over(self, call: PeerCall, within_s: float = 30.0) -> None:
        """Wait until a call is over, and the last answer has been sent."""
        await self.until(lambda: call.state is PeerState.OVER, within_s)
        await asyncio.sleep(FRAME_S)

    # ------------------------------------------------------------------------------------------ the wire

    def received(self, data: bytes, flow: Flow) -> None:
        """One message."""
        self.receive(data, flow, self._loop.time())
        self._settle()

    def _changed(self, call: PeerDialog) -> None:
        if call.state is PeerState.UP:
            self.audio(call).start()
        elif call.state is PeerState.OVER and call.call_id in self._audio:
            self.audio(call).close()

    def _settle(self) -> None:
        """Send what waits, and see to the timer."""
        for data, flow in self.outgoing():
            if self._udp is not None:
                if not self._udp.is_closing():
                    self._udp.sendto(data, flow.remote)
                continue
            writer = self._streams.get(flow.connection or 0)
            if writer is not None and not writer.is_closing():
                writer.write(data)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self.on_deadline(self._loop.time())
        self._settle()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        self._open(reader, writer, (peer[0], peer[1]))

    def _open(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote: tuple[str, int]
    ) -> int:
        number = next(self._numbers)
        self._streams[number] = writer
        task = asyncio.create_task(self._read(reader, Flow(Transport.TCP, remote, number)))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)
        return number

    async def _read(self, reader: asyncio.StreamReader, flow: Flow) -> None:
        framer = StreamFramer(DEFAULT_LIMITS)
        while data := await reader.read(65536):
            for message in framer.feed(data):
                if not isinstance(message, bytes):
                    return
                self.received(message, flow)


def free_name() -> str:
    """A name that no other run uses."""
    from secrets import token_hex

    return token_hex(6)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, centre: SocketCentre) -> None:
        self._centre = centre

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram on."""
        self._centre.received(data, Flow(Transport.UDP, (addr[0], addr[1])))
