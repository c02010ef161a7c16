"""A process that loads a store as hard as it can, and prints what has been acknowledged; it runs until killed.

    python store_load.py DATABASE ROUND

Prints one line for each acknowledgement: `r <reservation id> <number> <epoch>`, `c <reservation id>` (claimed) and
`o <conversation id>` (outcome saved).
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from tieline.store.sqlite import SqliteStore
from tieline.testing.store_contract_conversations import opened, outcome
from tieline.testing.store_samples import ask, invite

START = datetime(2030, 1, 1, tzinfo=UTC)


def say(line: str) -> None:
    """One whole line, past every buffer: what was said has been said."""
    os.write(1, f"{line}\n".encode())


async def serve(store: SqliteStore, round_: int, client: int) -> None:
    """Reserve, call, answer and save the outcome, for ever."""
    for turn in range(10**9):
        now = START + timedelta(minutes=10 * round_, milliseconds=turn)
        held = await store.reserve(ask(idempotency_key=f"{round_}-{client}-{turn}", body_hash="h"), "p", now)
        say(f"r {held.id} {held.number} {held.epoch}")
        call = f"{round_}-{client}-{turn}"
        await store.bind(invite(held.number, call), now)
        await store.open_conversation(opened(call, now))
        if await store.claim(held.id, held.epoch, now, verified=True):
            say(f"c {held.id}")
        await store.save_outcome(outcome(call))
        say(f"o {call}")


async def main() -> None:
    """Open the database and let sixteen clients loose on it."""
    round_ = int(sys.argv[2])
    store = SqliteStore(sys.argv[1])
    await store.open(START + timedelta(minutes=10 * round_))
    await store.settle_interrupted(START + timedelta(minutes=10 * round_))
    say("ready")
    await asyncio.gather(*[serve(store, round_, client) for client in range(16)])


if __name__ == "__main__":
    asyncio.run(main())
