"""A leg that we make: its INVITE, tried at one target after the other, its dialog, and its media."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tieline.calls.call import Call
from tieline.calls.caller_identity import shown_caller
from tieline.calls.endings import NORMAL_CLEARING
from tieline.calls.leg_media import LegMedia, MediaOptions
from tieline.calls.records import LegRecord
from tieline.handoff.target import InviteTarget
from tieline.media.messages import LegClosed
from tieline.model.call import TerminationReason
from tieline.model.trunk import Encryption, Trunk
from tieline.sip.events import Flow
from tieline.sip.leg import TraceEntry


class SecondLeg:
    """Our side of a call to somebody else, beside the caller's leg. `name` is `callee`, `callee 2`, ...

    `ids` are the SIP legs that were made for it: one for each target that was tried.
    """

    def __init__(
        self,
        call: Call,
        trunk: Trunk,
        name: str,
        encryption: Encryption,
        on_fault: Callable[[TerminationReason], None],
    ) -> None:
        self.name = name
        self.id = -1
        self.answered = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.media: LegMedia | None = None
        self._call = call
        self._trunk = trunk
        self._encryption = encryption
        self._on_fault = on_fault
        self._ids: list[int] = []
        self._flow: Flow | None = None
        self._flows: list[Flow] = []
        self._cancelled = self._said_bye = False
        self._closing: asyncio.Task[LegClosed | None] | None = None

    async def open(self, flows: Sequence[Flow]) -> LegMedia:
        """Open the RTP port, in the process of the caller's leg. Raises `Unavailable`."""
        call = self._call
        self._flows = list(flows)
        agreed = call.media.agreed
        codecs = MediaOptions().codecs
        if agreed is not None:
            codecs = (agreed.payload_type, *(each for each in codecs if each != agreed.payload_type))
        self.media = LegMedia(
            f"{call.id} {self.name}",
            call.services.media,
            call.services.media_address(self._trunk, flows[0].remote[0]),
            call.services.settings.silence_timeout_s,
            self._on_fault,
            MediaOptions(
                beside=call.media.leg_id,
                codecs=codecs,
                encryption=self._encryption,
                hold_timeout_s=call.services.settings.hold_timeout_s,
            ),
        )
        await self.media.open()
        return self.media

    def invite(self, target: InviteTarget, caller_id: str | None) -> bool:
        """Send the INVITE to the next target; False when there is none left. Raises `InvalidInput`.

        `caller_id` is shown instead of the caller's own number.
        """
        if not self._flows:
            return False
        assert self.media is not None
        services = self._call.services
        flow = self._flows.pop(0)
        host = services.media_address(self._trunk, flow.remote[0])
        route = self._call.route
        shown = shown_caller(
            route.caller,
            caller_id,
            self._trunk,
            host,
            withheld=route.withheld,
            given={name.lower() for name, _ in target.headers},
        )
        self.id = services.sip.invite(
            flow,
            target.uri,
            shown.from_,
            target.to,
            self.media.make_offer(),
            (*target.headers, *shown.headers),
            self._trunk,
        )
        self._flow = flow
        self._ids.append(self.id)
        self._call.adopt(self.id)
        self._call.writes.note_leg(services.sip.call_id_of(self.id))
        return True

    def note_target(self, *, worked: bool) -> None:
        """Tell how the last target did, for the next call's order."""
        if self._call.services.location is not None and self._flow is not None:
            self._call.services.location.note(self._flow, worked=worked)

    def leave(self) -> None:
        """End the leg: CANCEL before the answer, BYE after it, each once."""
        sip = self._call.services.sip
        if self.over.done():
            return
        if not self.answered:
            if not self._cancelled:
                self._cancelled = True
                sip.cancel(self.id)
        elif not self._said_bye:
            self._said_bye = True
            if not sip.bye(self.id, (), NORMAL_CLEARING):
                self.end()

    def end(self) -> None:
        """The leg is over and owes nothing."""
        if not self.over.done():
            self.over.set_result(None)
        self.close_media()

    def close_media(self) -> None:
        """Give the RTP port back."""
        if self.media is not None and self._closing is None:
            self._closing = asyncio.ensure_future(self.media.close())

    def seen(self) -> LegRecord:
        """What there is of the leg so far."""
        sip = self._call.services.sip
        return LegRecord(self.name, [entry for leg_id in self._ids for entry in sip.trace(leg_id)], None)

    async def record(self) -> LegRecord:
        """What is kept of the leg; the SIP stack lets go of it."""
        trace: list[TraceEntry] = []
        for leg_id in self._ids:
            trace.extend(self._call.services.sip.take_trace(leg_id))
        self.close_media()
        return LegRecord(self.name, trace, await self._closing if self._closing is not None else None)
