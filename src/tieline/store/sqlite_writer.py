"""The one writer: a thread with a queue and one connection, which commits whatever has arrived as a group.

Writes of one turn of the event loop go together, and while a commit is on its way to the disk, new ones queue up;
they become the next group. There is no timer: a lone write is committed at once. Every result leaves after its
commit, and a group's results reach the event loop in one wake-up.

Writes that are alike (reservations) are handed over together, to be carried out by a few statements for all of
them: every statement gives up the interpreter and has to win it back, so that their number, not their size,
decides how long a group takes beside a busy event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from tieline.store.errors import StoreFailed

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

MAX_GROUP = 512
"""Writes after which a transaction takes no further ones: bounds how long the first of them waits."""


class GroupPolicy(Protocol):
    """What a store does around a group. All of it runs in the writer's thread."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """The transaction has begun; nothing of the group has run."""
        ...

    def reserve(self, connection: sqlite3.Connection, wanted: Sequence[Any]) -> list[Any]:
        """Carry out the group's alike writes; results in order, an exception standing for a refusal."""
        ...

    def finish(self, connection: sqlite3.Connection) -> None:
        """Everything has run; the commit is next."""
        ...

    def failed(self) -> None:
        """The transaction was rolled back: nothing that was concluded from it holds."""
        ...


_Write = tuple[asyncio.Future[Any], Job[Any] | None, Any]
"""One queued write: who waits for it, and a job of its own or (None) what is wanted of the group's common statement."""


class Writer:
    """Owns the writing connection and its thread. `commits` and `writes` count what was made durable."""

    def __init__(self, connection: sqlite3.Connection, policy: GroupPolicy) -> None:
        self._connection = connection
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[list[_Write] | None] = SimpleQueue()
        self._arrived: list[_Write] = []
        self.commits = 0
        self.writes = 0
        self._busy = False
        self._drained: asyncio.Future[None] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="tieline-store-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job[T]) -> asyncio.Future[T]:
        """Queue `job`; the future completes after the commit. What it raises undoes its own writes only."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._put((future, job, None))
        return future

    def submit_alike(self, wanted: object) -> asyncio.Future[Any]:
        """Queue one of the writes that `GroupPolicy.reserve` carries out together."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._put((future, None, wanted))
        return future

    def _put(self, write: _Write) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")
        if not self._arrived and not self._busy:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(write)

    def _hand_over(self) -> None:
        """Give the thread a group, unless it has one: what arrives meanwhile becomes the next."""
        if self._arrived and not self._busy:
            group = self._arrived[:MAX_GROUP]
            del self._arrived[:MAX_GROUP]
            self._busy = True
            self._queue.put(group)

    def _finish(self, group: list[_Write], results: list[Any]) -> None:
        """Tell everyone of a group, in one turn of the event loop; the next group sets out when they have been told."""
        self._busy = False
        for (future, _, _), result in zip(group, results, strict=True):
            if not future.done():
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        if self._arrived:
            self._loop.call_soon(self._hand_over)
        elif self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def close(self) -> None:
        """Commit what is queued and end the thread."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            if self._busy:
                self._drained = self._loop.create_future()
                await self._drained
            self._queue.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while (group := self._queue.get()) is not None:
            results = self._commit(group)
            try:
                self._loop.call_soon_threadsafe(self._finish, group, results)
            except RuntimeError:  # the loop is gone: nobody waits any more
                break
        self._connection.close()

    def _commit(self, group: list[_Write]) -> list[Any]:
        """Run a group in one transaction; results in order, exceptions among them."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._policy.begin(connection)
            results = self._run_group(connection, group)
            self._policy.finish(connection)
            connection.execute("COMMIT")
            self.commits += 1
            self.writes += len(group)
        except _LoneJobFailed as failed:
            with contextlib.suppress(sqlite3.Error):  # the next group will find out
                connection.rollback()
            return [failed.error]
        except Exception as error:
            self._policy.failed()
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            failure = StoreFailed(f"the database did not commit: {error}")
            failure.__cause__ = error
            return [failure] * len(group)
        return results

    def _run_group(self, connection: sqlite3.Connection, group: list[_Write]) -> list[Any]:
        """Jobs in order of arrival, then the alike writes, which may profit from what the jobs gave back."""
        alike = [position for position, (_, job, _) in enumerate(group) if job is None]
        if len(alike) == len(group):
            return self._policy.reserve(connection, [wanted for _, _, wanted in group])
        if len(group) == 1 and (lone := group[0][1]) is not None:
            return [_run_lone_job(connection, lone)]
        results = [None if job is None else _run_job(connection, job) for _, job, _ in group]
        if alike:
            outcomes = self._policy.reserve(connection, [group[position][2] for position in alike])
            for position, outcome in zip(alike, outcomes, strict=True):
                results[position] = outcome
        return results


class _LoneJobFailed(Exception):
    """The only job of a group raised `error`: the whole transaction is to be undone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _run_lone_job(connection: sqlite3.Connection, job: Job[Any]) -> Any:
    """Run the only job of a group: it needs no savepoint, for the transaction itself is what undoes it."""
    try:
        return job(connection)
    except sqlite3.OperationalError:
        raise  # the disk, not the job
    except Exception as error:
        raise _LoneJobFailed(error) from error


def _run_job(connection: sqlite3.Connection, job: Job[Any]) -> Any:
    """Run one job; when it raises, undo its own writes and give the exception as its result."""
    connection.execute("SAVEPOINT job")
    try:
        return job(connection)
    except Exception as error:
        connection.execute("ROLLBACK TO job")
        return error
    finally:
        connection.execute("RELEASE job")
