"""What the server shows of itself once a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieline.net.sip_tls import expires_in_s
from tieline.observe.feed import CounterFeed

if TYPE_CHECKING:
    from tieline.server import Server


def refresh_gauges(server: Server, feed: CounterFeed) -> None:
    """Bring the gauges up to date, and feed the counters that the parts keep themselves."""
    server.metrics.set("tieline_calls_active", server.admission.calls)
    server.metrics.set("tieline_event_loop_lag_seconds", server.admission.lag_s)
    for state, trunks in server.trunks.count().items():
        server.metrics.set("tieline_trunks", trunks, state)
    server.metrics.set("tieline_agents_down", len(server.agents.faults))
    server.metrics.set("tieline_draining", float(server.admission.draining))
    server.metrics.set("tieline_clock_offset_seconds", server.clock.wall_offset_s())
    server.metrics.set(
        "tieline_tls_certificate_expires_seconds", expires_in_s(server.tls.expires_at, server.clock.utc())
    )
    counters = server.endpoint.stack.counters
    take = feed.take
    server.metrics.set("tieline_sip_targets_quarantined", server.location.quarantined)
    for direction, failed in zip(("in", "out"), server.endpoint.failed_handshakes, strict=True):
        take(failed, "tieline_tls_handshakes_failed_total", direction)
    take(server.store.commits, "tieline_store_commits_total")
    take(server.store.writes, "tieline_store_writes_total")
    received = counters.requests_received + counters.responses_received
    take(received, "tieline_sip_messages_total", "in")
    take(counters.messages_sent, "tieline_sip_messages_total", "out")
    take(counters.retransmissions_received, "tieline_sip_retransmissions_total", "in")
    take(counters.retransmissions_sent, "tieline_sip_retransmissions_total", "out")
    for name, total in counters.items():
        verb, _, reason = name.partition("_")
        if verb in {"dropped", "refused"}:
            take(total, f"tieline_sip_{verb}_total", reason)
