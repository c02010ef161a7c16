"""A caller: dials a SIP URI, listens, presses keys, and is hung up on or hangs up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from tieline.errors import TielineError
from tieline.net.addresses import free_port
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.sdp.negotiation import LocalMedia, accept_answer, offer, reanswer
from tieline.sip.config import SipConfig, Timers
from tieline.sip.events import (
    ByeCompleted,
    ByeReceived,
    Flow,
    LegAnswered,
    LegFailed,
    LegProgress,
    LegRefused,
    ReinviteReceived,
    SipEvent,
    Transport,
    UpdateReceived,
)
from tieline.sip.grammar import parse_uri
from tieline.sip.leg import TraceEntry
from tieline.sip.stack import SipStack
from tieline.softphone.audio import PhoneAudio

DEFAULT_PORT = 5060


class CallFailed(TielineError):
    """The call was not answered; `status` is the SIP answer (408 when none came)."""

    code = "call_failed"

    def __init__(self, status: int, phrase: str, retry_after: str | None) -> None:
        super().__init__(f"the call was refused: {status} {phrase}".rstrip())
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Ending:
    """How the call ended: by the other side's BYE (with its headers), by ours, or by a failure."""

    by: str
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """The value of a header of the BYE, case ignored."""
        return next((value for key, value in self.headers if key.casefold() == name.casefold()), None)


class PhoneCall:
    """One call of a softphone. `audio` is there from the start; `ended` is set when the call is over."""

    def __init__(self, phone: Softphone, audio: PhoneAudio, leg_id: int, sent: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.audio = audio
        self.leg_id = leg_id
        self.rang = False
        self.answered: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()
        self._phone = phone
        self._sent = sent

    async def press(self, digits: str) -> None:
        """Press keys; returns when they have been sent."""
        self.audio.press(digits)
        await self.audio.keys_sent()

    async def hang_up(self, headers: Sequence[tuple[str, str]] = ()) -> None:
        """BYE, and wait for its answer."""
        if not self.ended.done():
            self._phone.endpoint.act(lambda stack, now: stack.bye(self.leg_id, now, headers))
            await self.ended

    @property
    def trace(self) -> list[TraceEntry]:
        """The call's messages so far."""
        return self._phone.endpoint.stack.leg_trace(self.leg_id)

    def on_event(self, event: SipEvent) -> None:
        """A SIP event of this call."""
        if isinstance(event, LegProgress):
            self.rang = self.rang or event.response.status == 180
        elif isinstance(event, LegAnswered):
            self.audio.connect(accept_answer(self._sent, event.body))
            self.answered.set_result(None)
        elif isinstance(event, LegRefused):
            response = event.response
            retry_after = response.headers.get("Retry-After") if response is not None else None
            phrase = response.phrase if response is not None else "no answer"
            self.answered.set_exception(CallFailed(event.status, phrase, retry_after))
        elif isinstance(event, (ReinviteReceived, UpdateReceived)):
            local = self._phone.local_media(self.audio)
            negotiated = reanswer(event.offer, local, self._sent)
            self._sent = negotiated.answer
            self.audio.connect(negotiated.media)
            stack = self._phone.endpoint.stack
            accept = stack.accept_update if isinstance(event, UpdateReceived) else stack.accept_reinvite
            self._phone.endpoint.act(lambda _, now: accept(self.leg_id, negotiated.answer, now))
        elif isinstance(event, ByeReceived):
            self._end(Ending(by="them", headers=tuple(event.headers.items())))
        elif isinstance(event, ByeCompleted):
            self._end(Ending(by="us"))
        elif isinstance(event, LegFailed):
            self._end(Ending(by=event.failure.value))

    def _end(self, ending: Ending) -> None:
        if not self.ended.done():
            self.ended.set_result(ending)


class Softphone:
    """Use as `async with Softphone("127.0.0.1") as phone`; each call closes with the phone."""

    def __init__(self, host: str = "127.0.0.1", *, timers: Timers | None = None) -> None:
        self._host = host
        self._timers = timers or Timers()
        self._calls: dict[int, PhoneCall] = {}
        self._audio: list[PhoneAudio] = []

    async def __aenter__(self) -> Softphone:
        """Bind the SIP sockets."""
        # Contact and Via name the port, so it is chosen before the stack is made.
        port = free_port(self._host, socket.SOCK_DGRAM)
        self.address = (self._host, port)
        advertised = dict.fromkeys((Transport.UDP, Transport.TCP), self.address)
        config = SipConfig(advertised=advertised, user_agent="Tieline-softphone", timers=self._timers)
        self.endpoint = SipEndpoint(SipStack(config, SystemIds()), self._on_event)
        await self.endpoint.start(udp=self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything."""
        for audio in self._audio:
            audio.close()
        await self.endpoint.stop()

    def local_media(self, audio: PhoneAudio) -> LocalMedia:
        """Our side of a call's SDP."""
        return LocalMedia(address=self._host, port=audio.port, session_id=audio.port)

    async def dial(
        self,
        uri: str,
        *,
        caller: str = "+15557654321",
        headers: Sequence[tuple[str, str]] = (),
        timeout_s: float = 40.0,
    ) -> PhoneCall:
        """Place a call and wait for its answer. Raises `CallFailed`, or `InvalidInput` for a URI that is none."""
        call = self.start_call(uri, caller=caller, headers=headers)
        try:
            async with asyncio.timeout(timeout_s):
                await call.answered
        except TimeoutError:
            self.endpoint.act(lambda stack, now: stack.cancel(call.leg_id, now))
            raise CallFailed(408, "no answer in time", None) from None
        return call

    def start_call(
        self, uri: str, *, caller: str = "+15557654321", headers: Sequence[tuple[str, str]] = ()
    ) -> PhoneCall:
        """Place a call without waiting for the answer."""
        target = parse_uri(uri)
        transport = Transport.TCP if "transport=tcp" in uri.lower() else Transport.UDP
        flow = Flow(transport, (target.host, target.port or DEFAULT_PORT))
        audio = PhoneAudio(self._host)
        self._audio.append(audio)
        sent = offer(self.local_media(audio))
        leg_id = self.endpoint.act(
            lambda stack, now: stack.invite(
                flow, uri, f"<sip:{caller}@{self._host}>", f"<{uri}>", sent, now, headers
            )
        )
        call = PhoneCall(self, audio, leg_id, sent)
        self._calls[leg_id] = call
        return call

    def _on_event(self, event: SipEvent) -> None:
        call = self._calls.get(getattr(event, "leg_id", -1))
        if call is not None:
            call.on_event(event)
