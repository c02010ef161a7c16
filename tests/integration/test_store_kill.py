"""kill -9 on a loaded store, twenty times: nothing that was acknowledged may be lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from tieline.model.conversation import OutcomeStatus
from tieline.model.reservation import ReservationState
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_samples import T0, after, give_pool, numbers, pool

LOAD = Path(__file__).with_name("store_load.py")
KILLS = 20


def load_and_kill(database: Path, round_: int, output: Path, seconds: float) -> list[list[str]]:
    """Run the load for a moment, kill it, and give what it acknowledged."""
    with output.open("wb") as sink:
        process = subprocess.Popen([sys.executable, str(LOAD), str(database), str(round_)], stdout=sink)
        deadline = time.monotonic() + 60
        while b"ready" not in output.read_bytes():
            assert process.poll() is None, "the load ended by itself"
            assert time.monotonic() < deadline, "the load did not start"
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.wait()
    whole = output.read_text().rpartition("\n")[0]
    return [line.split() for line in whole.splitlines() if line != "ready"]


async def test_zero_lost_in_twenty_kills(tmp_path: Path) -> None:
    database = tmp_path / "tieline.db"
    store = SqliteStore(database)
    await store.open(T0)
    await give_pool(store, pool(numbers=numbers(50_000), claim_cooldown_s=0.0))
    await store.close()

    draws = random.Random(20)
    said: list[list[str]] = []
    for round_ in range(KILLS):
        said += load_and_kill(database, round_, tmp_path / "said", draws.uniform(0.02, 0.2))

    store = SqliteStore(database)
    await store.open(after(0))
    try:
        await store.settle_interrupted(after(0))
        lost = [words for words in said if not await is_kept(store, words)]
        taken = [(words[2], words[3]) for words in said if words[0] == "r"]
        stats = await store.pool_stats("p", T0)
    finally:
        await store.close()
    assert len(taken) > KILLS, "the load did something"
    assert lost == []
    assert len(set(taken)) == len(taken), "an epoch of a number is given out once"
    assert stats.reserved_total >= len(taken)
    assert stats.claimed_total >= sum(words[0] == "c" for words in said)


async def is_kept(store: SqliteStore, words: list[str]) -> bool:
    """Whether the database holds what was acknowledged."""
    kind, identity = words[:2]
    if kind == "o":
        found = await store.handoff_state("a", "x", conversation_id=identity, shared_id=None)
        return found.status is OutcomeStatus.ENDED_WITH_HANDOFF
    reservation = await store.reservation(identity, T0)
    if reservation is None:
        return False
    if kind == "c":
        return reservation.state is ReservationState.CLAIMED
    return [reservation.number, str(reservation.epoch)] == words[2:]
