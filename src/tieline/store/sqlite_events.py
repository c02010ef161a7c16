"""Webhook events in SQLite: put in by the very job that writes the fact, in the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import msgspec

from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome
from tieline.model.facts import (
    call_ended,
    call_started,
    handoff_state_changed,
    pool_exhausted,
    reservation_arrived,
    reservation_expired,
)
from tieline.model.reservation import BindRequest, BindResult, BindVerdict, Reservation
from tieline.model.webhook import EventType, WebhookEvent
from tieline.store.errors import StoreFailed
from tieline.store.records import encode, look_up, same_answer, stamp, storable
from tieline.store.sqlite_rows import RESERVATION_COLUMNS, read_reservation
from tieline.store.sqlite_turn import PoolEntry
from tieline.store.sqlite_writer import Writer

_ADD = """
INSERT INTO webhook_events (id, at, type, account, project, subject, document) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING"""
_CALL = """
SELECT c.opened, c.shared_id, o.document, c.closed IS NOT NULL, c.closed FROM conversations c
    LEFT JOIN outcomes o ON o.conversation_id = c.id WHERE c.id = ?"""
_TOLD = "SELECT count(*) FROM webhook_events WHERE subject = ? AND type = ?"
_PROJECTS = "SELECT document FROM resources WHERE kind = 'projects'"
_LAPSED = f"""
SELECT {RESERVATION_COLUMNS} FROM json_each(?2) t JOIN numbers n ON n.pool_id = ?1 AND n.number = t.value
    JOIN pools p ON p.id = n.pool_id JOIN reservations r ON r.epoch = n.epoch - 1 AND r.number_id = n.id
    WHERE r.state = 0"""  # noqa: S608 - column names of ours


class _ProjectAccount(msgspec.Struct):
    """The little that is needed of a project here."""

    id: str
    account: str


_decode_projects = msgspec.json.Decoder(tuple[_ProjectAccount, ...]).decode


def add_events(connection: sqlite3.Connection, events: Sequence[WebhookEvent]) -> None:
    """Put events in; one whose id is there already is passed over."""
    connection.executemany(
        _ADD,
        [
            (one.id, stamp(one.at), one.type, one.account, one.project, storable(one.subject), encode(one))
            for one in events
        ],
    )


class SqliteEvents:
    """What the other parts of the store tell facts to. Nothing is read or written for types that nobody wants."""

    _writer: Writer

    def __init__(self) -> None:
        super().__init__()
        self.wanted_events: Collection[EventType] = frozenset()
        self._exhausted_told: dict[str, int] = {}
        self._project_accounts: dict[str, str] | None = None

    def _tell_opened(self, connection: sqlite3.Connection, opened: ConversationOpened) -> None:
        if EventType.CALL_STARTED in self.wanted_events:
            add_events(connection, [call_started(opened)])

    def _tell_closed(self, connection: sqlite3.Connection, closed: ConversationClosed) -> None:
        if EventType.CALL_ENDED not in self.wanted_events:
            return
        row = connection.execute(_CALL, (closed.conversation_id,)).fetchone()
        outcome = None if row[2] is None else msgspec.json.decode(row[2], type=Outcome)
        told = call_ended(
            msgspec.json.decode(row[0], type=ConversationOpened),
            row[1],
            closed,
            handed_off=outcome is not None and outcome.handed_off,
        )
        add_events(connection, [told])

    @contextmanager
    def _telling_handoff(
        self, connection: sqlite3.Connection, conversation_id: str, at: datetime
    ) -> Iterator[None]:
        """Tell it when what is written inside changes what Get Handoff answers for the call."""
        if EventType.HANDOFF_STATE_CHANGED not in self.wanted_events:
            yield
            return
        before = connection.execute(_CALL, (conversation_id,)).fetchone()
        yield
        after = connection.execute(_CALL, (conversation_id,)).fetchone()
        if before is None or after is None or before == after:
            return
        was, now = _answer(conversation_id, before), _answer(conversation_id, after)
        if same_answer(was, now):
            return
        type_ = EventType.HANDOFF_STATE_CHANGED
        (told,) = connection.execute(_TOLD, (conversation_id, type_)).fetchone()
        opened = msgspec.json.decode(after[0], type=ConversationOpened)
        outcome = None if after[2] is None else msgspec.json.decode(after[2], type=Outcome)
        add_events(connection, [handoff_state_changed(opened, now.status, now.shared_id, outcome, at, told)])

    def _tell_bound(
        self, connection: sqlite3.Connection, request: BindRequest, result: BindResult, now: datetime
    ) -> None:
        """A bind gave a reservation to a call."""
        late = result.verdict is BindVerdict.LATE
        wanted = EventType.RESERVATION_LATE if late else EventType.RESERVATION_ARRIVED
        if wanted not in self.wanted_events or result.reservation is None:
            return
        account = self._account_of(connection, result.reservation.project)
        told = reservation_arrived(
            result.reservation, account, request.conversation_id, now, caller_matched=result.caller_matched
        )
        add_events(connection, [told])

    def _tell_lapsed(
        self, connection: sqlite3.Connection, pool: PoolEntry, taken: Sequence[Reservation]
    ) -> None:
        """Numbers were handed out again, on some of which nobody had called the last time."""
        if EventType.RESERVATION_EXPIRED in self.wanted_events and taken:
            numbers = msgspec.json.encode([one.number for one in taken]).decode()
            self._tell_expired(connection, connection.execute(_LAPSED, (pool.id, numbers)).fetchall())

    def _tell_expired(self, connection: sqlite3.Connection, rows: Sequence[Any]) -> int:
        """Tell of reservations (`RESERVATION_COLUMNS`) that expired; how many."""
        expired = [read_reservation(row) for row in rows]
        add_events(
            connection,
            [reservation_expired(one, self._account_of(connection, one.project)) for one in expired],
        )
        return len(expired)

    def _tell_exhausted(self, pool: PoolEntry | None, now: datetime, retry_after_s: float) -> None:
        """A reservation was refused: told once a minute, beside the refusal and not before it."""
        if EventType.POOL_EXHAUSTED not in self.wanted_events or pool is None:
            return
        policy = pool.policy
        minute = stamp(now) // 60_000_000
        if self._exhausted_told.get(policy.name) == minute:
            return
        self._exhausted_told[policy.name] = minute

        def job(connection: sqlite3.Connection) -> None:
            account = self._account_of(connection, policy.project)
            add_events(connection, [pool_exhausted(policy.name, policy.project, account, now, retry_after_s)])

        with suppress(StoreFailed):  # it is closing
            self._writer.submit(job).add_done_callback(lambda done: done.cancelled() or done.exception())

    def _account_of(self, connection: sqlite3.Connection, project: str) -> str:
        """The account that a project belongs to; empty when the project is gone."""
        if self._project_accounts is None:
            row = connection.execute(_PROJECTS).fetchone()
            known = () if row is None else _decode_projects(row[0])
            self._project_accounts = {one.id: one.account for one in known}
        return self._project_accounts.get(project, "")


def _answer(conversation_id: str, row: Sequence[Any]) -> Any:
    """What Get Handoff answers, from a row of `_CALL`."""
    outcome = None if row[2] is None else msgspec.json.decode(row[2], type=Outcome)
    return look_up(conversation_id, row[1], outcome, closed=bool(row[3]))
