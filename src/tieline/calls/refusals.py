"""Refused INVITEs: each leaves a record, and repeats of the same one leave one record with a count.

From a known trunk, repeats are calls to the same number refused for the same reason; from strangers, who may send
anything by the thousand, all calls of one address.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

import msgspec

from tieline.clock import Clock
from tieline.model.conversation import RefusedCall
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics
from tieline.sip.events import InviteReceived, InviteRefused, StrangerRefused
from tieline.store.base import ConversationStore

AGGREGATE_S = 60.0
"""Repeats of one source and reason within so many seconds are counted into one record."""

MAX_SOURCES = 1024
"""Sources remembered for counting; beyond it the oldest is written out and forgotten."""

TEXT_LIMIT = 200

_Key = tuple[str, str, str]
"""Source address, reason, and the number from a known trunk."""


@dataclass(slots=True)
class _Recent:
    record: RefusedCall
    since: float


class RefusalLog:
    """Writes refusals to the store, bounded in rate by source and reason."""

    def __init__(self, store: ConversationStore, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._recent: dict[_Key, _Recent] = {}
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

    def note_event(self, event: InviteRefused | StrangerRefused) -> None:
        """A call that the SIP stack refused before anybody could look at its route."""
        source = event.flow.remote[0]
        if isinstance(event, InviteRefused):
            rule = RuleResult(rule="protocol", held=False, detail=event.why)
            refusal = Refusal(
                status=event.status, phrase=event.why, reason=RefusalReason.PROTOCOL, rules=(rule,)
            )
            headers = event.request.headers
            self.note_facts(
                source=source,
                trunk=None,
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
    ) -> None:
        """Write a refusal down, or count it to the one of its kind that was written a moment ago."""
        self._metrics.inc("tieline_calls_refused_total", refusal.reason, by=count)
        now = self._clock.monotonic()
        key = (source, refusal.reason.value, callee if trunk else "")
        recent = self._recent.get(key)
        if recent is not None and now - recent.since < AGGREGATE_S:
            before = recent.record.count
            recent.record = msgspec.structs.replace(recent.record, count=before + count)
            if (
                before.bit_length() != recent.record.count.bit_length()
            ):  # at powers of two: rare under a flood
                self._write(recent.record)
            return
        record = RefusedCall(
            id=str(uuid.uuid4()),
            at=self._clock.utc(),
            source=source,
            trunk=trunk,
            sip_call_id=sip_call_id[:TEXT_LIMIT],
            caller=caller[:TEXT_LIMIT],
            callee=callee[:TEXT_LIMIT],
            refusal=refusal,
            count=count,
        )
        self._remember(key, record, now)
        self._log.info(
            f"> {refusal.status} to an INVITE", reason=refusal.reason.value, trunk=trunk, source=source
        )
        self._write(record)

    def _remember(self, key: _Key, record: RefusedCall, now: float) -> None:
        previous = self._recent.pop(key, None)
        if previous is not None and previous.record.count > 1:
            self._write(previous.record)
        if len(self._recent) >= MAX_SOURCES:
            del self._recent[next(iter(self._recent))]
        self._recent[key] = _Recent(record, now)

    def _write(self, record: RefusedCall) -> None:
        task = asyncio.ensure_future(self._store.record_refusal(record))
        self._writing.add(task)
        task.add_done_callback(self._written)

    def _written(self, task: asyncio.Future[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("refusal not recorded", error=repr(task.exception()))
