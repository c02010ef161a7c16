"""CPU time and memory of whole process trees, as the kernel accounts them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of a tree (ended and reaped children included) and its resident bytes at the moment."""

    cpu_s: float
    resident: int
    processes: int


def descendants(pid: int) -> list[int]:
    """`pid` and every process below it."""
    found = [pid]
    for parent in found:
        try:
            tasks = (_PROC / str(parent) / "task").iterdir()
            for task in tasks:
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def measure(pid: int) -> Usage:
    """The usage of `pid` and all below it. Shared memory counts for one process only (proportional set size)."""
    cpu_s, resident, processes = 0.0, 0, 0
    for each in descendants(pid):
        try:
            fields = (_PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            rollup = (_PROC / str(each) / "smaps_rollup").read_text()
        except OSError:
            continue
        processes += 1
        # utime, stime, and those of reaped children (cutime, cstime): fields 14 to 17 of proc(5).
        cpu_s += sum(int(value) for value in fields[11:15]) * _TICK_S
        resident += next(
            (int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0
        )
    return Usage(cpu_s, resident, processes)


def pin(pid: int, core: int) -> None:
    """Keep `pid` and everything below it, threads included, on one core."""
    for each in descendants(pid):
        for task in (_PROC / str(each) / "task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def thread_seconds(pid: int) -> float:
    """CPU seconds (user and system) of the threads that `pid` has now, by the scheduler's own nanoseconds."""
    tasks = (_PROC / str(pid) / "task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def part_seconds(pid: int) -> dict[str, float]:
    """CPU seconds of a server so far, by part: its event loop, its other threads, and its kinds of child process."""
    parts: dict[str, float] = {}
    for each in descendants(pid):
        try:
            command = (_PROC / str(each) / "cmdline").read_text()
            threads = [(int(task.name), task) for task in (_PROC / str(each) / "task").iterdir()]
            for thread, task in threads:
                seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
                name = next((kind for kind in ("media", "voice", "agent") if f".{kind}" in command), "")
                if not name:
                    name = "event loop" if thread == each else "store and other threads"
                parts[name] = parts.get(name, 0.0) + seconds
        except OSError:
            continue
    return parts
