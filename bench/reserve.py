"""Reservations over HTTP: rate against the same server's empty endpoint, latencies, and a pool of 100,000 numbers.

    python -m bench.reserve [--seconds 4]

Every answer leaves after its fsync. The server runs on one core, the client on another where there are two.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from bench.http_load import Load, get, load, post
from bench.processes import pin
from tieline.demo.process import ServerProcess

CLIENTS = 64
RESERVE = "/v1/conversations/dni-reservation"
KEY = "bench-key-bench-key-bench-key"
POOLS = 100
SMALL, LARGE = 1_000, 100_000

ATTRIBUTES = {
    "shared_id": "1234",
    "customer": {"name": "A. Caller", "address": "test lane", "age": 25},
    "previous_calls": ["call_id_1", "call_id_2"],
    "ani": "+15550199999",
}


def write_resources(path: Path) -> None:
    """One project with one pool of 100,000 numbers and a hundred pools of 1,000."""
    pools = [{"name": "large", "project": "bench", "numbers": [f"+15500000000-+{15500000000 + LARGE - 1}"]}]
    for index in range(POOLS):
        first = 15600000000 + index * SMALL
        pools.append(
            {"name": f"small-{index}", "project": "bench", "numbers": [f"+{first}-+{first + SMALL - 1}"]}
        )
    document = {
        "accounts": [{"slug": "bench"}],
        "projects": [{"slug": "bench", "answer_only": True}],
        "pools": pools,
        "trunks": [{"name": "local", "networks": ["127.0.0.1/32"]}],
        "api_keys": [
            {"name": "bench", "project": "bench", "scopes": ["dni:reserve"], "value_from_env": "BENCH_KEY"}
        ],
    }
    path.write_text(json.dumps(document))


def show(name: str, found: Load) -> None:
    """One line of figures."""
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(found.statuses.items()))
    print(
        f"{name:<34} {found.rate:9,.0f} /s   p50 {found.quantile(0.50):6.2f}  p95 {found.quantile(0.95):6.2f}  "
        f"p99 {found.quantile(0.99):6.2f} ms   {statuses}"
    )


async def measure(host: str, port: int, seconds: float) -> dict[str, float]:
    """All runs against one server; pools are used up and not reused, so that each run is like the other."""

    def reserve(pool: str) -> bytes:
        return post(RESERVE, host, KEY, json.dumps({"attributes": ATTRIBUTES, "pool": pool}).encode())

    empty = get("/health/live", host)
    large, small = reserve("large"), [reserve(f"small-{index}") for index in range(POOLS)]
    await load(host, port, lambda _: empty, 5_000, clients=CLIENTS)
    count = int(seconds * 5_000)
    base = await load(host, port, lambda _: empty, count * 2, clients=CLIENTS)
    show("empty endpoint, 64 clients", base)
    share = min(count, LARGE // 4)
    many = await load(host, port, lambda n: small[n % POOLS], share, clients=CLIENTS)
    show("reserve, 100 pools of 1,000", many)
    one = await load(host, port, lambda _: large, share, clients=CLIENTS)
    show("reserve, 1 pool of 100,000", one)
    half = await load(host, port, lambda _: large, share, clients=CLIENTS, rate=one.rate / 2)
    show("reserve at half that rate", half)
    single = await load(host, port, lambda _: large, 1_000, clients=1)
    show("reserve, 1 client", single)
    again = await load(host, port, lambda _: empty, count * 2, clients=CLIENTS)
    show("empty endpoint again", again)
    return {"empty": (base.rate + again.rate) / 2, "small": many.rate, "large": one.rate}


def main() -> int:
    """Start a server in a folder of its own and measure it."""
    parser = argparse.ArgumentParser(description="measure reservations over HTTP")
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each run takes")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
        folder = Path(scratch)
        write_resources(folder / "resources.yaml")
        server = ServerProcess(folder, {"log": {"level": "warning"}})
        applied = server.command("apply", "-f", "resources.yaml", env={"BENCH_KEY": KEY})
        if applied.returncode:
            print(applied.stderr)
            return 1
        where = urlsplit(server.start().http)
        try:
            cores = sorted(os.sched_getaffinity(0))
            if len(cores) > 1:
                pin(server.pid, cores[0])
                os.sched_setaffinity(0, {cores[1]})
            rates = uvloop.run(measure(where.hostname or "127.0.0.1", where.port or 0, seconds))
        finally:
            server.stop()
    print(f"reserve / empty: {rates['large'] / rates['empty']:.0%} (goal 60 %)")
    print(f"100,000 numbers / 1,000: {rates['large'] / rates['small']:.0%} (goal 90 % to 110 %)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
