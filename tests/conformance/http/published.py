"""What the two published OpenAPI documents promise, as facts: the floor under our own document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One published operation: every listed thing must hold for us, and we may add to it."""

    method: str
    path: str
    statuses: frozenset[int]
    answer: dict[str, str]
    answer_required: frozenset[str]
    error: dict[str, str]
    body: dict[str, str]
    body_required: frozenset[str]
    parameters: frozenset[tuple[str, str, bool]]


PUBLISHED = (
    Operation(
        method="post",
        path="/v1/conversations/dni-reservation",
        statuses=frozenset({200, 400, 401, 404, 500}),
        answer={"dni": "string"},
        answer_required=frozenset(),
        error={"success": "boolean", "error": "string", "message": "string"},
        body={"attributes": "object"},
        body_required=frozenset({"attributes"}),
        parameters=frozenset(),
    ),
    Operation(
        method="get",
        path="/v1/{account_id}/{project_id}/handoff_state",
        statuses=frozenset({200, 400, 401, 403, 404, 500}),
        answer={"id": "string", "shared_id": "string", "data": "object"},
        answer_required=frozenset({"id", "data"}),
        error={"error_message": "string"},
        body={},
        body_required=frozenset(),
        parameters=frozenset(
            {
                ("account_id", "path", True),
                ("project_id", "path", True),
                ("id", "query", False),
                ("shared_id", "query", False),
            }
        ),
    ),
)
KEY_SCHEME = {"type": "apiKey", "in": "header", "name": "x-api-key"}
