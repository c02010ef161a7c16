"""Refused INVITEs: each leaves a record, and repeats of the same one leave one record with a count.

Repeats come from one address and are refused by the same rules; from a known trunk, they are calls to the same number,
unless it is refused by the dozen. Strangers may send anything by the thousand: it is the same rule that refuses all of
it.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

import msgspec

from tieline.calls.peer_text import readable
from tieline.clock import Clock
from tieline.model.conversation import RefusedCall
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics
from tieline.sip.events import InviteReceived, InviteRefused, StrangerRefused
from tieline.store.base import ConversationStore

AGGREGATE_S = 60.0
"""Repeats of one source and reason within so many seconds of the first are counted into one record."""

WRITE_EVERY_S = 2.0
"""How often counts that have grown are written."""

MAX_SOURCES = 1024
"""Sources remembered for counting; beyond it the oldest is written out and forgotten."""

MAX_WRITING = 64
"""Writes under way; a flood beyond them is counted in the metrics and leaves no further record."""

TEXT_LIMIT = 200

_Key = tuple[str, str, RefusalReason, tuple[RuleResult, ...]]
"""Source address, the number from a known trunk, the reason and its rules."""


@dataclass(slots=True)
class _Recent:
    """A record as it was first written, and how many repeats have not been written since."""

    record: RefusedCall
    since: float
    unwritten: int = 0


class RefusalLog:
    """Writes refusals to the store, bounded in rate by source and reason."""

    def __init__(self, store: ConversationStore, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._recent: dict[_Key, _Recent] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._log = get_logger("calls")

    def note(self, invite: InviteReceived, refusal: Refusal, trunk: str | None) -> None:
        """A call was refused."""
        request = invite.request
        self.note_facts(
            source=invite.flow.remote[0],
            trunk=trunk,
            sip_call_id=request.call_id,
            caller=request.headers.get("From") or "",
            callee=request.uri_text,
            refusal=refusal,
        )

    def note_event(self, event: InviteRefused | StrangerRefused, trunk: str | None = None) -> None:
        """A call that the SIP stack refused before anybody could look at its route; `trunk` is known by address."""
        source = event.flow.remote[0]
        if isinstance(event, InviteRefused):
            rule = RuleResult(rule="protocol", held=False, detail=event.why)
            refusal = Refusal(
                status=event.status, phrase=event.why, reason=RefusalReason.PROTOCOL, rules=(rule,)
            )
            headers = event.request.headers
            self.note_facts(
                source=source,
                trunk=trunk,
                sip_call_id=headers.get("Call-ID") or "",
                caller=headers.get("From") or "",
                callee=event.request.uri_text,
                refusal=refusal,
            )
            return
        rule = RuleResult(
            rule="trunk", held=False, detail=f"no trunk's networks hold the source address {source}"
        )
        refusal = Refusal(status=403, phrase="Forbidden", reason=RefusalReason.UNKNOWN_TRUNK, rules=(rule,))
        callee = event.first_line.partition(" ")[2].rpartition(" ")[0]
        self.note_facts(
            source=source,
            trunk=None,
            sip_call_id=event.call_id,
            caller=event.from_,
            callee=callee or event.to,
            refusal=refusal,
            count=event.count,
        )

    def note_brief(self, event: InviteRefused, refusal: Refusal, trunk: str) -> None:
        """A call was refused with many others of its trunk, before anybody looked where it was to go."""
        headers = event.request.headers
        self.note_facts(
            source=event.flow.remote[0],
            trunk=trunk,
            sip_call_id=headers.get("Call-ID") or "",
            caller=headers.get("From") or "",
            callee=event.request.uri_text,
            refusal=refusal,
            brief=True,
        )

    def note_facts(
        self,
        *,
        source: str,
        trunk: str | None,
        sip_call_id: str,
        caller: str,
        callee: str,
        refusal: Refusal,
        count: int = 1,
        brief: bool = False,
    ) -> None:
        """Write a refusal down, or count it to the one of its kind that was written a moment ago.

        Those that are refused briefly are of one kind whatever their number, and however far above the limit.
        """
        self._metrics.inc("tieline_calls_refused_total", refusal.reason, by=count)
        now = self._clock.monotonic()
        key = (source, callee if trunk else "", refusal.reason, refusal.rules)
        if brief:
            key = (source, "", refusal.reason, ())
        recent = self._recent.get(key)
        if recent is not None and now - recent.since < AGGREGATE_S:
            recent.unwritten += count
            self._arm()
            return
        record = RefusedCall(
            id=str(uuid.uuid4()),
            at=self._clock.utc(),
            source=source,
            trunk=trunk,
            sip_call_id=_stored(sip_call_id),
            caller=_stored(caller),
            callee=_stored(callee),
            refusal=refusal,
            count=count,
        )
        self._remember(key, _Recent(record, now))
        self._log.info(
            f"> {refusal.status} to an INVITE", reason=refusal.reason.value, trunk=trunk, source=source
        )
        self._write(record)

    async def close(self) -> None:
        """Write what has been counted, and wait until it is stored."""
        if self._timer is not None:
            self._timer.cancel()
        self._write_counts()
        if self._writing:
            await asyncio.wait(set(self._writing))

    def _remember(self, key: _Key, recent: _Recent) -> None:
        previous = self._recent.pop(key, None)
        if previous is not None:
            self._write_count(previous)
        elif len(self._recent) >= MAX_SOURCES:
            self._write_count(self._recent.pop(next(iter(self._recent))))
        self._recent[key] = recent

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_EVERY_S, self._write_counts)

    def _write_counts(self) -> None:
        self._timer = None
        for recent in self._recent.values():
            self._write_count(recent)

    def _write_count(self, recent: _Recent) -> None:
        """Have the store add the repeats to the record that it has."""
        if recent.unwritten:
            more = msgspec.structs.replace(recent.record, id=str(uuid.uuid4()), count=recent.unwritten)
            if self._write(more):
                recent.unwritten = 0

    def _write(self, record: RefusedCall) -> bool:
        """Start a write; False when there are too many under way."""
        if len(self._writing) >= MAX_WRITING:
            return False
        task = asyncio.ensure_future(self._store.record_refusal(record))
        self._writing.add(task)
        task.add_done_callback(self._written)
        return True

    def _written(self, task: asyncio.Future[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("refusal not recorded", error=repr(task.exception()))


def _stored(text: str) -> str:
    """A peer's text, as far as it is kept."""
    return readable(text[:TEXT_LIMIT])
