"""Gather what every process of a test run has measured into `coverage.json`, for `tools/coverage_budget.py`.

Each process writes a file of its own beside `COVERAGE_FILE`. Some never finish theirs: a process that runs customers'
functions is killed the moment its server is gone, which may be while it writes. What such a file holds is lost with its
process; it is left out, and said so. Files are read when no process is left that could be writing one.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).resolve().parent.parent
LEAVE_S = 60.0
"""How long processes that the tests have left behind may take to end."""


def find_writers(data_file: Path, processes: Path = Path("/proc")) -> list[int]:
    """Processes other than this one that were told to measure into `data_file`."""
    told = f"COVERAGE_FILE={data_file}".encode()
    own = {os.getpid(), os.getppid()}  # the shell that waits for this one was told, too
    found = []
    for entry in processes.glob("[0-9]*"):
        try:
            if told in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) not in own:
                found.append(int(entry.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def wait_for_writers(data_file: Path) -> None:
    """Return when nobody measures any more, or when patience ends."""
    deadline = time.monotonic() + LEAVE_S
    while writers := find_writers(data_file):
        if time.monotonic() > deadline:
            print(f"still running after the tests: {', '.join(map(str, writers))}")
            return
        time.sleep(0.1)


def is_whole(path: Path) -> bool:
    """Whether coverage came as far as writing what it had measured."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return bool(connection.execute("SELECT count(*) FROM coverage_schema").fetchone()[0])
        except sqlite3.DatabaseError:
            return False


def drop_cut_files(data_file: Path) -> int:
    """Remove the files that their processes were killed over; how many."""
    cut = [path for path in data_file.parent.glob(f"{data_file.name}.*") if not is_whole(path)]
    for path in cut:
        path.unlink()
    return len(cut)


def main() -> None:
    """Wait, sort out, combine, report."""
    data_file = Path(os.environ["COVERAGE_FILE"])
    wait_for_writers(data_file)
    cut = drop_cut_files(data_file)
    coverage = Coverage()
    coverage.combine(strict=True)
    coverage.save()
    coverage.json_report(outfile=str(ROOT / "coverage.json"))
    if cut:
        print(f"coverage: {cut} processes were killed while they wrote theirs")


if __name__ == "__main__":
    main()
