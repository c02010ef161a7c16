"""Messages from addresses that are no trunk's: refused or dropped cheaply, and reported without flooding."""

from __future__ import annotations

from tieline.sip.core import Core
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, StrangerRefused
from tieline.sip.message import Request, parse_message
from tieline.sip.replies import build_reply, reply_flow, reply_head, stateless_tag, tagged_to

_SHOWN = 256


class _Report:
    __slots__ = ("count", "event", "started")

    def __init__(self, event: StrangerRefused, started: float) -> None:
        self.event = event
        self.started = started
        self.count = 1


class Strangers:
    """A token bucket for the 403s and one report per address and interval."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._secret = core.ids.tag().encode()[:64]
        self._tokens = core.config.stranger_refusals_per_s
        self._filled_at = 0.0
        self._reports: dict[str, _Report] = {}

    def _may_answer(self, now: float) -> bool:
        rate = self._core.config.stranger_refusals_per_s
        self._tokens = min(rate, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """403 to an INVITE while the rate allows; everything else is dropped."""
        core = self._core
        if not data.startswith(b"INVITE "):
            core.counters.dropped_stranger += 1
            return
        if not self._may_answer(now):
            core.counters.dropped_stranger += 1
            self._count(flow, now)
            return
        try:
            request = parse_message(data, core.config.limits)
            assert isinstance(request, Request)
            via, to = request.via, tagged_to(request, stateless_tag(self._secret, request))
            reply = build_reply(403, reply_head(request, flow), to, core.server_line)
        except (MessageMalformed, KeyError):
            core.counters.dropped_stranger += 1
            return
        core.counters.refused_stranger += 1
        core.send(reply, reply_flow(via, flow), None, now)
        if not self._count(flow, now):
            self._report(request, flow, now)

    def _count(self, flow: Flow, now: float) -> bool:
        """Add to the running report of this address; False when there is none."""
        report = self._reports.get(flow.remote[0])
        if report is None:
            return False
        report.count += 1
        return True

    def _report(self, request: Request, flow: Flow, now: float) -> None:
        core = self._core
        headers = request.headers
        event = StrangerRefused(
            flow,
            f"{request.method} {request.uri_text}"[:_SHOWN],
            (headers.get("call-id") or "")[:_SHOWN],
            (headers.get("from") or "")[:_SHOWN],
            (headers.get("to") or "")[:_SHOWN],
        )
        if len(self._reports) >= core.config.stranger_sources:
            return
        core.events.append(event)
        self._reports[flow.remote[0]] = _Report(event, now)
        core.timers.set(now + core.config.stranger_report_interval_s, self._close, flow.remote[0])

    def _close(self, host: str, _now: float) -> None:
        report = self._reports.pop(host)
        if report.count > 1:
            first = report.event
            self._core.events.append(
                StrangerRefused(
                    first.flow, first.first_line, first.call_id, first.from_, first.to, report.count
                )
            )
