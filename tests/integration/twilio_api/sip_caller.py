"""A call at Twilio whose TwiML dials our SIP address: Twilio's SIP leg to us, with its audio."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from tests.integration.rtp_end import RtpEnd
from tests.integration.sip_phone import Phone
from tests.integration.twilio_api.caller import TwilioCaller
from tieline.sip.events import ByeReceived, Flow, LegAnswered, LegRefused, Transport

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class SipTwilioCaller(TwilioCaller):
    """`phone` is Twilio's SIP, `to` our address over UDP; `ear` hears the agent and presses keys while SIP carries."""

    def __init__(self, phone: Phone, to: tuple[str, int], **options: Any) -> None:
        super().__init__(**options)
        self.phone = phone
        self.ear: RtpEnd | None = None
        self.answered = asyncio.Event()
        self._to = to

    async def _dial(self, verb: ET.Element) -> ET.Element | None:
        uri, _, headers = (verb[0].text or "").partition("?")
        if f"@{self._to[0]}" not in uri:
            return await super()._dial(verb)
        self.ear = ear = await RtpEnd.open()
        leg = self.phone.endpoint.act(
            lambda stack, now: stack.invite(
                Flow(Transport.UDP, self._to), uri, f"<sip:{self.caller}@twilio.example>", f"<{uri}>",
                OFFER.format(port=ear.port).encode(), now, tuple(parse_qsl(headers)),
            )
        )  # fmt: skip
        try:
            return await self._carry(verb, leg)
        finally:
            await ear.close()

    async def _carry(self, verb: ET.Element, leg: int) -> ET.Element | None:
        while not isinstance(event := await self.phone.events.get(), LegAnswered | LegRefused):
            pass
        if isinstance(event, LegRefused):
            return await self.twiml(
                verb.get("action", ""), DialCallStatus="failed", DialSipResponseCode=str(event.status)
            )
        self.answered.set()
        changed = await self._first(self.phone.event(ByeReceived), self._hung_up.wait())
        if changed is None and not self._hung_up.is_set():
            return await self.twiml(
                verb.get("action", ""), DialCallStatus="completed", CallStatus="in-progress"
            )
        self.phone.endpoint.act(lambda stack, now: stack.bye(leg, now))
        return self._changed_to(changed) if changed is not None else None
