"""Checks of the servers that trunks are called at: their names in DNS, and their certificates where they have any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from tieline.commands.doctor_database import read_resources
from tieline.commands.findings import Finding
from tieline.config import Settings
from tieline.errors import TielineError
from tieline.model.trunk import Trunk
from tieline.net.sip_tls import greet, load_tls
from tieline.sip.events import Flow, Transport
from tieline.wiring import sip_bindings, sip_location, tls_files

GREET_S = 4.0
SHOWN = 4


def check_targets(settings: Settings) -> Iterator[Finding]:
    """Whether the target of each trunk is found, and proves who it is where it is called by TLS."""
    if not Path(settings.store.path).is_file():
        return
    resources, _ = asyncio.run(read_resources(settings))
    for trunk in resources.trunks:
        if trunk.target is not None:
            yield from asyncio.run(_check(settings, trunk))


async def _check(settings: Settings, trunk: Trunk) -> list[Finding]:
    location = sip_location(settings, sip_bindings(settings), time.monotonic)
    try:
        flows = await location.targets(trunk, "")
    except TielineError as error:
        return [
            Finding(
                "targets", "fault", f"trunk {trunk.name}: {error.message}",
                "Check the trunk's `target`, and that this machine's DNS (or sip.dns_servers) knows it.",
            )
        ]  # fmt: skip
    finally:
        await location.close()
    shown = ", ".join(f"{flow.transport} {flow.remote[0]} port {flow.remote[1]}" for flow in flows[:SHOWN])
    more = f" and {len(flows) - SHOWN} more" if len(flows) > SHOWN else ""
    found = [Finding("targets", "ok", f"trunk {trunk.name}: {trunk.target} is {shown}{more}")]
    secure = [flow for flow in flows if flow.transport is Transport.TLS]
    return [*found, *await asyncio.gather(*(_greet(settings, trunk, flow) for flow in secure[:SHOWN]))]


async def _greet(settings: Settings, trunk: Trunk, flow: Flow) -> Finding:
    """A TLS connection made and closed; nothing is said on it."""
    where = f"trunk {trunk.name}: {flow.remote[0]} port {flow.remote[1]}"
    name = flow.host or flow.remote[0]
    fault = await greet(load_tls(tls_files(settings)), flow.remote, name, GREET_S)
    if fault is None:
        return Finding("targets", "ok", f"{where} has a certificate for {name} that we trust")
    return Finding(
        "targets", "fault", f"{where}: no TLS connection: {fault}",
        "See docs/howto/tls.md: `tls_name` of the trunk, sip.tls_ca, sip.tls_client_certificate.",
    )  # fmt: skip
