"""Reservations over HTTP: rate against the same server's empty endpoints, latencies, and a pool of 100,000 numbers.

    python -m bench.reserve [--rounds 7] [--requests 6000]

Every answer leaves after its fsync. The server, all of it, runs on one core, the client on another where there are
two. Rounds are interleaved: each has a short run of every kind, in turning order, so that whatever else the machine
does meets all kinds alike; medians over the rounds count. Rates are what the client saw; CPU is user and system time
of the server process as the kernel accounts it, which says what a core can do when the client keeps up.

Numbers of both pools were all reserved once before the first run, and come back 20 ms after they were reserved:
rotation goes round in the pool of 1,000 as in the pool of 100,000.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import sqlite3
import statistics
import tempfile
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.http_load import Load, get, load, post
from bench.processes import pin, thread_seconds
from bench.reserve_server import EMPTY, ORDINARY
from tieline.clock import SystemClock
from tieline.demo.process import ServerProcess
from tieline.http.health import LIVE_PATH
from tieline.http.reserve_dni import PATH as RESERVE
from tieline.model.reservation import ReserveRequest
from tieline.model.resources import Resources
from tieline.store.anchor import steady_anchor
from tieline.store.sqlite import SqliteStore

CLIENTS = 64
KEY = "bench-key-bench-key-bench-key"
SMALL, LARGE = 1_000, 100_000
LEASE_S = 0.02
GROUP = 1_000

ATTRIBUTES = {
    "shared_id": "1234",
    "customer": {"name": "A. Caller", "address": "test lane", "age": 25},
    "previous_calls": ["call_id_1", "call_id_2"],
    "ani": "+15550199999",
}


class Sample(NamedTuple):
    """One short run: what the client saw, and the server's CPU microseconds for each request."""

    load: Load
    cpu_us: float


def write_resources(path: Path) -> None:
    """One project with a pool of 1,000 numbers and one of 100,000."""
    document = {
        "accounts": [{"slug": "bench"}],
        "projects": [{"slug": "bench", "answer_only": True}],
        "pools": [
            {"name": "small", "project": "bench", "numbers": [f"+15600000000-+{15600000000 + SMALL - 1}"]},
            {"name": "large", "project": "bench", "numbers": [f"+15500000000-+{15500000000 + LARGE - 1}"]},
        ],
        "trunks": [{"name": "local", "networks": ["127.0.0.1/32"]}],
        "api_keys": [
            {"name": "bench", "project": "bench", "scopes": ["dni:reserve"], "value_from_env": "BENCH_KEY"}
        ],
    }
    path.write_text(json.dumps(document))


async def wear(path: Path) -> None:
    """Give both pools leases shorter than resource files allow, and lend each of their numbers once."""
    store = SqliteStore(path)
    clock = SystemClock(steady_anchor(path))
    await store.open(clock.utc())

    def shorten(now: Resources) -> Resources:
        pools = tuple(
            msgspec.structs.replace(pool, ttl_s=LEASE_S, min_ttl_s=LEASE_S, expiry_cooldown_s=0.0)
            for pool in now.pools
        )
        return msgspec.structs.replace(now, pools=pools)

    await store.apply(shorten, clock.utc())
    for pool in (await store.resources()).pools:
        request = ReserveRequest(project=pool.project, attributes_json="{}")

        def lend(name: str, wanted: ReserveRequest, now: datetime) -> asyncio.Task[object]:
            return asyncio.ensure_future(store.reserve(wanted, name, now))

        # All at one instant, at which no number can come back: each is lent exactly once.
        at = clock.utc() - timedelta(seconds=1)
        for _ in range(len(pool.numbers) // GROUP):
            await asyncio.gather(*[lend(pool.name, request, at) for _ in range(GROUP)])
    await store.close()


async def measure(host: str, port: int, pid: int, rounds: int, requests: int) -> dict[str, list[Sample]]:
    """All kinds of runs, round by round; then latencies at half the rate, and one client alone."""

    def reserve(pool: str) -> bytes:
        return post(RESERVE, host, KEY, json.dumps({"attributes": ATTRIBUTES, "pool": pool}).encode())

    body = reserve("large").partition(b"\r\n\r\n")[2]
    kinds = {
        "empty GET, bare ASGI": get(LIVE_PATH, host),
        "empty POST, bare ASGI": post(EMPTY, host, KEY, body),
        "empty POST, ordinary route": post(ORDINARY, host, KEY, body),
        "reserve, pool of 1,000": reserve("small"),
        "reserve, pool of 100,000": reserve("large"),
    }
    found: dict[str, list[Sample]] = defaultdict(list)

    async def run(
        name: str, request: bytes, count: int, clients: int = CLIENTS, rate: float | None = None
    ) -> None:
        cpu = thread_seconds(pid)
        result = await load(host, port, lambda _: request, count, clients=clients, rate=rate)
        found[name].append(Sample(result, 1e6 * (thread_seconds(pid) - cpu) / count))

    for request in kinds.values():
        await load(host, port, lambda _, request=request: request, 1_000, clients=CLIENTS)  # type: ignore[misc]
    for round_ in range(rounds):
        for name in itertools.islice(
            itertools.cycle(kinds), round_ % len(kinds), round_ % len(kinds) + len(kinds)
        ):
            await run(name, kinds[name], requests)
    name, request = list(kinds.items())[-1]
    rate = statistics.median(sample.load.rate for sample in found[name])
    for _ in range(rounds):
        await run("reserve at half that rate", request, requests, rate=rate / 2)
        await run("reserve, 1 client", request, requests // 10, clients=1)
        await run("empty POST, 1 client", kinds["empty POST, bare ASGI"], requests // 10, clients=1)
    return found


def show(name: str, samples: list[Sample]) -> None:
    """One line of figures: medians over the rounds, of all requests for the centiles."""
    whole = Load(
        rate=statistics.median(sample.load.rate for sample in samples),
        statuses={},
        latencies=sorted(itertools.chain.from_iterable(sample.load.latencies for sample in samples)),
    )
    failed = sum(
        count for sample in samples for status, count in sample.load.statuses.items() if status != 200
    )
    print(
        f"{name:<30} {whole.rate:8,.0f} /s   CPU {statistics.median(s.cpu_us for s in samples):6.1f} us   "
        f"p50 {whole.quantile(0.50):5.2f}  p95 {whole.quantile(0.95):5.2f}  p99 {whole.quantile(0.99):5.2f} ms"
        + (f"   {failed} FAILED" if failed else "")
    )


def show_ratio(title: str, above: list[Sample], below: list[Sample], goal: str) -> float:
    """The median over the rounds of the ratio of rates, and the ratio of CPU; gives the former."""
    pairs = zip(above, below, strict=True)
    rates = [one.load.rate / other.load.rate for one, other in pairs]
    cpu = statistics.median(s.cpu_us for s in below) / statistics.median(s.cpu_us for s in above)
    middle = statistics.median(rates)
    print(
        f"{title}: {middle:.0%} of the rate ({min(rates):.0%} to {max(rates):.0%} round by round),"
        f" {cpu:.0%} by CPU; {goal}"
    )
    return middle


def main() -> int:
    """Start a server in a folder of its own and measure it."""
    parser = argparse.ArgumentParser(description="measure reservations over HTTP")
    parser.add_argument("--rounds", type=int, default=7, help="rounds, each with a run of every kind")
    parser.add_argument("--requests", type=int, default=6_000, help="requests of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
        folder = Path(scratch)
        write_resources(folder / "resources.yaml")
        server = ServerProcess(folder, {"log": {"level": "warning"}}, module="bench.reserve_server")
        applied = server.command("apply", "-f", "resources.yaml", env={"BENCH_KEY": KEY})
        if applied.returncode:
            print(applied.stderr)
            return 1
        uvloop.run(wear(folder / "tieline.db"))
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        where = urlsplit(server.start().http)
        cores = sorted(os.sched_getaffinity(0))
        try:
            if len(cores) > 1:
                pin(server.pid, cores[0])
                os.sched_setaffinity(0, {cores[1]})
            found = uvloop.run(
                measure(
                    where.hostname or "127.0.0.1",
                    where.port or 0,
                    server.pid,
                    options.rounds,
                    options.requests,
                )
            )
        finally:
            server.stop()
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {len(cores)} cores"
        f"{', one of them for the server' if len(cores) > 1 else ''}; WAL, synchronous=FULL, replies after the"
        f" commit;\n{CLIENTS} clients on keep-alive connections, {options.rounds} interleaved rounds of"
        f" {options.requests:,} requests"
    )
    for name, samples in found.items():
        show(name, samples)
    get_empty, post_empty, ordinary, small, large = list(found.values())[:5]
    show_ratio("reserve / empty GET on bare ASGI", large, get_empty, "no body to read")
    show_ratio("reserve / empty POST on bare ASGI", large, post_empty, "goal at least 60 %")
    show_ratio("reserve / empty POST on an ordinary route", large, ordinary, "for comparison")
    show_ratio("pool of 100,000 / pool of 1,000", large, small, "goal 90 % to 110 %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
