"""UTC that goes on steadily across restarts.

A lease is a timestamp. Within a process `SystemClock` keeps UTC from jumping; across a restart on the same boot the
machine's uptime does: the database remembers which boot it was, its uptime, and the UTC that went with it. A wall
clock that was stepped between two runs then neither frees a held number early nor holds it for longer.
"""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

from tieline.model.record import Record
from tieline.store.records import read_stamp, stamp

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")

TOLERANCE_US = 1_000_000
"""A stored anchor that agrees with the clock to this much is left as it is, so that small errors do not add up."""

_SAVE = """
INSERT INTO clock (id, boot_id, boot_time, utc) VALUES (1, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, boot_time = excluded.boot_time, utc = excluded.utc"""
_NEWEST = """
SELECT max(coalesce((SELECT utc FROM clock), 0),
           coalesce((SELECT reserved_at FROM reservations ORDER BY key DESC LIMIT 1), 0),
           coalesce((SELECT max(started_at) FROM conversations), 0))"""


class Boot(Record):
    """Which boot of the machine this is (empty when it cannot be told), and its uptime in microseconds."""

    id: str
    time_us: int


def read_boot() -> Boot:
    """This boot of this machine."""
    try:
        boot_id = BOOT_ID_FILE.read_text().strip()
    except OSError:
        boot_id = ""
    clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Boot(id=boot_id, time_us=time.clock_gettime_ns(clock_id) // 1000)


def steady_anchor(path: Path, *, boot: Boot | None = None, wall: datetime | None = None) -> datetime:
    """The UTC to build the server's `SystemClock` with, so that stored leases go on as if it had never stopped.

    On the boot that the database remembers it is the remembered UTC advanced by the machine's uptime; otherwise the
    wall clock. It is never earlier than the newest stored time. Without a database it is the wall clock.
    """
    boot, wall = boot or read_boot(), wall or datetime.now(UTC)
    if not path.is_file():
        return wall
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return max(
                _steady_utc(connection, boot) or wall, read_stamp(connection.execute(_NEWEST).fetchone()[0])
            )
        finally:
            connection.close()
    except sqlite3.Error:  # no database of ours yet; opening it will say what is wrong
        return wall


def save_anchor(connection: sqlite3.Connection, boot: Boot, now: datetime) -> None:
    """Remember that `now` was the UTC at the uptime of `boot`."""
    expected = _steady_utc(connection, boot)
    if expected is None or abs(stamp(now) - stamp(expected)) > TOLERANCE_US:
        connection.execute(_SAVE, (boot.id, boot.time_us, stamp(now)))


def _steady_utc(connection: sqlite3.Connection, boot: Boot) -> datetime | None:
    """The remembered UTC advanced by the uptime since; None when this is another boot."""
    row = connection.execute("SELECT boot_id, boot_time, utc FROM clock").fetchone()
    if row is None or not boot.id or row[0] != boot.id:
        return None
    return read_stamp(row[2] + boot.time_us - row[1])
