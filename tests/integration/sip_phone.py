"""An endpoint on loopback with its events in a queue: what the tests of the SIP shell call with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.ports import free_port
from tieline.net.sip_connection import StreamLimits
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.net.sip_tls import TlsContexts, TlsFiles
from tieline.sip.config import Admit, SipConfig, Timers
from tieline.sip.events import Flow, SipEvent, Transport
from tieline.sip.message import Limits
from tieline.sip.stack import SipStack

HOST = "127.0.0.1"
SDP = b"v=0\r\n"
FAST = Timers(t1=0.02, t2=0.1, t4=0.1)
OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\n"
    b"Call-ID: x%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Phone:
    """An endpoint and its events, which can be waited for. `address` is for UDP and TCP, `secure` for TLS."""

    def __init__(self, host: str) -> None:
        self.events: asyncio.Queue[SipEvent] = asyncio.Queue()
        self.endpoint: SipEndpoint
        self.address = (host, free_port(host))
        self.secure = (host, free_port(host))

    async def event(self, kind: type) -> SipEvent:
        """The next event of this kind; others are passed over."""
        while True:
            event = await asyncio.wait_for(self.events.get(), 30)
            if isinstance(event, kind):
                return event

    def flow(self, transport: Transport, name: str | None = None) -> Flow:
        """How it is called."""
        if transport is Transport.TLS:
            return Flow(transport, self.secure, None, name)
        return Flow(transport, self.address)

    def invite(self, flow: Flow) -> int:
        """Call somebody."""
        return self.endpoint.act(
            lambda stack, now: stack.invite(
                flow, "sip:x@127.0.0.1", "<sip:a@b>", "<sip:x@127.0.0.1>", SDP, now
            )
        )

    def options(self, flow: Flow) -> int:
        """Ping somebody."""
        return self.endpoint.act(lambda stack, now: stack.options(flow, "sip:127.0.0.1", now))


@asynccontextmanager
async def phone(
    *,
    host: str = HOST,
    shown: str | None = None,
    admit: Admit | None = None,
    timers: Timers | None = None,
    limits: StreamLimits | None = None,
    message_bytes: int = 65_535,
    tls: TlsFiles | None = None,
    tls_name: Callable[[Flow], str | None] | None = None,
) -> AsyncIterator[Phone]:
    """A running endpoint on UDP and TCP, and on TLS where files are given; peers are told the host `shown`."""
    made = Phone(host)
    told = (shown or host, made.address[1])
    config = SipConfig(
        advertised={
            Transport.UDP: told, Transport.TCP: told, Transport.TLS: (told[0], made.secure[1]),
        },
        timers=timers or Timers(),
        limits=Limits(message_bytes=message_bytes),
    )  # fmt: skip
    contexts = TlsContexts(tls) if tls is not None else None
    made.endpoint = SipEndpoint(
        SipStack(config, SystemIds(), admit), made.events.put_nowait, limits, contexts, tls_name
    )
    secure = made.secure if contexts is not None and contexts.server is not None else None
    await made.endpoint.start(udp=made.address, tcp=made.address, tls=secure)
    try:
        yield made
    finally:
        await made.endpoint.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has no event."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
