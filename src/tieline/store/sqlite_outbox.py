"""The outbox of webhook events in SQLite: events, their deliveries, and the order in which these go out.

Of the deliveries to one endpoint about one subject only the first has a time; whatever settles it gives the time to
the next. So what is due is one range of an index, however much waits behind an endpoint that is down.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieline.errors import NotFound
from tieline.model.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EventType,
    WebhookEvent,
)
from tieline.store.outbox import EXPIRED_WITHIN, DeliveryFigures, DeliveryFilter
from tieline.store.records import encode, read_stamp, stamp, storable
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_events import SqliteEvents, add_events
from tieline.store.sqlite_rows import RESERVATION_COLUMNS
from tieline.store.sqlite_writer import Writer

LOOKED_AT = 100
"""Newest deliveries in which the last failure is looked for."""

_UNROUTED = "SELECT document FROM webhook_events WHERE routed = 0 ORDER BY seq LIMIT ?"
_ROUTE = "UPDATE webhook_events SET routed = 1 WHERE id = ? AND routed = 0 RETURNING seq, subject"
_DELIVER = """
INSERT INTO webhook_deliveries (id, endpoint, event_seq, subject, state, next_at)
    VALUES (?1, ?2, ?3, ?4, 'waiting', iif(EXISTS (
        SELECT 1 FROM webhook_deliveries WHERE endpoint = ?2 AND subject = ?4 AND state = 'waiting'), NULL, ?5))"""
_SELECT = """
SELECT d.id, d.endpoint, d.state, d.next_at, d.attempts, e.document FROM webhook_deliveries d
    JOIN webhook_events e ON e.seq = d.event_seq"""
_DUE = f"""{_SELECT} WHERE d.state = 'waiting' AND d.endpoint = ? AND d.next_at <= ?
    ORDER BY d.next_at, d.event_seq LIMIT ?"""
_NEXT = """
SELECT min(next_at) FROM webhook_deliveries WHERE state = 'waiting' AND endpoint = ? AND next_at IS NOT NULL"""
_ATTEMPT = """
UPDATE webhook_deliveries SET attempts = json_insert(attempts, '$[#]', json(?)),
    next_at = iif(state = 'waiting', ?, NULL), state = iif(state = 'waiting', ?, state)
    WHERE id = ? RETURNING endpoint, subject, state"""
_PROMOTE = """
UPDATE webhook_deliveries SET next_at = ?3 WHERE id = (
        SELECT id FROM webhook_deliveries WHERE endpoint = ?1 AND subject = ?2 AND state = 'waiting'
            AND next_at IS NULL ORDER BY event_seq LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE endpoint = ?1 AND subject = ?2 AND state = 'waiting'
        AND next_at IS NOT NULL)"""
_AGAIN = "UPDATE webhook_deliveries SET state = 'waiting', next_at = ? WHERE id = ?"
_GIVE_UP = """
UPDATE webhook_deliveries SET state = 'failed', next_at = NULL
    WHERE state = 'waiting' AND endpoint NOT IN (SELECT value FROM json_each(?))"""
_COUNT = """
SELECT state, count(*) FROM (
    SELECT state FROM webhook_deliveries WHERE endpoint = ? ORDER BY event_seq DESC LIMIT ?) GROUP BY state"""
_ATTEMPTS = "SELECT attempts FROM webhook_deliveries WHERE endpoint = ? ORDER BY event_seq DESC LIMIT ?"
_EXPIRED = f"""
SELECT {RESERVATION_COLUMNS} FROM numbers n JOIN pools p ON p.id = n.pool_id
    JOIN reservations r ON r.epoch = n.epoch AND r.number_id = n.id
    WHERE n.phase = 1 AND n.released = 0 AND n.expires_at <= ?1 AND n.expires_at > ?2 AND r.state = 0
    AND NOT EXISTS (SELECT 1 FROM webhook_events e WHERE e.subject = r.id AND e.type = 'reservation.expired')
    ORDER BY n.expires_at LIMIT ?3"""  # noqa: S608 - column names of ours

_decode_attempts = msgspec.json.Decoder(tuple[DeliveryAttempt, ...]).decode


class SqliteOutbox(SqliteEvents):
    """The `WebhookStore` protocol."""

    _writer: Writer
    _reader: Reader

    async def add_events(self, events: Sequence[WebhookEvent]) -> None:
        """Events of their own, as far as their types are wanted."""
        wanted = [one for one in events if one.type in self.wanted_events]
        if wanted:
            await self._writer.submit(lambda connection: add_events(connection, wanted))

    async def unrouted_events(self, limit: int) -> Sequence[WebhookEvent]:
        """Events that were given no deliveries yet, oldest first."""
        rows = await self._read(_UNROUTED, (limit,))
        return [msgspec.json.decode(document, type=WebhookEvent) for (document,) in rows]

    async def route_events(self, routes: Sequence[tuple[str, Sequence[str]]], now: datetime) -> None:
        """Give each event its deliveries, due at once. Once only."""

        def job(connection: sqlite3.Connection) -> None:
            for event_id, endpoints in routes:
                _route(connection, event_id, endpoints, now)

        await self._writer.submit(job)

    async def send_event(self, event: WebhookEvent, endpoint: str, now: datetime) -> str:
        """Put an event in for one endpoint alone; the id of its delivery."""

        def job(connection: sqlite3.Connection) -> str:
            add_events(connection, [event])
            return _route(connection, event.id, [endpoint], now)[0]

        return await self._writer.submit(job)

    async def due_deliveries(self, endpoint: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Deliveries to an endpoint that are due, the longest due first."""
        return [_read(row) for row in await self._read(_DUE, (endpoint, stamp(now), limit))]

    async def next_delivery_at(self, endpoint: str) -> datetime | None:
        """When the next delivery to an endpoint is due; None when none waits."""
        ((found,),) = await self._read(_NEXT, (endpoint,))
        return None if found is None else read_stamp(found)

    async def save_attempt(
        self, delivery_id: str, attempt: DeliveryAttempt, state: DeliveryState, next_at: datetime | None
    ) -> None:
        """Add an attempt and say what becomes of the delivery, if it still waits. Raises `NotFound`."""
        due = None if next_at is None else stamp(next_at)

        def job(connection: sqlite3.Connection) -> None:
            row = connection.execute(_ATTEMPT, (encode(attempt), due, state, delivery_id)).fetchone()
            if row is None:
                raise _unknown(delivery_id)
            if row[2] != DeliveryState.WAITING:
                connection.execute(_PROMOTE, (row[0], row[1], stamp(attempt.at)))

        await self._writer.submit(job)

    async def redeliver(self, delivery_id: str, now: datetime) -> Delivery:
        """Let a delivery, whatever its state, be tried again from now on. Raises `NotFound`."""

        def job(connection: sqlite3.Connection) -> Delivery:
            connection.execute(_AGAIN, (stamp(now), delivery_id))
            row = connection.execute(f"{_SELECT} WHERE d.id = ?", (delivery_id,)).fetchone()
            if row is None:
                raise _unknown(delivery_id)
            return _read(row)

        return await self._writer.submit(job)

    async def give_up_deliveries(self, endpoints: Collection[str]) -> int:
        """What waits for endpoints other than these will not be delivered; returns how many."""
        kept = msgspec.json.encode(list(endpoints)).decode()
        return await self._writer.submit(lambda connection: connection.execute(_GIVE_UP, (kept,)).rowcount)

    async def deliveries(self, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Matching deliveries with all their attempts, newest event first."""
        asked: list[tuple[str, Any]] = [
            ("d.id = ?", wanted.id),
            ("e.account = ?", wanted.account),
            ("e.project = ?", wanted.project),
            ("d.endpoint = ?", wanted.endpoint),
            ("e.subject = ?", None if wanted.subject is None else storable(wanted.subject)),
            ("e.type = ?", wanted.type),
            ("d.state = ?", wanted.state),
            ("e.at < ?", None if wanted.before is None else stamp(wanted.before)),
        ]
        held = [(text, value) for text, value in asked if value is not None]
        where = " AND ".join(text for text, _ in held) or "1"
        statement = f"{_SELECT} WHERE {where} ORDER BY d.event_seq DESC, d.endpoint LIMIT ?"
        rows = await self._read(statement, [*(value for _, value in held), wanted.limit])
        return [_read(row) for row in rows]

    async def delivery_figures(self, endpoint: str, *, limit: int = 1000) -> DeliveryFigures:
        """How the endpoint's `limit` newest deliveries went."""
        counted = dict(await self._read(_COUNT, (endpoint, limit)))
        rows = await self._read(_ATTEMPTS, (endpoint, min(limit, LOOKED_AT)))
        failures = [one for (attempts,) in rows for one in _decode_attempts(attempts) if not one.succeeded]
        return DeliveryFigures(
            waiting=counted.get(DeliveryState.WAITING.value, 0),
            delivered=counted.get(DeliveryState.DELIVERED.value, 0),
            failed=counted.get(DeliveryState.FAILED.value, 0),
            last_failure=max(failures, key=lambda one: one.at, default=None),
        )

    async def expired_reservation_events(self, now: datetime, limit: int) -> int:
        """Put in an event for each reservation that expired lately without its call and has none yet."""
        if EventType.RESERVATION_EXPIRED not in self.wanted_events:
            return 0
        values = (stamp(now), stamp(now - EXPIRED_WITHIN), limit)
        if not await self._read(_EXPIRED, (*values[:2], 1)):
            return 0

        def job(connection: sqlite3.Connection) -> int:
            return self._tell_expired(connection, connection.execute(_EXPIRED, values).fetchall())

        return await self._writer.submit(job)

    async def _read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        return await self._reader.read(lambda connection: connection.execute(statement, values).fetchall())


def _route(
    connection: sqlite3.Connection, event_id: str, endpoints: Sequence[str], now: datetime
) -> list[str]:
    """The ids of an event's new deliveries; none when it was routed before."""
    row = connection.execute(_ROUTE, (event_id,)).fetchone()
    if row is None:
        return []
    ids = [f"dlv_{os.urandom(16).hex()}" for _ in endpoints]
    for delivery_id, endpoint in zip(ids, endpoints, strict=True):
        connection.execute(_DELIVER, (delivery_id, endpoint, *row, stamp(now)))
    return ids


def _read(row: Sequence[Any]) -> Delivery:
    return Delivery(
        id=row[0],
        endpoint=row[1],
        state=DeliveryState(row[2]),
        next_at=None if row[3] is None else read_stamp(row[3]),
        attempts=_decode_attempts(row[4]),
        event=msgspec.json.decode(row[5], type=WebhookEvent),
    )


def _unknown(delivery_id: str) -> NotFound:
    return NotFound("no such delivery", delivery_id=delivery_id)
