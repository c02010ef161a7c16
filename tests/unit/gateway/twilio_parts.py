"""A Twilio number on the switchboard in memory: webhooks by hand, streams without a WebSocket, an API that listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tieline.errors import TielineError
from tieline.gateway import twilio_leg
from tieline.gateway.twilio_voice import TwilioVoice, VoiceReach
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.model.handoff import Destination, HandoffMethod, SipConfig
from tieline.model.twilio import CallPath, TwilioConnection, TwilioNumber
from tieline.sdp.negotiation import LocalMedia, NegotiatedMedia
from tieline.testing.calls import PROJECT, RESOURCES, Switchboard
from tieline.testing.virtual_time import settle

HOST, URL = "127.0.0.1", "https://tieline.example"
ACCOUNT, CALL = "AC" + "0a" * 16, "CA" + "0b" * 16
NUMBER, SIP_NUMBER, HUMAN = "+15555550100", "+15555550102", "+15550001111"
CONNECTION = TwilioConnection(
    name="main", account="ws-1", account_sid=ACCOUNT, auth_token="token",
    numbers=(
        TwilioNumber(number=NUMBER, sid="PN0", project=PROJECT.id),
        TwilioNumber(number=SIP_NUMBER, sid="PN2", project=PROJECT.id, path=CallPath.SIP),
    ),
)  # fmt: skip


def desk(route: str = HUMAN, method: HandoffMethod = HandoffMethod.REFER, **fields: Any) -> Destination:
    """A destination that Twilio can call."""
    config = SipConfig(method=method, phone_number=route)
    return Destination(name="desk", is_default=True, sip_config=config, fallback=(), **fields)


class SilentEnd:
    """An end of RTP without a socket."""

    def __init__(self, host: str, on_audio: Callable[[bytes], None], on_digit: Callable[[str], None]) -> None:
        self.local = LocalMedia(address=host, port=40000, session_id=1)
        self.to_caller = on_audio
        self.to_keys = on_digit
        self.fed = b""
        self.pressed = ""

    def connect(self, media: NegotiatedMedia) -> None:
        """Nothing."""

    def feed(self, pcmu: bytes) -> None:
        """Remembered."""
        self.fed += pcmu

    def forget(self) -> None:
        """Nothing."""

    def press(self, digits: str) -> None:
        """Remembered."""
        self.pressed += digits

    def close(self) -> None:
        """Nothing."""


class Listening:
    """Twilio's API: what live calls were told. `fault` is raised once when it is set; `before_answer` comes first."""

    def __init__(self) -> None:
        self.redirects: list[str] = []
        self.ended: list[str] = []
        self.fault: TielineError | None = None
        self.before_answer: Callable[[], None] = lambda: None
        self._news = asyncio.Event()

    async def redirected(self, times: int) -> None:
        """Wait until a call was redirected so often."""
        while len(self.redirects) < times:
            self._news.clear()
            await self._news.wait()

    async def redirect_call(self, call_sid: str, twiml: str) -> None:
        """Remembered."""
        assert call_sid == CALL
        self.before_answer()
        self._fail()
        self.redirects.append(twiml)
        self._news.set()

    async def end_call(self, call_sid: str) -> None:
        """Remembered."""
        self._fail()
        self.ended.append(call_sid)

    def _fail(self) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault


class MemorySocket:
    """A media stream's WebSocket; marks come back at once unless `deaf`."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_closed = False
        self._deaf = deaf
        self._coming: asyncio.Queue[str | None] = asyncio.Queue()

    async def receive(self) -> str | bytes | None:
        """What comes next."""
        return await self._coming.get()

    async def send(self, text: str) -> None:
        """Heard by Twilio."""
        message = json.loads(text)
        self.sent.append(message)
        if message["event"] == "mark" and not self._deaf:
            self.put("mark", mark=message["mark"])

    async def close(self) -> None:
        """Closed by us."""
        self.is_closed = True
        self._coming.put_nowait(None)

    def put(self, event: str, **parts: Any) -> None:
        """Twilio sends a message."""
        self._coming.put_nowait(json.dumps({"event": event, "streamSid": "MZ1", **parts}))

    def put_text(self, text: str | None) -> None:
        """Anything else comes; None is the end."""
        self._coming.put_nowait(text)


class Line:
    """One call to a Twilio number, played by hand."""

    def __init__(self, board: Switchboard, caller: str = "+15557654321", callee: str = NUMBER) -> None:
        self.board = board
        resources = msgspec.structs.replace(RESOURCES, twilio=(CONNECTION,))
        self.api = Listening()
        accounts = TwilioAccounts()
        accounts.of = lambda connection: self.api  # type: ignore[assignment, method-assign, return-value]
        reach = VoiceReach(http=lambda: f"{URL}/", sip=lambda: "sip.tieline.example")
        self.voice = TwilioVoice(board.registry, board.legs, accounts, reach, HOST)
        board.directory = board.registry.directory = type(board.directory)(resources)
        self.voice.follow(board.directory)
        self.caller, self.callee = caller, callee
        self.streams: list[asyncio.Task[str]] = []

    def form(self, **more: str) -> dict[str, str]:
        """A webhook's fields."""
        return {
            "CallSid": CALL, "AccountSid": ACCOUNT, "From": self.caller, "To": self.callee, "CallStatus": "ringing",
            **more,
        }  # fmt: skip

    def ring(self) -> ET.Element:
        """The call comes in; the verb that it is answered by."""
        return ET.fromstring(self.voice.on_call(CONNECTION, self.form()))[0]

    async def stream(self, twiml: str | ET.Element, *, deaf: bool = False) -> MemorySocket:
        """Open the stream that TwiML asks for."""
        verb = ET.fromstring(twiml)[0] if isinstance(twiml, str) else twiml
        assert verb.tag == "Connect"
        token = verb[0][0].get("value")
        socket = MemorySocket(deaf=deaf)
        self.streams.append(asyncio.create_task(self.voice.carry(socket)))
        socket.put("connected")
        media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {
            "accountSid": ACCOUNT, "callSid": CALL, "streamSid": "MZ1", "mediaFormat": media,
            "customParameters": {"token": token},
        }  # fmt: skip
        socket.put("start", start=start)
        await settle()
        return socket

    async def talk(self) -> MemorySocket:
        """The call comes in by a stream and is greeted."""
        socket = await self.stream(self.ring())
        await self.board.hear("Welcome.")
        return socket

    async def handed(self, socket: MemorySocket) -> ET.Element:
        """The caller presses a key for which the agent hands them over; the verb that Twilio was told."""
        self.board.press("1")
        await self.api.redirected(1)
        socket.put_text(None)
        await settle()
        return ET.fromstring(self.api.redirects[0])[0]

    def progress(self, status: str, attempt: int = 1) -> None:
        """The dialled leg makes progress."""
        self.voice.on_progress(CONNECTION, CALL, attempt, {"CallStatus": status})

    def after(self, what: str, **more: str) -> str:
        """What Twilio is told once something is over."""
        return self.voice.on_next(CONNECTION, what, 1, self.form(**{"CallStatus": "in-progress", **more}))

    async def finish(self) -> None:
        """Let everything come to its end."""
        await self.board.idle()
        await settle()
        for task in self.streams:
            task.cancel()
        await asyncio.gather(*self.streams, return_exceptions=True)
        await self.voice.stop()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket for RTP is opened."""
    monkeypatch.setattr(twilio_leg, "RtpEnd", SilentEnd)
