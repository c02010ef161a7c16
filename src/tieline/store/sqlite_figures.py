"""Figures by the hour in SQLite: counted in the transactions that close calls, read by dashboards."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from tieline.model.conversation import ConversationClosed, ConversationOpened, RefusedCall
from tieline.model.receipt import Receipt
from tieline.store.figures import (
    KEPT_FIGURES,
    CallFigure,
    FigureFilter,
    Figures,
    HandoffFigure,
    RefusalFigure,
    counts_of,
    hour_of,
    read_hour,
    results_of,
)
from tieline.store.records import storable
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_writer import Writer

_COUNT_CALL = """
INSERT INTO call_figures (hour, account, project, reason, handed_off, calls, answered, talk_s, answer_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hour, account, project, reason, handed_off) DO UPDATE SET
    calls = calls + excluded.calls, answered = answered + excluded.answered,
    talk_s = talk_s + excluded.talk_s, answer_ms = answer_ms + excluded.answer_ms"""
_COUNT_HANDOFF = """
INSERT INTO handoff_figures (hour, account, project, method, result, rungs) VALUES (?, ?, ?, ?, ?, 1)
    ON CONFLICT (hour, account, project, method, result) DO UPDATE SET rungs = rungs + 1"""
_COUNT_REFUSAL = """
INSERT INTO refusal_figures (hour, trunk, reason, calls) VALUES (?, ?, ?, ?)
    ON CONFLICT (hour, trunk, reason) DO UPDATE SET calls = calls + excluded.calls"""
_WITHIN = "hour >= :first AND hour < :end"
_OF = "(:account IS NULL OR account = :account) AND (:project IS NULL OR project = :project)"
_CALLS = f"""
SELECT hour - hour % :step AS at, account, project, reason, handed_off,
    sum(calls), sum(answered), sum(talk_s), sum(answer_ms)
    FROM call_figures WHERE {_WITHIN} AND {_OF} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""  # noqa: S608
_HANDOFFS = f"""
SELECT hour - hour % :step AS at, account, project, method, result, sum(rungs)
    FROM handoff_figures WHERE {_WITHIN} AND {_OF} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""  # noqa: S608
_REFUSALS = f"""
SELECT hour - hour % :step AS at, trunk, reason, sum(calls)
    FROM refusal_figures WHERE {_WITHIN} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""  # noqa: S608
_FORGET = (
    "DELETE FROM call_figures WHERE hour < ?",
    "DELETE FROM handoff_figures WHERE hour < ?",
    "DELETE FROM refusal_figures WHERE hour < ?",
)


def count_call(
    connection: sqlite3.Connection,
    opened: ConversationOpened,
    closed: ConversationClosed,
    *,
    handed_off: bool,
) -> None:
    """A call has ended."""
    key = (hour_of(opened.started_at), opened.account, opened.project, closed.termination.reason.value)
    connection.execute(_COUNT_CALL, (*key, handed_off, *counts_of(opened, closed)))


def count_handoff(connection: sqlite3.Connection, opened: ConversationOpened, receipt: Receipt) -> None:
    """One of its handoffs."""
    key = (hour_of(opened.started_at), opened.account, opened.project)
    for method, result in results_of(receipt):
        connection.execute(_COUNT_HANDOFF, (*key, method.value, result))


def count_refusal(connection: sqlite3.Connection, refused: RefusedCall) -> None:
    """A call was refused, or several alike."""
    trunk = storable(refused.trunk or "")
    values = (hour_of(refused.at), trunk, refused.refusal.reason.value, refused.count)
    connection.execute(_COUNT_REFUSAL, values)


class SqliteFigures:
    """The `FigureStore` protocol."""

    _writer: Writer
    _searcher: Reader

    async def figures(self, wanted: FigureFilter) -> Figures:
        """What was counted in the hours from `after` until before `before`."""
        values: dict[str, Any] = {
            "first": hour_of(wanted.after),
            "end": hour_of(wanted.before) + bool(wanted.before > read_hour(hour_of(wanted.before))),
            "step": wanted.step_h,
            "account": wanted.account,
            "project": wanted.project,
        }

        def query(connection: sqlite3.Connection) -> Figures:
            calls, handoffs, refusals = (
                connection.execute(statement, values).fetchall()
                for statement in (_CALLS, _HANDOFFS, _REFUSALS)
            )
            return Figures(
                calls=tuple(_call_figure(row) for row in calls),
                handoffs=tuple(_handoff_figure(row) for row in handoffs),
                refusals=tuple(
                    RefusalFigure(at=read_hour(row[0]), trunk=row[1] or None, reason=row[2], calls=row[3])
                    for row in refusals
                    if wanted.trunks is None or (row[1] or None) in wanted.trunks
                ),
            )

        return await self._searcher.read(query)

    async def _forget_figures(self, before: datetime) -> None:
        """Delete figures that are older than `before`, and than they are kept at least."""
        hour = hour_of(before - KEPT_FIGURES)

        def job(connection: sqlite3.Connection) -> None:
            for statement in _FORGET:
                connection.execute(statement, (hour,))

        await self._writer.submit(job)


def _call_figure(row: Any) -> CallFigure:
    return CallFigure(
        at=read_hour(row[0]),
        account=row[1],
        project=row[2],
        reason=row[3],
        handed_off=bool(row[4]),
        calls=row[5],
        answered=row[6],
        talk_s=row[7],
        answer_ms=row[8],
    )


def _handoff_figure(row: Any) -> HandoffFigure:
    return HandoffFigure(
        at=read_hour(row[0]), account=row[1], project=row[2], method=row[3], result=row[4], rungs=row[5]
    )
