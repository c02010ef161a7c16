"""The store alone: reservations a second at 1 and 64 clients, pools of 1,000 and 100,000, each after its fsync.

    python -m bench.store [--seconds 2] [--folder DIR]

The reference is a bare loop that commits one small row a transaction to the same disk, with the same settings.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import uvloop

from tieline.model.pool import Pool
from tieline.model.reservation import ReserveRequest
from tieline.model.resources import Resources
from tieline.store.sqlite import SqliteStore
from tieline.store.sqlite_connection import connect_writer
from tieline.testing.store_samples import T0

SMALL, LARGE = 1_000, 100_000
ROUNDS = 3
ATTRIBUTES = '{"shared_id":"1234","customer":{"address":"test lane","age":25},"previous_calls":["a","b"]}'


class Result(NamedTuple):
    """Reservations a second, CPU microseconds of the whole process for each, and waits in milliseconds."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


async def reserve_for(path: Path, numbers: int, clients: int, seconds: float) -> Result:
    """Load a fresh store for `seconds`; numbers come back at once, so that the pool is never empty."""
    store = SqliteStore(path)
    await store.open(T0)
    pool = Pool(
        name="p",
        project="x",
        numbers=tuple(f"+{15550000000 + step}" for step in range(numbers)),
        min_ttl_s=0.0,
        expiry_cooldown_s=0.0,
    )
    await store.apply(lambda _: Resources(pools=(pool,)), T0)
    waits: list[float] = []
    start = time.perf_counter()

    def now() -> datetime:
        return T0 + timedelta(seconds=time.perf_counter() - start)

    async def client() -> None:
        while (begun := time.perf_counter()) - start < seconds:
            request = ReserveRequest(project="x", attributes_json=ATTRIBUTES, ttl_s=0.001)
            await store.reserve(request, "p", now())
            waits.append(time.perf_counter() - begun)

    cpu = time.process_time()
    await asyncio.gather(*[client() for _ in range(clients)])
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    await store.close()
    centiles = statistics.quantiles(waits, n=100)
    return Result(len(waits) / took, 1e6 * cpu / len(waits), 1e3 * centiles[49], 1e3 * centiles[98])


def commit_each(path: Path, seconds: float) -> float:
    """Commits a second of the bare loop: one inserted row a transaction."""
    connection = connect_writer(path)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, attributes TEXT)")
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (attributes) VALUES (?)", (ATTRIBUTES,))
        connection.execute("COMMIT")
        done += 1
    rate = done / (time.perf_counter() - start)
    connection.close()
    return rate


def main() -> int:
    """Measure and print; the exit status is 1 when the large pool is more than 10 % slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the databases go (the disk to measure)"
    )
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores,"
        f" WAL, synchronous=FULL, uvloop; {options.seconds:g} s each, best of {ROUNDS} interleaved rounds"
    )
    best: dict[tuple[int, int], Result] = {}
    bare = 0.0
    with tempfile.TemporaryDirectory(dir=options.folder or "/var/tmp") as folder:
        for round_ in range(ROUNDS):
            bare = max(bare, commit_each(Path(folder, f"bare-{round_}.db"), options.seconds))
            for numbers, clients in ((SMALL, 1), (SMALL, 64), (LARGE, 64), (LARGE, 1)):
                path = Path(folder, f"{round_}-{numbers}-{clients}.db")
                result = uvloop.run(reserve_for(path, numbers, clients, options.seconds))
                known = best.get((numbers, clients))
                best[numbers, clients] = result if known is None else max(known, result)
    print(f"bare loop, one transaction each: {bare:,.0f}/s")
    for (numbers, clients), result in sorted(best.items()):
        print(
            f"pool of {numbers:7,}, {clients:2} clients: {result.rate:8,.0f}/s = {result.rate / bare:5.2f} x bare,"
            f" CPU {result.cpu_us:5.1f} us, p50 {result.p50_ms:.2f} ms, p99 {result.p99_ms:.2f} ms"
        )
    ratio = best[LARGE, 64].rate / best[SMALL, 64].rate
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"large pool against small: {100 * ratio:.1f} % (goal: at least 90 %); peak memory {memory:.0f} MiB"
    )
    return 0 if ratio >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
