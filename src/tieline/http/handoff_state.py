"""Get Handoff: what the agent left for whoever takes the caller.

Four cases: unknown id (404 `unknown`), call still up (404 `in_progress`), ended without a handoff (200,
`status: ended_without_handoff`) and ended with one (200, `status: ended_with_handoff`).
"""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from tieline.calls.outcomes import handoff_answer
from tieline.errors import InvalidInput
from tieline.http.auth import authenticate, key_from_headers, require_scope, resolve_project
from tieline.http.errors import HttpError
from tieline.http.exchange import check_json_type, json_response, read_body
from tieline.http.json_input import parse_json
from tieline.http.services import Services
from tieline.model.conversation import OutcomeStatus
from tieline.model.project import ApiKey, Scope
from tieline.store.base import HandoffLookup

MAX_ID = 256
MAX_BODY = 65536


class GetHandoff:
    """The two handlers: the published GET, and the POST that Five9 integrators copy."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def by_query(self, request: Request) -> Response:
        """`GET /v1/{account_id}/{project_id}/handoff_state?id=|shared_id=[&wait=]`."""
        services = self._services
        headers = dict(request.scope["headers"])
        key = authenticate(services.directory, key_from_headers(headers), services.clock, services.uses)
        require_scope(key, Scope.HANDOFF_READ)
        account, project = resolve_project(
            services.directory, key, request.path_params["account_id"], request.path_params["project_id"]
        )
        shared_id = _id(request.query_params.get("shared_id"), "shared_id")
        conversation_id = _id(request.query_params.get("id"), "id")
        if shared_id is None and conversation_id is None:
            raise HttpError(400, "missing_id", "either `id` or `shared_id` is needed")
        found = await services.outcomes.lookup(
            account.id,
            project.id,
            conversation_id=None if shared_id is not None else conversation_id,
            shared_id=shared_id,
            wait_s=wait_seconds(request.query_params.get("wait"), services.settings.http.max_wait_s),
        )
        return self._answer(found, five9=False)

    async def by_body(self, request: Request) -> Response:
        """`POST /handoff` with `{"shared_id"}` and the key as `Authorization: Bearer`."""
        services = self._services
        headers = dict(request.scope["headers"])
        key = authenticate(
            services.directory, key_from_headers(headers, bearer=True), services.clock, services.uses
        )
        require_scope(key, Scope.HANDOFF_READ)
        check_json_type(headers)
        fields = parse_json(await read_body(headers, request.receive, MAX_BODY))
        if type(fields) is not dict or not isinstance(fields.get("shared_id"), str):
            raise InvalidInput("the body must be a JSON object with a `shared_id`")
        shared_id = _id(fields["shared_id"], "shared_id")
        if shared_id is None:
            raise InvalidInput("`shared_id` is empty")
        return self._answer(await self._find(key, shared_id), five9=True)

    async def _find(self, key: ApiKey, shared_id: str) -> HandoffLookup:
        """The outcome in the key's project, or in the first of the account's projects that knows the id."""
        services = self._services
        found = HandoffLookup(status=OutcomeStatus.UNKNOWN)
        for project in services.directory.projects():
            if project.account == key.account and key.project in {None, project.id}:
                found = await services.outcomes.lookup(key.account, project.id, shared_id=shared_id)
                if found.status is not OutcomeStatus.UNKNOWN:
                    break
        return found

    def _answer(self, found: HandoffLookup, *, five9: bool) -> Response:
        self._services.metrics.inc("tieline_handoff_lookups_total", found.status)
        if found.status is OutcomeStatus.UNKNOWN:
            raise HttpError(404, "unknown", "no matching handoff state: the id is unknown")
        if found.status is OutcomeStatus.IN_PROGRESS:
            raise HttpError(
                404,
                "in_progress",
                "no matching handoff state: the call is still up",
                ((b"retry-after", b"1"),),
            )
        return json_response(handoff_answer(found, five9=five9))


def wait_seconds(given: str | None, longest: float) -> float:
    """The value of `?wait=`. Raises `HttpError` 400 when it is no number of seconds from 0 to `longest`."""
    if given is None or not given:
        return 0.0
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= longest:
        raise HttpError(400, "bad_wait", f"`wait` must be a number of seconds from 0 to {longest:g}")
    return seconds


def _id(value: str | None, name: str) -> str | None:
    if value is None or not value:
        return None
    if len(value) > MAX_ID or not value.isprintable():
        raise HttpError(400, f"bad_{name}", f"`{name}` must be at most {MAX_ID} printable characters")
    return value
