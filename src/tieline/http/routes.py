"""Every route as one table: path, scope, shapes and statuses. OpenAPI, the reference page and the tests read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tieline.http import schemas

RESERVE_STATUSES = (400, 401, 403, 404, 409, 413, 415, 422, 500, 503)
HANDOFF_STATUSES = (400, 401, 403, 404, 500)

STATUS_MEANINGS: dict[int, str] = {
    200: "Done.",
    400: "The request is malformed.",
    401: "The API key is missing, wrong or expired.",
    403: "The API key may not do this, or belongs elsewhere.",
    404: "There is no such thing; for a reservation: no number is free, use your fall-back route.",
    409: "The thing is in a state that forbids this, or the same request is being carried out.",
    413: "The body or the attributes are too large.",
    415: "The body is not plain JSON in UTF-8.",
    422: "The `Idempotency-Key` was used with a different request.",
    500: "A defect of the server; its log has the correlation id.",
    503: "Not now; `Retry-After` says when.",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a route. `place` is `path`, `query` or `header`."""

    name: str
    place: str
    description: str
    kind: str = "string"

    def openapi(self) -> dict[str, Any]:
        """The parameter as OpenAPI has it."""
        return {
            "name": self.name,
            "in": self.place,
            "required": self.place == "path",
            "description": self.description,
            "schema": {"type": self.kind},
        }


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `name` is the operation id, `label` the metric label, `scope` the scope a key needs."""

    method: str
    path: str
    name: str
    label: str
    summary: str
    answer: type[BaseModel] | None
    error: type[BaseModel] | None = None
    statuses: tuple[int, ...] = ()
    scope: str | None = None
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | None = None
    bearer: bool = False


_RESERVATION = "/v1/conversations/dni-reservation"
_PROJECT = (
    Parameter("account_id", "path", "The account, by id (`ws-...`) or slug."),
    Parameter("project_id", "path", "The project, by id (`PROJECT-...`) or slug."),
)
_RESERVATION_ID = Parameter(
    "reservation_id", "path", "The reservation, as the answer to its making named it."
)

ROUTES: tuple[Route, ...] = (
    Route(
        "POST", _RESERVATION, "reserve_dni", "reserve",
        "Reserve a DNI for one caller, with attributes for the agent.",
        schemas.ReserveAnswer, schemas.DniError, RESERVE_STATUSES, "dni:reserve",
        (Parameter("Idempotency-Key", "header", "Makes a repeated request return the first one's reservation."),),
        body=schemas.ReserveBody,
    ),
    Route(
        "GET", _RESERVATION, "list_reservations", "reservation", "List the newest reservations of the key's project.",
        schemas.ReservationList, schemas.DniError, (400, 401, 403, 500, 503), "dni:reserve",
        (
            Parameter("pool", "query", "Only this pool's."),
            Parameter("limit", "query", "At most so many, 1 to 1000.", "integer"),
        ),
    ),
    Route(
        "GET", f"{_RESERVATION}/{{reservation_id}}", "get_reservation", "reservation",
        "Look at one reservation.",
        schemas.ReservationView, schemas.DniError, (400, 401, 403, 404, 500, 503), "dni:reserve", (_RESERVATION_ID,),
    ),
    Route(
        "DELETE", f"{_RESERVATION}/{{reservation_id}}", "release_reservation", "reservation",
        "Give a reservation up before its call arrives.",
        schemas.ReservationView, schemas.DniError, (400, 401, 403, 404, 409, 500, 503), "dni:reserve",
        (_RESERVATION_ID,),
    ),
    Route(
        "GET", "/v1/pools/{pool}/stats", "get_pool_stats", "pool_stats", "A pool's numbers by state, and its counters.",
        schemas.PoolStatsView, schemas.DniError, (400, 401, 403, 404, 500, 503), "dni:reserve",
        (Parameter("pool", "path", "The pool's name."),),
    ),
    Route(
        "GET", "/v1/{account_id}/{project_id}/handoff_state", "get_handoff_state", "handoff_state",
        "What the agent left at the handoff; at least one of `id` and `shared_id`, and `shared_id` wins.",
        schemas.HandoffStateAnswer, schemas.HandoffError, HANDOFF_STATUSES, "handoff:read",
        (
            *_PROJECT,
            Parameter("id", "query", "The conversation id."),
            Parameter("shared_id", "query", "The integrator's own id for the call."),
            Parameter("wait", "query", "Hold the answer up to so many seconds (at most 60) until the call ends.",
                      "number"),
        ),
    ),
    Route(
        "POST", "/handoff", "post_handoff", "handoff",
        "The same as Get Handoff, in the form that Five9 integrators use.",
        schemas.Five9Answer, schemas.HandoffError, (400, 401, 403, 404, 413, 415, 500), "handoff:read",
        body=schemas.Five9Body, bearer=True,
    ),
    Route(
        "GET", "/v1/{account_id}/{project_id}/conversations", "list_conversations", "conversations",
        "List a project's conversations, newest first.",
        schemas.ConversationList, schemas.HandoffError, HANDOFF_STATUSES, "conversations:read",
        (
            *_PROJECT,
            Parameter("shared_id", "query", "Only those with this shared id."),
            Parameter("number", "query", "Only those from or to this number."),
            Parameter("sip_call_id", "query", "Only the one with this SIP Call-ID, whichever leg it is of."),
            Parameter("before", "query", "Only those that began before this ISO 8601 time."),
            Parameter("limit", "query", "At most so many, 1 to 200.", "integer"),
        ),
    ),
    Route(
        "GET", "/v1/{account_id}/{project_id}/conversations/{conversation_id}", "get_conversation", "conversations",
        "One conversation: turns, routing decision, outcome and how it ended.",
        schemas.ConversationView, schemas.HandoffError, HANDOFF_STATUSES, "conversations:read",
        (*_PROJECT, Parameter("conversation_id", "path", "The conversation id.")),
    ),
    Route("GET", "/health/live", "live", "health", "Whether the server lives.", schemas.HealthAnswer),
    Route(
        "GET", "/health/ready", "ready", "health", "Whether the server should get work; 503 with reasons when not.",
        schemas.ReadyAnswer, schemas.ReadyAnswer, (503,),
    ),
    Route("GET", "/metrics", "metrics", "metrics", "All metrics in the Prometheus text format.", None),
)  # fmt: skip
"""All routes there are, besides `/openapi.json`."""
