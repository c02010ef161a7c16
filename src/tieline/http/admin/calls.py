"""Calls: those that are up, those that were, and those that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tieline.admin.calls import CallPage, CallView
from tieline.calls.live import LiveCall
from tieline.http.admin.table import BEFORE, LIMIT, PREFIX, AdminRoute, Asked, Done, Parameter
from tieline.model.call import TerminationReason
from tieline.model.trunk import RefusalReason
from tieline.store.base import ConversationFilter, Cursor, RefusalFilter


@dataclass(frozen=True, slots=True)
class LiveList:
    """Calls that are up."""

    items: Sequence[LiveCall]


@dataclass(frozen=True, slots=True)
class RefusalList:
    """Refused calls, newest first, each with what to do about it."""

    items: Sequence[Any]


async def _live(asked: Asked) -> LiveList:
    return LiveList(asked.admin.calls.live(asked.who))


async def _list(asked: Asked) -> CallPage:
    at, older = asked.time("older_at"), asked.text("older_id")
    wanted = ConversationFilter(
        project=asked.text("project"),
        reason=asked.word("reason", TerminationReason),
        after=asked.time("after"),
        before=asked.time("before"),
        older=Cursor(at=at, id=older) if at is not None and older is not None else None,
        limit=min(asked.limit(50), 200),
    )
    return await asked.admin.calls.list(asked.who, wanted, asked.text("q") or "")


async def _get(asked: Asked) -> CallView:
    return await asked.admin.calls.call(asked.who, asked.path["call_id"])


async def _hang_up(asked: Asked) -> Done:
    await asked.admin.calls.hang_up(asked.who, asked.path["call_id"])
    return Done()


async def _export(asked: Asked) -> bytes:
    return await asked.admin.calls.export(
        asked.who, asked.path["call_id"], personal=asked.flag("personal_data")
    )


async def _refused(asked: Asked) -> RefusalList:
    wanted = RefusalFilter(
        reason=asked.word("reason", RefusalReason), source=asked.text("source"), before=asked.time("before"),
        limit=asked.limit(),
    )  # fmt: skip
    return RefusalList(await asked.admin.calls.refused(asked.who, wanted))


_CALLS = f"{PREFIX}/calls"
_ONE = f"{_CALLS}/{{call_id}}"

ROUTES = (
    AdminRoute("GET", f"{PREFIX}/live", "list_live", "Calls that are up, oldest first.", _live, "look", LiveList),
    AdminRoute("GET", _CALLS, "list_calls", "Calls, newest first.", _list, "look", CallPage, (
        Parameter("q", "Conversation id, number, shared id or SIP Call-ID, whole."),
        Parameter("project", "Only those of this project, by id."),
        Parameter("reason", "Only those that ended for this reason."),
        Parameter("after", "Only those from this ISO 8601 time on."), BEFORE,
        Parameter("older_at", "With `older_id`: go on behind this place, as `older` of an answer names it."),
        Parameter("older_id", "See `older_at`."), LIMIT,
    )),
    AdminRoute("GET", _ONE, "get_call", "One call, whole; without personal data unless the key may have them.", _get,
               "look", CallView),
    AdminRoute("POST", f"{_ONE}/hang_up", "hang_up_call", "End a call that is up.", _hang_up, "operate", Done),
    AdminRoute("GET", f"{_ONE}/export", "export_call", "A call as a zip file: JSON and a capture.", _export, "look",
               bytes, (Parameter("personal_data", "`true`: with personal data.", "boolean"),),
               media_type="application/zip"),
    AdminRoute("GET", f"{PREFIX}/refused", "list_refused", "Refused calls with the rules that failed.", _refused,
               "look", RefusalList, (
        Parameter("reason", "Only those refused for this reason."), Parameter("source", "Only from this address."),
        BEFORE, LIMIT,
    )),
)  # fmt: skip
