"""A server's life as a process: signals, readiness, drain."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from tieline.config import Settings
from tieline.server import Server

GC_STEP = 20_000
"""New objects between two collections of the youngest generation (the interpreter's own value is 700)."""

WELCOME = """
  Nobody can sign in to the studio yet. Open this once to become its owner (for a day, or until the next start):

    {link}

"""
"""What is shown at the start of a server without people."""


async def serve(settings: Settings, ready_file: Path | None = None) -> None:
    """Run a server until SIGTERM or SIGINT; a second signal cuts the drain short. SIGHUP makes it reload.

    `ready_file` is written, whole, when calls are taken.
    """
    server = Server(settings)
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    impatient = asyncio.Event()

    def on_signal() -> None:
        (impatient if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    addresses = await server.start()
    reloads: set[asyncio.Task[None]] = set()

    def on_hangup() -> None:
        reloads.add(task := asyncio.create_task(server.reload(), name="reload"))
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    _settle_heap()
    link = await server.outward.first_owner_link(addresses.http)
    if link is not None:
        sys.stdout.write(WELCOME.format(link=link))
        sys.stdout.flush()
    if ready_file is not None:
        scratch = ready_file.with_suffix(".new")
        scratch.write_bytes(msgspec.json.encode(addresses))
        scratch.replace(ready_file)
    await asked.wait()
    draining = asyncio.create_task(server.drain())
    cut = asyncio.create_task(impatient.wait())
    await asyncio.wait({draining, cut}, return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, cut):
        task.cancel()
    await asyncio.gather(draining, cut, return_exceptions=True)
    if impatient.is_set():
        await server.drain(0.0)  # whoever is still on the line hears a BYE, and has an outcome
    await server.stop()


def _settle_heap() -> None:
    """Leave what was made at start out of garbage collection, and collect in larger steps.

    A call makes thousands of short-lived objects and no cycles worth mentioning; the default steps go over the
    objects of every call that is up again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_STEP, 20, 50)


def run_server(settings: Settings, ready_file: Path | None = None) -> int:
    """`serve` on an event loop of its own; the exit status. Raises `TielineError` when the server cannot start."""
    uvloop.run(serve(settings, ready_file))
    return 0
