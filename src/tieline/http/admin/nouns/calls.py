"""Calls: those that are up, those that were, and those that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from tieline.admin.calls import CallPage, CallView, RefusalView
from tieline.calls.live import LiveCall
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Before, Filter, Limit, Moment
from tieline.model.call import TerminationReason
from tieline.model.trunk import RefusalReason
from tieline.store.base import ConversationFilter, Cursor, RefusalFilter

calls = Noun("operate")


class CallsQuery(Filter):
    """Which calls to list."""

    q: Annotated[str, Meta(description="Conversation id, number, shared id or SIP Call-ID, whole.")] = ""
    project: Annotated[str | None, Meta(description="Only those of this project, by id.")] = None
    reason: Annotated[
        TerminationReason | None, Meta(description="Only those that ended for this reason.")
    ] = None
    after: Annotated[Moment | None, Meta(description="Only those from this ISO 8601 time on.")] = None
    before: Before = None
    older_at: Annotated[
        Moment | None,
        Meta(description="With `older_id`: go on behind this place, as `older` of an answer names it."),
    ] = None
    older_id: Annotated[str | None, Meta(description="See `older_at`.")] = None
    limit: Limit = 50


class ExportQuery(Filter):
    """What of a call is taken out."""

    personal_data: Annotated[bool, Meta(description="`true`: with personal data.")] = False


class RefusedQuery(Filter):
    """Which refused calls to list."""

    reason: Annotated[RefusalReason | None, Meta(description="Only those refused for this reason.")] = None
    source: Annotated[str | None, Meta(description="Only from this address.")] = None
    before: Before = None
    limit: Limit = 100


@calls.get("/live")
async def list_live(call: Call) -> Sequence[LiveCall]:
    """Calls that are up, oldest first."""
    return call.admin.calls.live(call.who)


@calls.get("/calls")
async def list_calls(call: Call, query: CallsQuery) -> CallPage:
    """Calls, newest first; 200 at most."""
    older = None
    if query.older_at is not None and query.older_id is not None:
        older = Cursor(at=query.older_at, id=query.older_id)
    wanted = ConversationFilter(
        project=query.project, reason=query.reason, after=query.after, before=query.before, older=older,
        limit=min(query.limit, 200),
    )  # fmt: skip
    return await call.admin.calls.list(call.who, wanted, query.q)


@calls.get("/calls/{call_id}")
async def get_call(call: Call, call_id: str) -> CallView:
    """One call, whole; without personal data unless the key may have them."""
    return await call.admin.calls.call(call.who, call_id)


@calls.post("/calls/{call_id}/hang_up")
async def hang_up_call(call: Call, call_id: str) -> None:
    """End a call that is up."""
    await call.admin.calls.hang_up(call.who, call_id)


@calls.get("/calls/{call_id}/export", media_type="application/zip")
async def export_call(call: Call, call_id: str, query: ExportQuery) -> bytes:
    """A call as a zip file: JSON and a capture."""
    return await call.admin.calls.export(call.who, call_id, personal=query.personal_data)


@calls.get("/refused")
async def list_refused(call: Call, query: RefusedQuery) -> Sequence[RefusalView]:
    """Refused calls with the rules that failed, newest first."""
    wanted = RefusalFilter(reason=query.reason, source=query.source, before=query.before, limit=query.limit)
    return await call.admin.calls.refused(call.who, wanted)
