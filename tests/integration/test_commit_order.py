"""The order on the wire: nothing that promises something leaves before the disk holds it. The disk is held up here."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.served import SECRETS, Served, eventually
from tieline.config import load_settings
from tieline.demo.exchange import Exchange, exchange
from tieline.server import Addresses, Server
from tieline.softphone.phone import PhoneCall, Softphone

A_WHILE_S = 1.0
"""How long a held disk is shown to hold everything up."""


class Disk:
    """Stands before each commit of the server: open, or holding it up until it is let pass."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.held = threading.Event()
        self.commits = 0

    def before_commit(self) -> None:
        """Called in the writer's thread."""
        if not self._open.is_set():
            self.held.set()
            self._open.wait(60)
        self.commits += 1

    def hold(self) -> None:
        """Hold the next commit up."""
        self.held.clear()
        self._open.clear()

    def release(self) -> None:
        """Let it pass, and all that follow."""
        self._open.set()

    async def holds(self) -> None:
        """Wait until a commit is held up."""
        assert await asyncio.to_thread(self.held.wait, 20)


class Running:
    """A server in this process, its disk, and a second reader of its database."""

    def __init__(self, folder: Path, disk: Disk, addresses: Addresses) -> None:
        self.folder, self.disk, self.addresses = folder, disk, addresses

    def rows(self, query: str) -> int:
        """The count that a query gives, as another process would see it."""
        with closing(sqlite3.connect(f"file:{self.folder / 'tieline.db'}?mode=ro", uri=True)) as reader:
            (count,) = reader.execute(query).fetchone()
            return int(count)

    def outcomes(self) -> int:
        """Outcomes that are durable."""
        return self.rows("SELECT count(*) FROM outcomes")

    def reservations(self) -> int:
        """Reservations that are durable."""
        return self.rows("SELECT count(*) FROM reservations")

    async def reserve(self, **attributes: str) -> Exchange:
        """Reserve a DNI."""
        path = "/v1/conversations/dni-reservation"
        body = {"attributes": attributes}
        return await exchange(self.addresses.http, "POST", path, SECRETS["TEST_RESERVE_KEY"], body)

    async def dial(self, phone: Softphone, number: str) -> PhoneCall:
        """Call a number; the call has been answered."""
        assert self.addresses.sip_udp is not None
        host, port = self.addresses.sip_udp
        return await phone.dial(f"sip:{number}@{host}:{port}")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A started server whose disk can be held up."""
    prepared = Served(tmp_path)
    prepared.apply()
    disk = Disk()
    settings = load_settings(
        prepared.process.config, environ={}, overrides={"store.path": str(tmp_path / "tieline.db")}
    )
    server = Server(settings, before_commit=disk.before_commit)
    addresses = await server.start()
    yield Running(tmp_path, disk, addresses)
    disk.release()
    await server.drain()
    await server.stop()


async def test_a_reservation_is_answered_after_its_commit(running: Running) -> None:
    running.disk.hold()
    reserving = asyncio.create_task(running.reserve(shared_id="held"))
    await running.disk.holds()
    done, _ = await asyncio.wait({reserving}, timeout=A_WHILE_S)
    assert not done
    assert running.reservations() == 0
    running.disk.release()
    made = await reserving
    assert made.status == 200
    assert running.reservations() == 1


async def test_the_bye_leaves_after_the_outcome_is_durable(running: Running) -> None:
    made = await running.reserve(shared_id="order")
    async with Softphone() as phone:
        call = await running.dial(phone, made.answer["dni"])
        durable_at_bye: list[int] = []
        call.ended.add_done_callback(lambda _: durable_at_bye.append(running.outcomes()))
        await call.audio.speech_ended()
        running.disk.hold()
        await call.press("2")
        await running.disk.holds()
        # The first write that the key leads to is held up, and with it everything after it.
        done, _ = await asyncio.wait({call.ended}, timeout=A_WHILE_S + 2)
        assert not done
        assert running.outcomes() == 0
        running.disk.release()
        ending = await asyncio.wait_for(call.ended, 20)
        assert ending.header("X-Destination") == "service"
    assert durable_at_bye == [1]


async def test_the_outcome_alone_is_held_up(running: Running) -> None:
    """With all other writes done and only the outcome's commit under way, there is still no BYE."""
    made = await running.reserve(shared_id="alone")
    async with Softphone() as phone:
        call = await running.dial(phone, made.answer["dni"])
        await call.audio.speech_ended()
        before = running.disk.commits
        await call.press("1")
        # The turn is committed while "One moment." is spoken.
        await eventually(lambda: running.disk.commits > before)
        assert running.outcomes() == 0
        running.disk.hold()
        await running.disk.holds()
        assert not call.ended.done()
        done, _ = await asyncio.wait({call.ended}, timeout=A_WHILE_S)
        assert not done
        assert running.outcomes() == 0
        running.disk.release()
        await asyncio.wait_for(call.ended, 20)
        assert running.outcomes() == 1


async def test_the_number_is_claimed_before_the_answer(running: Running) -> None:
    """200 leaves only when the call and its claim are durable."""
    made = await running.reserve(shared_id="claim", act="hold")
    async with Softphone() as phone:
        running.disk.hold()
        assert running.addresses.sip_udp is not None
        host, port = running.addresses.sip_udp
        call = phone.start_call(f"sip:{made.answer['dni']}@{host}:{port}")
        await running.disk.holds()
        done, _ = await asyncio.wait({call.answered}, timeout=A_WHILE_S)
        assert not done
        assert running.rows("SELECT count(*) FROM conversations") == 0
        running.disk.release()
        await asyncio.wait_for(call.answered, 20)
        assert running.rows("SELECT count(*) FROM conversations") == 1
        await call.hang_up()
