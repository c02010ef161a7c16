"""Lists of calls and refusals in SQLite. They have a reader of their own: no call waits for somebody's search.

Which rows a list has is found in an index that holds everything to filter by; only those that are shown are read.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from tieline.model.call import FAULT_OF
from tieline.model.conversation import Conversation, RefusedCall
from tieline.store.base import ConversationFilter, Cursor, RefusalFilter
from tieline.store.records import is_refusal_wanted, stamp, storable
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_conversations import read_conversation

_Condition = tuple[str, tuple[Any, ...]]
"""A condition and the values of its parameters."""

_Source = tuple[str, list[_Condition]]
"""An index, and the conditions that it is looked into with."""

_IDS = "sqlite_autoindex_conversations_1"
_SHOWN = "SELECT c.opened, c.state, o.document, c.closed"
_REFUSALS = "SELECT document FROM refusals WHERE at >= ? AND at < ? ORDER BY seq DESC"
_EVER = 1 << 62


def list_query(wanted: ConversationFilter) -> tuple[str, list[Any]]:
    """The statement and parameters for what `wanted` asks for."""
    conditions = _conditions(wanted)
    direction = "DESC" if wanted.newer is None else "ASC"
    parts, values = [], []
    for index, narrow in _sources(wanted):
        # The unary plus keeps the planner from any other index than the one that was chosen here.
        asked = [*narrow, *conditions]
        where = " AND ".join(text for text, _ in asked) or "1"
        parts.append(f"""SELECT * FROM (SELECT c.rowid AS row, c.started_at AS at, c.id AS id FROM conversations c
            INDEXED BY {index} WHERE {where} ORDER BY c.started_at {direction}, c.id {direction} LIMIT ?)""")  # noqa: S608
        values += [value for _, each in asked for value in each] + [wanted.limit]
    found = " UNION ".join(parts)
    statement = f"""
{_SHOWN} FROM (SELECT row FROM ({found}) ORDER BY at {direction}, id {direction} LIMIT ?) f
    JOIN conversations c ON c.rowid = f.row LEFT JOIN outcomes o ON o.conversation_id = c.id
    ORDER BY c.started_at DESC, c.id DESC"""  # noqa: S608 - only what is written here
    return statement, [*values, wanted.limit]


def _sources(wanted: ConversationFilter) -> list[_Source]:
    """The indexes to look in, each with the conditions that it is looked into with; most narrow first."""
    if wanted.anywhere:
        return [
            source
            for text in map(storable, wanted.anywhere)
            for source in (*_by_leg(text), *_by_number(text), _by_id(text), _by_shared_id(text))
        ]
    if wanted.sip_call_id is not None:
        return _by_leg(storable(wanted.sip_call_id))
    if wanted.shared_id is not None:
        return [_by_shared_id(storable(wanted.shared_id))]
    if wanted.number is not None:
        return _by_number(wanted.number)
    if wanted.up:
        return [("conversations_open", [])]
    ended = (wanted.reason, wanted.fault, wanted.handed_off, wanted.env, wanted.channel, wanted.up)
    if wanted.project is not None and ended == (None,) * len(ended):
        return [("conversations_by_project", [])]
    return [("conversations_by_start", [])]


def _by_leg(sip_call_id: str) -> list[_Source]:
    further = "c.id IN (SELECT conversation_id FROM further_legs WHERE sip_call_id = ?)"
    return [
        ("conversations_by_sip_call_id", [("c.sip_call_id = ?", (sip_call_id,))]),
        (_IDS, [(further, (sip_call_id,))]),
    ]


def _by_number(number: str) -> list[_Source]:
    return [(f"conversations_by_{side}", [(f"c.{side} = ?", (number,))]) for side in ("caller", "callee")]


def _by_shared_id(shared_id: str) -> _Source:
    return "conversations_by_shared_id", [("c.shared_id = ?", (shared_id,))]


def _by_id(conversation_id: str) -> _Source:
    return _IDS, [("c.id = ?", (conversation_id,))]


def _conditions(wanted: ConversationFilter) -> list[_Condition]:
    """All that is asked for, whatever index finds it."""
    asked: list[_Condition] = [
        (f"c.{name} = ?", (value,))
        for name, value in (
            ("account", wanted.account),
            ("project", wanted.project),
            ("env", wanted.env),
            ("channel", wanted.channel),
            ("reason", wanted.reason),
            ("handed_off", None if wanted.handed_off is None else int(wanted.handed_off)),
            ("shared_id", None if wanted.shared_id is None else storable(wanted.shared_id)),
        )
        if value is not None
    ]
    if wanted.number is not None:
        asked.append(("(c.caller = ? OR c.callee = ?)", (wanted.number, wanted.number)))
    if wanted.fault is not None:
        reasons = tuple(reason.value for reason, fault in FAULT_OF.items() if fault is wanted.fault)
        asked.append((f"c.reason IN ({', '.join('?' * len(reasons))})", reasons))
    if wanted.up is not None:
        asked.append(("c.closed IS NULL" if wanted.up else "c.reason IS NOT NULL", ()))
    if wanted.after is not None:
        asked.append(("c.started_at >= ?", (stamp(wanted.after),)))
    if wanted.before is not None:
        asked.append(("c.started_at < ?", (stamp(wanted.before),)))
    if wanted.older is not None:
        asked.append(_beyond("<", wanted.older))
    if wanted.newer is not None:
        asked.append(_beyond(">", wanted.newer))
    return asked


def _beyond(sign: str, place: Cursor) -> _Condition:
    """Older or newer than a place. In full: a comparison of pairs would read the id of every row."""
    at = stamp(place.at)
    return f"c.started_at {sign}= ? AND (c.started_at {sign} ? OR c.id {sign} ?)", (at, at, place.id)


class SqliteSearch:
    """The lists of the `ConversationStore` protocol."""

    _searcher: Reader

    async def conversations(self, wanted: ConversationFilter) -> Sequence[Conversation]:
        """Matching conversations, newest first, without their turns, receipts and ladders."""
        statement, parameters = list_query(wanted)
        rows = await self._searcher.read(
            lambda connection: connection.execute(statement, parameters).fetchall()
        )
        return [read_conversation(row) for row in rows]

    async def refusals(self, wanted: RefusalFilter | None = None) -> Sequence[RefusedCall]:
        """Matching refused calls, newest first."""
        wanted = wanted or RefusalFilter()
        after = 0 if wanted.after is None else stamp(wanted.after)
        before = _EVER if wanted.before is None else stamp(wanted.before)

        def query(connection: sqlite3.Connection) -> list[RefusedCall]:
            rows = connection.execute(_REFUSALS, (after, before))
            found = (msgspec.json.decode(document, type=RefusedCall) for (document,) in rows)
            matching = (one for one in found if is_refusal_wanted(one, wanted))
            return list(itertools.islice(matching, wanted.limit))

        return await self._searcher.read(query)
