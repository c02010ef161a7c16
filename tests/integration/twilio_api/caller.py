"""A call at Twilio, played as Twilio plays it: signed webhooks, TwiML carried out, a media stream, redirections.

Humans that TwiML dials do what `humans` says of their number: ring and answer, be busy, not answer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

import httpx
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.twilio_api.server import ACCOUNT, TOKEN, TwilioApiServer

SILENCE = b"\xff" * 160
FRAME_S = 0.02


@dataclass
class Human:
    """What somebody does whom Twilio dials: `result` is Dial's status; one who answers talks until `hang_up`.

    It rings until `decides` is set, where there is such an event. Where they are asked before they are joined, they
    press `keys` one after another, and then none; `said` to them is what they heard.
    """

    result: str = "completed"
    sip_code: str = ""
    keys: str = ""
    said: list[str] = field(default_factory=list)
    decides: asyncio.Event | None = None


class TwilioCaller:
    """One call to a number of ours. `base` is the server's public URL; use as an async context manager."""

    def __init__(
        self, api: TwilioApiServer, base: str, caller: str = "+15557654321", callee: str = "+15555550100"
    ) -> None:
        self.sid = f"CA{secrets.token_hex(16)}"
        self.api = api
        self.base = base
        self.caller = caller
        self.callee = callee
        self.humans: dict[str, Human] = {}
        self.ended = asyncio.Event()
        self.heard = bytearray()
        self.events: list[str] = []
        self.dialled: list[ET.Element] = []
        self.streams = 0
        self.talking = asyncio.Event()
        self.human_hangs_up = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._redirect: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._hung_up = asyncio.Event()
        self._changed = asyncio.Condition()
        self._http = httpx.AsyncClient(timeout=20)

    async def __aenter__(self) -> TwilioCaller:
        self.api.on_call = self._on_call
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._http.aclose()

    # -- webhooks ---------------------------------------------------------------------------------------------

    def fields(self, **more: str) -> dict[str, str]:
        """The fields of a webhook."""
        return {
            "AccountSid": ACCOUNT, "CallSid": self.sid, "From": self.caller, "To": self.callee, "Direction": "inbound",
            "CallStatus": "ringing", "ApiVersion": "2010-04-01", "FromCity": "SPRINGFIELD", **more,
        }  # fmt: skip

    async def post(self, url: str, fields: dict[str, str], token: str = TOKEN) -> httpx.Response:
        """A signed webhook. It is tried again while nobody listens, as Twilio does where its URL asks for that."""
        if not url.startswith("http"):
            url = self.base + url
        signature = RequestValidator(token).compute_signature(url, fields)
        async with asyncio.timeout(30):
            while True:
                try:
                    return await self._http.post(url, data=fields, headers={"X-Twilio-Signature": signature})
                except httpx.TransportError:
                    await asyncio.sleep(0.2)

    async def twiml(self, url: str, **more: str) -> ET.Element:
        """What a webhook answers."""
        answer = await self.post(url, self.fields(**more))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/xml")
        return ET.fromstring(answer.text)

    # -- the call ---------------------------------------------------------------------------------------------

    async def dial(self) -> None:
        """Call, and go on as TwiML says."""
        document = await self.twiml("/voice/call")
        self._task = asyncio.create_task(self._follow(document))

    async def _follow(self, document: ET.Element | None) -> None:
        while document is not None and len(document) and not self._hung_up.is_set():
            verb = document[0]
            self.events.append(verb.tag)
            carried_out = {"Connect": self._stream, "Dial": self._dial, "Refer": self._refer}.get(verb.tag)
            if carried_out is None:
                break
            document = await carried_out(verb)
        status = self.fields(CallStatus="completed")
        await self.post("/voice/status", status)
        self.ended.set()
        await self._notify()

    async def _stream(self, verb: ET.Element) -> ET.Element | None:
        stream = verb[0]
        parameters = {one.get("name"): one.get("value") for one in stream}
        self.streams += 1
        sid = f"MZ{secrets.token_hex(16)}"
        async with connect(stream.get("url", "")) as socket:
            self._socket = socket
            await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
            start = {
                "accountSid": ACCOUNT, "callSid": self.sid, "streamSid": sid, "tracks": ["inbound"],
                "mediaFormat": media, "customParameters": parameters,
            }  # fmt: skip
            await self._tell("start", start=start, streamSid=sid)
            talker = asyncio.create_task(self._talk(sid))
            listener = asyncio.create_task(self._listen(sid))
            try:
                changed = await self._first(asyncio.shield(listener), self._hung_up.wait())
                if not listener.done():
                    await self._tell("stop", stop={"accountSid": ACCOUNT, "callSid": self.sid}, streamSid=sid)
            finally:
                talker.cancel()
                listener.cancel()
                await asyncio.gather(talker, listener, return_exceptions=True)
        self._socket = None
        if changed is not None:
            return self._changed_to(changed)
        if self._hung_up.is_set():
            return None
        return await self.twiml(verb.get("action", ""), CallStatus="in-progress")

    async def _first(self, *others: Awaitable[object]) -> dict[str, str] | None:
        """Wait until the call is changed by request, or one of these is done; the change, if it was that."""
        changed = asyncio.ensure_future(self._redirect.get())
        waiting = [asyncio.ensure_future(one) for one in others]
        try:
            await asyncio.wait({changed, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            return changed.result() if changed.done() else None
        finally:
            for task in (changed, *waiting):
                task.cancel()
            await asyncio.gather(changed, *waiting, return_exceptions=True)

    def _changed_to(self, fields: dict[str, str]) -> ET.Element | None:
        return ET.fromstring(fields["Twiml"]) if "Twiml" in fields else None

    async def _dial(self, verb: ET.Element) -> ET.Element | None:
        target = verb[0]
        self.dialled.append(verb)
        await self._notify()
        human = self.humans.get((target.text or "").partition("?")[0], Human("no-answer"))
        progress, child = target.get("statusCallback", ""), f"CA{secrets.token_hex(16)}"
        if not progress:
            return None
        for status in ("initiated", "ringing"):
            await self.post(progress, self.fields(CallSid=child, ParentCallSid=self.sid, CallStatus=status))
        if human.decides is not None:
            await human.decides.wait()
        bridged = human.result == "completed"
        if bridged:
            answered = self.fields(CallSid=child, ParentCallSid=self.sid, CallStatus="in-progress")
            await self.post(progress, answered)
            if target.get("url"):
                bridged = await self._screen(target.get("url", ""), human, answered)
        if bridged:
            self.talking.set()
            changed = await self._first(self.human_hangs_up.wait(), self._hung_up.wait())
            if changed is not None:
                return self._changed_to(changed)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hung_up.wait(), 0.3)
        status = "completed" if self._hung_up.is_set() else "in-progress"
        told = {"DialSipResponseCode": human.sip_code} if human.sip_code else {}
        return await self.twiml(
            verb.get("action", ""), DialCallStatus=human.result, DialCallSid=child, CallStatus=status,
            DialBridged=str(bridged).lower(), **told,
        )  # fmt: skip

    async def _screen(self, url: str, human: Human, fields: dict[str, str]) -> bool:
        """TwiML at the human's end alone; whether the two are joined after it."""
        keys, document = list(human.keys), await self._screened(url, fields)
        while len(document):
            human.said += [one.text or "" for one in document.iter("Say")]
            verb = next(one for one in document if one.tag != "Say")
            if verb.tag == "Hangup":
                return False
            if verb.tag == "Redirect":
                document = await self._screened(verb.text or "", fields)
                continue
            assert (verb.tag, verb.get("numDigits"), verb.get("actionOnEmptyResult")) == (
                "Gather",
                "1",
                "true",
            )
            digits = keys.pop(0) if keys else ""
            document = await self._screened(verb.get("action", ""), fields | {"Digits": digits})
        return True

    async def _screened(self, url: str, fields: dict[str, str]) -> ET.Element:
        """TwiML of a screening, which is asked for twice, as happens when an answer is lost."""
        first, again = await self.post(url, fields), await self.post(url, fields)
        assert first.status_code == 200, first.text
        assert first.text == again.text
        return ET.fromstring(first.text)

    async def _refer(self, verb: ET.Element) -> ET.Element | None:
        self.dialled.append(verb)
        human = self.humans.get((verb[0].text or "").partition("?")[0], Human("failed", "486"))
        code = "200" if human.result == "completed" else human.sip_code
        return await self.twiml(
            verb.get("action", ""), ReferCallStatus="in-progress", ReferSipResponseCode="202",
            NotifySipResponseCode=code, CallStatus="in-progress",
        )  # fmt: skip

    async def hang_up(self) -> None:
        """The caller hangs up."""
        self._hung_up.set()

    async def press(self, digit: str) -> None:
        """The caller presses a key."""
        await self._tell("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    # -- audio ------------------------------------------------------------------------------------------------

    async def _talk(self, sid: str) -> None:
        chunk = 0
        while True:
            chunk += 1
            payload = base64.b64encode(SILENCE).decode()
            media = {
                "track": "inbound",
                "chunk": str(chunk),
                "timestamp": str(chunk * 20),
                "payload": payload,
            }
            await self._tell("media", media=media, streamSid=sid)
            await asyncio.sleep(FRAME_S)

    async def _listen(self, sid: str) -> None:
        assert self._socket is not None
        try:
            async for text in self._socket:
                message = json.loads(text)
                assert message["streamSid"] == sid
                if message["event"] == "media":
                    self.heard += base64.b64decode(message["media"]["payload"])
                elif message["event"] == "mark":
                    self.events.append("mark")
                    await self._tell("mark", mark=message["mark"], streamSid=sid)
                elif message["event"] == "clear":
                    self.events.append("clear")
                await self._notify()
        except ConnectionClosed:
            return

    async def _tell(self, event: str, **parts: Any) -> None:
        if self._socket is not None:
            try:
                await self._socket.send(json.dumps({"event": event, "sequenceNumber": "1", **parts}))
            except ConnectionClosed:
                return

    def _on_call(self, sid: str, fields: dict[str, str]) -> None:
        """The REST API was asked to change a call; called from its own thread."""
        if sid != self.sid:
            return
        change = fields if "Twiml" in fields else {}
        self._loop.call_soon_threadsafe(self._redirect.put_nowait, change)

    # -- waiting ----------------------------------------------------------------------------------------------

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, true: Callable[[], bool], within_s: float = 20) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(true)

    def loud_s(self, since: int = 0) -> float:
        """How much of what was heard since byte `since` was not silence, in seconds."""
        return sum(byte not in {0xFF, 0x7F, 0xFE, 0x7E} for byte in self.heard[since:]) / 8000

    async def until_spoken(self, seconds: float = 0.3) -> None:
        """Wait until something is said, and has been said: it is quiet again."""
        since = len(self.heard)
        await self.until(lambda: self.loud_s(since) >= seconds)
        await self.until(lambda: not any(byte not in {0xFF, 0x7F, 0xFE, 0x7E} for byte in self.heard[-3200:]))
