"""Whole calls over IPv6, SIP and RTP, by a server that listens on both families."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import HOST, Served, eventually, serving
from tests.integration.switched import HUNG_UP, PROJECT
from tests.ports import free_port

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.timeout(300)]

SIXTH = "::1"
RESOURCES = f"""
accounts: [{{slug: northwind}}]
projects:
  - {{slug: desk, account: northwind, path: {PROJECT}, env: sandbox, numbers: ["200"]}}
trunks:
  - {{name: edge, networks: ["::1", 127.0.0.1], target: "[::1]"}}
api_keys:
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Bound to `::` throughout."""
    port = free_port(SIXTH)
    settings: dict[str, dict[str, Any]] = {
        "sip": {"udp_host": "::", "tcp_host": "::", "udp_port": port, "tcp_port": port},
        "rtp": {"bind_host": "::"},
        "log": {"level": "debug"},
    }
    with serving(tmp_path_factory.mktemp("server"), settings, resources=RESOURCES) as running:
        yield running


@pytest.mark.parametrize("mode", ["u1", "t1"])
@pytest.mark.parametrize("host", [SIXTH, HOST])
async def test_a_call(served: Served, tmp_path: Path, mode: str, host: str) -> None:
    """The caller hears us, and presses a key; we give the call back."""
    ear = await RtpEnd.open(host)
    shown = f"[{host}]" if ":" in host else host
    target = (shown, served.sip_udp[1])
    calling = sipp.Sipp(tmp_path, [sipp.invite(), *sipp.answered(), sipp.ack(), *HUNG_UP], ear.port)
    await calling.start(target, "200", mode=mode, source=host)
    try:
        await eventually(lambda: ear.heard)
        await ear.press("1")
        played = await calling.end()
        assert played.status == 0, played.output
    finally:
        calling.stop()
        await ear.close()
    (ok,) = played.responses(200, "INVITE")
    assert f"<sip:tieline@{shown}:{target[1]}" in ok.header("Contact")
    assert f"c=IN IP{6 if ':' in host else 4} {host}" in ok.text
    assert f" {shown}:{target[1]};" in played.bye.header("Via")
    assert played.bye.header("X-Destination") == "sales"
