"""SIGTERM: no new calls, running ones finish, bounded; and what health and metrics say of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.served import Served, alive, children, eventually, fetch_text, serving
from tests.integration.sip_peer import SipPeer
from tieline.softphone.phone import CallFailed, Softphone


@contextmanager
def draining_server(folder: Path, drain_timeout_s: float) -> Iterator[Served]:
    with serving(folder, {"server": {"drain_timeout_s": drain_timeout_s}}) as running:
        yield running


def terminate(served: Served) -> asyncio.Future[Any]:
    """SIGTERM; the exit status comes when the server has ended."""
    return asyncio.ensure_future(asyncio.to_thread(served.process.stop))


async def test_running_calls_finish(tmp_path: Path) -> None:
    with draining_server(tmp_path / "server", 30) as served:
        host, port = served.sip_udp
        below = children(served.process.pid)
        assert below
        async with Softphone() as phone:
            call = await phone.dial(f"sip:200@{host}:{port}", headers=[("X-Shared-Id", "finishes")])
            await call.audio.speech_ended()
            assert (await served.ask("GET", "/health/ready")).status == 200
            stopping = terminate(served)

            async def not_ready() -> bool:
                found = await served.ask("GET", "/health/ready")
                return found.status == 503 and any("draining" in reason for reason in found.answer["reasons"])

            await eventually(not_ready)
            assert (await served.ask("GET", "/health/live")).status == 200
            peer = await SipPeer.open(served.sip_udp)
            refused = await peer.invite("200")
            assert refused.status == 503
            assert int(refused.header("Retry-After")) > 0
            refused_again = await peer.ask("OPTIONS", peer.uri("200"))
            assert refused_again.status == 503
            await peer.close()

            await call.press("2")
            ending = await asyncio.wait_for(call.ended, 20)
            assert ending.header("X-Destination") == "service"
            # The outcome is there to be read at the moment of the BYE, though the server is on its way down.
            answer = (await served.handoff("finishes")).answer
            assert answer["status"] == "ended_with_handoff"
            assert await stopping == 0
        assert not alive(below)
        record = await served.refusal(peer.call_id)
        assert record["refusal"]["reason"] == "draining"
        assert record["refusal"]["rules"][-1]["rule"] == "admission"
        (shown,) = await served.command_json("calls", "list")
        assert shown["termination"]["reason"] == "handed_off"


async def test_the_drain_is_bounded(tmp_path: Path) -> None:
    with draining_server(tmp_path / "server", 1) as served:
        host, port = served.sip_udp
        async with Softphone() as phone:
            headers = [("X-Act", "hold"), ("X-Shared-Id", "endless")]
            call = await phone.dial(f"sip:200@{host}:{port}", headers=headers)
            stopping = terminate(served)
            ending = await asyncio.wait_for(call.ended, 20)
            assert ending.by == "them"
            assert await stopping == 0
        (shown,) = await served.command_json("calls", "list")
        assert shown["termination"]["reason"] == "drained"
        assert shown["status"] == "ended_without_handoff"


async def test_a_second_signal_cuts_it_short(tmp_path: Path) -> None:
    with draining_server(tmp_path / "server", 600) as served:
        host, port = served.sip_udp
        async with Softphone() as phone:
            call = await phone.dial(f"sip:200@{host}:{port}", headers=[("X-Act", "hold")])
            stopping = terminate(served)
            await eventually(lambda: "= draining" in served.process.log.read_text())
            os.kill(served.process.pid, signal.SIGTERM)
            ending = await asyncio.wait_for(call.ended, 20)
            assert ending.by == "them"
            assert await asyncio.wait_for(stopping, 30) == 0
        (shown,) = await served.command_json("calls", "list")
        assert shown["termination"]["reason"] == "drained"


async def test_nobody_is_left_waiting_when_idle(tmp_path: Path) -> None:
    with draining_server(tmp_path / "server", 600) as served:
        assert await asyncio.wait_for(terminate(served), 30) == 0
        async with Softphone() as phone:
            host, port = served.sip_udp
            with pytest.raises(CallFailed):
                await phone.dial(f"sip:200@{host}:{port}", timeout_s=1)


async def test_metrics_parse(served: Served) -> None:
    reserved = await served.reserve(shared_id="measured", act="leave")
    host, port = served.sip_udp
    async with Softphone() as phone:
        await (await phone.dial(f"sip:{reserved['dni']}@{host}:{port}")).ended
    await served.handoff("measured", wait_s=10)
    text = await asyncio.to_thread(fetch_text, f"{served.addresses.http}/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    shown = {
        "tieline_calls_answered",
        "tieline_reservations",
        "tieline_call_setup_seconds",
        "process_cpu_seconds",
    }
    assert shown <= set(families)
    assert families["tieline_calls_answered"].samples[0].value == 1
    made = {sample.labels["result"]: sample.value for sample in families["tieline_reservations"].samples}
    assert made["made"] == 1
    assert "+1555" not in text
    assert "measured" not in text
