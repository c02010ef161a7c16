"""Encryption: what SIP over TLS costs over UDP and TCP, and what SRTP costs over RTP.

    python -m bench.tls [--calls N] [--rate R] [--key ec|rsa] [--legs N] [--seconds S]

Signalling: the basic call (INVITE, 100, 180, 200, ACK, BYE, 200) to a route that answers without an agent, at the same
rate over UDP, TCP and TLS; TCP and TLS with one connection for all calls, and with a new one for each, which for TLS is
a whole handshake, without resumption. The caller is a program of its own on OpenSSL (`bench.caller`); only the server's
CPU counts, that of all its processes. Media: agents' legs with RTP in and out, as in `bench.media`, plain and SRTP by
turns in one media process; CPU for a packet in and one out. The reference of each is the plain one, in the same run.
It fails when a call fails or a ratio is above its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.caller import Plan, Result
from bench.media import describe_machine
from bench.processes import measure, pin
from bench.srtp import measure_media
from tieline.demo.process import Addresses, ServerProcess

SERVER_CORE, CALLER_CORE = 0, 1
RESOURCES = """
accounts: [{slug: bench}]
projects: [{slug: silent, account: bench, answer_only: true, numbers: ["200"]}]
trunks: [{name: loopback, networks: [127.0.0.0/8]}]
"""
SRTP_GOAL = 2.5


class Way(NamedTuple):
    """A transport, whether its connection is used again, and what a call may cost in times UDP."""

    title: str
    transport: str
    reuse: bool
    goal: float


WAYS = (
    Way("UDP (reference)", "udp", True, 1.0),
    Way("TCP, one connection", "tcp", True, 1.5),
    Way("TLS, one connection", "tls", True, 2.0),
    Way("TCP, one for each call", "tcp", False, 2.5),
    Way("TLS, one for each call", "tls", False, 5.0),
)


def write_certificate(folder: Path, key: str) -> None:
    """A certificate of its own authority for 127.0.0.1, by the openssl program."""
    kind = ["rsa:2048"] if key == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "2", "-subj", "/CN=bench",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def target_of(addresses: Addresses, transport: str) -> tuple[str, int]:
    """Where the server listens."""
    found = {"udp": addresses.sip_udp, "tcp": addresses.sip_tcp, "tls": addresses.sip_tls}[transport]
    if found is None:
        sys.exit(f"the server does not listen for {transport}")
    return found


def run(server: ServerProcess, addresses: Addresses, way: Way, calls: int, rate: int) -> tuple[Result, float]:
    """So many calls one way: what came of them, and the server's CPU for a call in microseconds."""
    host, port = target_of(addresses, way.transport)
    plan = Plan(
        host=host, port=port, transport=way.transport, calls=calls, rate=rate, reuse=way.reuse,
        ca=str(server.folder / "certificate.pem"),
    )  # fmt: skip
    before = measure(server.pid).cpu_s
    played = subprocess.run(
        ["taskset", "-c", str(CALLER_CORE), sys.executable, "-m", "bench.caller",
         json.dumps(msgspec.to_builtins(plan))],
        capture_output=True, check=True, cwd=Path(__file__).parents[1], env=os.environ,
    )  # fmt: skip
    time.sleep(1)  # the closing writes belong to the calls
    result = msgspec.json.decode(played.stdout, type=Result)
    return result, (measure(server.pid).cpu_s - before) / max(1, result.good) * 1e6


def compare_signalling(folder: Path, options: argparse.Namespace) -> bool:
    """The table of transports; whether all is well."""
    write_certificate(folder, options.key)
    (folder / "resources.yaml").write_text(RESOURCES)
    settings: dict[str, dict[str, Any]] = {
        "server": {"max_calls": 2000},
        "sip": {
            "tls_host": "127.0.0.1",
            "tls_port": 0,
            "tls_certificate": str(folder / "certificate.pem"),
            "tls_key": str(folder / "key.pem"),
        },
        "log": {"level": "error"},
    }
    server = ServerProcess(folder, settings)
    applied = server.command("apply", "-f", "resources.yaml")
    if applied.returncode:
        sys.exit(applied.stdout + applied.stderr)
    addresses = server.start()
    try:
        pin(server.pid, SERVER_CORE)
        time.sleep(2)
        for way in WAYS:  # once before it counts
            run(server, addresses, way, min(100, options.calls), options.rate)
        found = [(way, *run(server, addresses, way, options.calls, options.rate)) for way in WAYS]
    finally:
        server.stop()
    reference = found[0][2]
    print(
        f"{'':24} {'CPU us/call':>12} {'x UDP':>7} {'goal':>5} {'set-up p50':>11} {'p99 ms':>8} {'failed':>7}"
    )
    held = True
    for way, result, cpu_us in found:
        failed, ratio = options.calls - result.good, cpu_us / reference
        print(
            f"{way.title:24} {cpu_us:12.0f} {ratio:7.2f} {way.goal:5.1f} {result.setup(0.5):11.2f} "
            f"{result.setup(0.99):8.2f} {failed:7}"
        )
        held = held and not failed and ratio <= way.goal
    handshake = found[4][2] - found[3][2]
    print(
        f"a handshake (TLS over TCP, each call its own connection): {handshake:.0f} us, {options.key} key\n"
    )
    return held


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and check that the goals hold."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.tls", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--calls", type=int, default=1500, help="calls of each way (%(default)s)")
    parser.add_argument("--rate", type=int, default=100, help="calls a second (%(default)s)")
    parser.add_argument(
        "--key", choices=("ec", "rsa"), default="ec", help="the server's key: P-256 or RSA 2048"
    )
    parser.add_argument("--legs", type=int, default=200, help="legs with media (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="each turn of the media (%(default)s)")
    options = parser.parse_args(arguments)
    print(describe_machine())
    print(
        f"{options.calls} calls at {options.rate}/s; server on core {SERVER_CORE}, its peers on core {CALLER_CORE}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        held = compare_signalling(Path(name), options)
    ratio = asyncio.run(measure_media(options.legs, options.seconds))
    return 0 if held and ratio <= SRTP_GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
