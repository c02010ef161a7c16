"""Conversations, read back: a list, and one with its turns, its outcome and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tieline.errors import InvalidInput
from tieline.http.auth import authenticate, key_from_headers, require_scope, resolve_project
from tieline.http.errors import HttpError
from tieline.http.exchange import json_response
from tieline.http.query import read_limit, read_time
from tieline.http.services import Services
from tieline.model.conversation import Conversation, OutcomeStatus
from tieline.model.project import Account, Project, Scope
from tieline.store.base import ConversationFilter

MAX_LISTED = 200


class ConversationRoutes:
    """The handlers under `/v1/{account_id}/{project_id}/conversations`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def several(self, request: Request) -> Response:
        """`GET ...?shared_id=&number=&sip_call_id=&before=&limit=`, newest first."""
        account, project = self._caller(request)
        query = request.query_params
        wanted = ConversationFilter(
            account=account.id,
            project=project.id,
            number=query.get("number") or None,
            shared_id=query.get("shared_id") or None,
            sip_call_id=query.get("sip_call_id") or None,
            before=_time(query.get("before")),
            limit=read_limit(query.get("limit"), 50, MAX_LISTED),
        )
        found = await self._services.conversations.conversations(wanted)
        return json_response({"conversations": [conversation_summary(one) for one in found]})

    async def one(self, request: Request) -> Response:
        """`GET .../{conversation_id}`."""
        account, project = self._caller(request)
        found = await self._services.conversations.conversation(request.path_params["conversation_id"])
        if found is None or (found.opened.account, found.opened.project) != (account.id, project.id):
            raise HttpError(404, "unknown", "the project has no such conversation")
        return json_response(conversation_view(found))

    def _caller(self, request: Request) -> tuple[Account, Project]:
        services = self._services
        headers = dict(request.scope["headers"])
        key = authenticate(services.directory, key_from_headers(headers), services.clock, services.uses)
        require_scope(key, Scope.CONVERSATIONS_READ)
        return resolve_project(
            services.directory, key, request.path_params["account_id"], request.path_params["project_id"]
        )


def conversation_status(conversation: Conversation) -> OutcomeStatus:
    """Which of Get Handoff's cases the conversation is."""
    outcome = conversation.outcome
    if outcome is not None and outcome.handed_off:
        return OutcomeStatus.ENDED_WITH_HANDOFF
    if outcome is not None or conversation.closed is not None:
        return OutcomeStatus.ENDED_WITHOUT_HANDOFF
    return OutcomeStatus.IN_PROGRESS


def conversation_summary(conversation: Conversation) -> dict[str, Any]:
    """The conversation as an item of a list."""
    opened, closed = conversation.opened, conversation.closed
    outcome = conversation.outcome
    return {
        "id": opened.id,
        "shared_id": outcome.shared_id if outcome is not None and outcome.shared_id else opened.shared_id,
        "env": opened.env,
        "channel_type": opened.channel_type,
        "state": conversation.state,
        "started_at": opened.started_at,
        "answered_at": closed.answered_at if closed is not None else None,
        "ended_at": closed.ended_at if closed is not None else None,
        "caller_number": opened.caller_number,
        "callee_number": opened.callee_number,
        "sip_call_id": opened.sip_call_id,
        "reservation_id": opened.reservation_id,
        "late": opened.late,
        "status": conversation_status(conversation),
        "termination": msgspec.to_builtins(closed.termination) if closed is not None else None,
    }


def conversation_view(conversation: Conversation) -> dict[str, Any]:
    """The conversation, whole."""
    opened, outcome = conversation.opened, conversation.outcome
    receipts = [msgspec.to_builtins(receipt) for receipt in conversation.receipts]
    return {
        **conversation_summary(conversation),
        "attributes": msgspec.Raw(opened.attributes_json.encode()),
        "sip_headers": opened.sip_headers,
        "rules": opened.rules,
        "context": list(opened.whole_context()),
        "turns": [
            {
                "at": turn.at,
                "channel": turn.channel,
                "user_input": turn.user_input,
                "utterance": turn.utterance,
                "functions": turn.function_runs,
            }
            for turn in conversation.turns
        ],
        "handoff": outcome.handoff if outcome is not None else None,
        "receipt": receipts[-1] if receipts else None,
        "receipts": receipts,
        "further_sip_call_ids": conversation.further_call_ids,
        "media": conversation.closed.media if conversation.closed is not None else None,
        "data": outcome.data if outcome is not None else None,
    }


def _time(given: str | None) -> datetime | None:
    if given is None or not given:
        return None
    time = read_time(given)
    if time is None or time.tzinfo is None:
        raise InvalidInput("`before` must be an ISO 8601 time with its zone, like 2026-01-31T12:00:00Z")
    return time
