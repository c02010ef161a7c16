"""Calls that are placed in the studio, by microphone or by text: from their start until a while after their end.

A call by microphone is brought in once the browser's audio flows, so that nothing that the agent says is lost. When the
browser goes, the call hears a BYE; when its connection breaks, the leg has failed.
"""

from __future__ import annotations

import asyncio
import importlib
import uuid
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from tieline.calls.session import CallSession
from tieline.calls.text_session import TextSession
from tieline.errors import NotFound, TielineError, Unavailable
from tieline.gateway.calls import GatewayCalls, GatewayRequest, facts_of
from tieline.gateway.dialog_text import check_headers
from tieline.gateway.ice_place import IcePlace
from tieline.gateway.rtp_end import RtpEnd
from tieline.gateway.studio_leg import NoAudio, StudioLeg, TransferAnswer
from tieline.media.dtmf import KEYS
from tieline.model.handoff import HandoffPlan
from tieline.model.trunk import Refusal
from tieline.sip.events import LegFailure

if TYPE_CHECKING:
    from tieline.gateway.webrtc import BrowserAudio

CONNECT_S = 20.0
"""How long the browser's audio may take to come about."""

LINGER_S = 0.4
"""How long a browser goes on playing after the call has ended: what it holds back against jitter."""

KEPT = 100
"""Calls that are over and can still be looked at."""

PAGE_CLOSED = (("Reason", 'SIP;cause=200;text="the browser was closed"'),)


def are_keys(digits: str) -> bool:
    """Whether it is one or more keys of a telephone."""
    return bool(digits) and all(digit in KEYS for digit in digits)


class StudioCallState(StrEnum):
    """Where a call of the studio's is. CONNECTING: the browser's audio is not there yet."""

    CONNECTING = "connecting"
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"


_STATES = {
    "ringing": StudioCallState.RINGING,
    "talking": StudioCallState.TALKING,
    "over": StudioCallState.ENDED,
}


class StudioCall:
    """One call. `session` is set while it is brought in; `refusal` or `failure` say why it never was.

    `placed_by` is the id of whoever placed it.
    """

    def __init__(self, calls: GatewayCalls, request: GatewayRequest, placed_by: str) -> None:
        self.id = str(uuid.uuid4())
        self.placed_by = placed_by
        self.request = request
        self.state = StudioCallState.CONNECTING
        self.call_id: str | None = None
        self.sip_call_id = ""
        self.refusal: Refusal | None = None
        self.failure = ""
        self.on_over: Callable[[StudioCall], None] = lambda call: None
        self._calls = calls

    @property
    def planned(self) -> tuple[HandoffPlan, ...]:
        """Handoffs that were planned and not carried out, for nobody can be."""
        return ()

    def press(self, digits: str) -> None:
        """Press keys."""

    def type_text(self, text: str) -> None:
        """Type a line. Raises `NotFound` in a call that has sound."""
        raise NotFound("this call is not by text")

    def hang_up(self) -> None:
        """End it, as the caller."""

    def lose(self) -> None:
        """Whoever placed it is gone."""
        self.hang_up()

    async def close(self) -> None:
        """Give everything back that it still holds."""

    def _bring_in(self, leg: StudioLeg, make: type[CallSession]) -> CallSession | None:
        """Let the call in; a refusal is kept."""
        made = self._calls.bring_in(leg, self.request, make)
        if isinstance(made, Refusal):
            self.refusal = made
            return None
        self.call_id = made.call_id
        return made

    def _changed(self, word: str) -> None:
        self.state = _STATES.get(word, self.state)
        if word == "over":
            self.on_over(self)


class TextCall(StudioCall):
    """A call by text: brought in as soon as it is made."""

    def __init__(self, calls: GatewayCalls, request: GatewayRequest, placed_by: str) -> None:
        super().__init__(calls, request, placed_by)
        facts = facts_of(request)
        self.sip_call_id = facts.sip_call_id
        self._leg = StudioLeg(facts, NoAudio(calls.host), calls.tell, TransferAnswer.REFUSE, self._changed)
        self._session: TextSession | None = None

    def begin(self) -> None:
        """Bring it in."""
        made = self._bring_in(self._leg, TextSession)
        self._session = made if isinstance(made, TextSession) else None

    @property
    def planned(self) -> tuple[HandoffPlan, ...]:
        """Handoffs that were planned and not carried out."""
        return tuple(self._session.planned) if self._session is not None else ()

    def press(self, digits: str) -> None:
        """Press keys."""
        if self._session is not None:
            self._session.press_keys(digits)

    def type_text(self, text: str) -> None:
        """Type a line."""
        if self._session is not None and self.state is StudioCallState.TALKING:
            self._session.type_text(text)

    def hang_up(self) -> None:
        """End it, as the caller."""
        self._leg.hang_up()

    def lose(self) -> None:
        """The page is gone."""
        self._leg.hang_up(PAGE_CLOSED)


class VoiceCall(StudioCall):
    """A call by a browser's microphone."""

    def __init__(
        self,
        calls: GatewayCalls,
        request: GatewayRequest,
        placed_by: str,
        place: IcePlace,
        transfers: TransferAnswer,
        audio_of: type[BrowserAudio],
    ) -> None:
        super().__init__(calls, request, placed_by)
        facts = facts_of(request)
        self.sip_call_id = facts.sip_call_id
        self._loop = asyncio.get_running_loop()
        self._audio = audio_of(place, self._from_browser, self._on_up, self._on_gone)
        self._rtp = RtpEnd(calls.host, self._audio.send)
        self._leg = StudioLeg(facts, self._rtp, calls.tell, transfers, self._changed)
        self._brought_in = False
        self._deadline = self._loop.call_later(CONNECT_S, self._on_deadline)

    async def answer(self, offer: str) -> str:
        """Our answer to the browser's offer. Raises `InvalidInput` and `Unavailable`; the call is over then."""
        try:
            return await self._audio.accept(offer, self.request.remote[0])
        except TielineError as error:
            self._give_up(error.message)
            raise

    def press(self, digits: str) -> None:
        """Press keys."""
        self._leg.press(digits)

    def hang_up(self) -> None:
        """End it, as the caller."""
        if not self._brought_in:
            self._give_up("ended before the browser's audio was there")
            return
        self._leg.hang_up()

    def lose(self) -> None:
        """The page is gone."""
        if not self._brought_in:
            self._give_up("the browser was closed")
            return
        self._leg.hang_up(PAGE_CLOSED)

    async def close(self) -> None:
        """Give the browser's connection back."""
        self._audio.close()
        await self._audio.closed()

    def _from_browser(self, pcmu: bytes) -> None:
        self._rtp.feed(pcmu)

    def _on_up(self) -> None:
        """Audio flows: now the call may begin."""
        if self._brought_in or self.state is StudioCallState.ENDED:
            return
        self._deadline.cancel()
        self._brought_in = True
        self._bring_in(self._leg, CallSession)

    def _on_gone(self, by_browser: bool) -> None:
        if not self._brought_in:
            self._give_up("the browser's audio could not be reached: see the settings of the studio")
        elif by_browser:
            self._leg.hang_up(PAGE_CLOSED)
        else:
            self._leg.fail(LegFailure.TRANSPORT_FAILED)

    def _on_deadline(self) -> None:
        if not self._brought_in:
            self._give_up(f"no audio came about within {CONNECT_S:g} s: see the settings of the studio")

    def _give_up(self, why: str) -> None:
        """It is over before it was a call."""
        if self.state is StudioCallState.ENDED:
            return
        self.failure = why
        self._deadline.cancel()
        self._rtp.close()
        self._audio.close()
        self._changed("over")

    def _changed(self, word: str) -> None:
        if word == "hung up":
            self._loop.call_later(LINGER_S, self._audio.close)
        super()._changed(word)


class StudioCalls:
    """All of them. `limit` is how many may be up at one time."""

    def __init__(self, calls: GatewayCalls, limit: int, place: Callable[[], IcePlace]) -> None:
        self._calls = calls
        self._limit = limit
        self._place = place
        self._up: dict[str, StudioCall] = {}
        self._over: OrderedDict[str, StudioCall] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def up(self) -> tuple[StudioCall, ...]:
        """Those that are not over."""
        return tuple(self._up.values())

    def get(self, call_id: str) -> StudioCall:
        """A call by its id, also one that was over a while ago. Raises `NotFound`."""
        found = self._up.get(call_id) or self._over.get(call_id)
        if found is None:
            raise NotFound("there is no such test call any more")
        return found

    async def place_voice(
        self, request: GatewayRequest, placed_by: str, offer: str, transfers: TransferAnswer
    ) -> tuple[StudioCall, str]:
        """A call by microphone from a browser's offer; the call, and our answer to the browser.

        Raises `Unavailable` at the limit, and `InvalidInput`.
        """
        self._check(request)
        # Loading the codecs takes a moment, which other calls shall not wait for.
        webrtc = await asyncio.to_thread(importlib.import_module, "tieline.gateway.webrtc")
        self._check(request)
        call = VoiceCall(self._calls, request, placed_by, self._place(), transfers, webrtc.BrowserAudio)
        self._take(call)
        return call, await call.answer(offer)

    def place_text(self, request: GatewayRequest, placed_by: str) -> StudioCall:
        """A call by text. Raises `Unavailable` at the limit, and `InvalidInput`."""
        self._check(request)
        call = TextCall(self._calls, request, placed_by)
        self._take(call)
        call.begin()
        return call

    async def close(self) -> None:
        """End them all, and place no more."""
        self._closed = True
        for call in self.up:
            call.lose()
            await call.close()
        if self._ending:
            await asyncio.wait(set(self._ending))

    def _check(self, request: GatewayRequest) -> None:
        check_headers(request.headers)
        if self._closed or len(self._up) >= self._limit:
            raise Unavailable(
                f"{self._limit} test calls are up, and no more are allowed at one time", retry_after_s=10
            )

    def _take(self, call: StudioCall) -> None:
        self._up[call.id] = call
        call.on_over = self._on_over

    def _on_over(self, call: StudioCall) -> None:
        if self._up.pop(call.id, None) is None:
            return
        self._over[call.id] = call
        while len(self._over) > KEPT:
            self._over.popitem(last=False)
        if self._closed:
            return  # it was closed with the others
        task = asyncio.create_task(self._end(call), name="test call")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, call: StudioCall) -> None:
        await asyncio.sleep(LINGER_S)
        await call.close()
