"""The page of webhook events, written from the records of their payloads."""

from __future__ import annotations

import json
import types
import typing
from typing import Any

import msgspec

from tieline.model.record import Record
from tieline.model.webhook import EventType, WebhookEvent
from tieline.model.webhook_payloads import PAYLOADS
from tools.gen_docs import page
from tools.pages_operation import table

INTRO = """\
What is posted to [webhook endpoints](webhooks.md): a JSON object with the members below, and in `data` what the event's
type says. Further members may be added; a member that is there keeps its meaning. Times are UTC in ISO 8601."""
ENVELOPE = {
    "id": "What repeats are known by: the same for every attempt and every endpoint.",
    "type": "One of the types below.",
    "at": "When it happened.",
    "account": "The account's id.",
    "project": "The project's id; null for what concerns the whole account.",
    "subject": "What it is about: a call's conversation id where there is a call, else the reservation, pool, trunk or "
    "message. Events of one subject come in order.",
    "data": "What happened, by type.",
}
NAMES = {str: "text", int: "number", float: "number", bool: "true or false"}


@page("reference/webhook-events.md")
def webhook_events_page() -> str:
    """The envelope, and every type with its fields and JSON Schema."""
    assert set(ENVELOPE) == set(WebhookEvent.__struct_fields__)
    parts = ["# Webhook events", INTRO, "## The envelope"]
    parts.append(table(("member", "what it is"), [(f"`{name}`", about) for name, about in ENVELOPE.items()]))
    parts += [_example(), "## Types"]
    for type_ in EventType:
        parts.append(_section(type_))
    return "\n\n".join(parts)


def _section(type_: EventType) -> str:
    payload = PAYLOADS[type_]
    rows = []
    for info in msgspec.structs.fields(payload):
        kind, about = _described(info.type)
        rows.append((f"`{info.name}`", kind, about))
    schema = json.dumps(_schema(payload), indent=2)
    about = (payload.__doc__ or "").strip()
    return "\n\n".join(
        [f"### `{type_}`", about, table(("field", "type", "what it is"), rows), f"```json\n{schema}\n```"]
    )


def _described(hint: Any) -> tuple[str, str]:
    """A field's type in words, and its description."""
    about = ""
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extra = typing.get_args(hint)
        about = next((one.description for one in extra if isinstance(one, msgspec.Meta)), "") or ""
    given = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kinds = ["null" if one is type(None) else NAMES.get(one, "time" if "datetime" in str(one) else "word")
             for one in given]  # fmt: skip
    return " or ".join(kinds), about


def _schema(payload: type[Record]) -> dict[str, Any]:
    """The JSON Schema of a payload, without what only Python calls it."""
    (_,), found = msgspec.json.schema_components([payload], ref_template="#/$defs/{name}")
    own: dict[str, Any] = found.pop(payload.__name__)
    own.pop("title", None)
    own["description"] = " ".join(str(own.get("description", "")).split())
    if found:
        own["$defs"] = {
            name: {key: one[key] for key in one if key != "description"} for name, one in found.items()
        }
    return own


def _example() -> str:
    event = {
        "id": "evt_2f1c7a9b0d3e4f5a6b7c8d9e0f1a2b3c", "type": "handoff_state.changed",
        "at": "2027-01-31T12:00:07.250000Z", "account": "ws-northwind", "project": "PROJECT-desk",
        "subject": "6a7c7f0e-7d0c-4c53-9d0c-0f3a1d3f1f55",
        "data": {
            "conversation_id": "6a7c7f0e-7d0c-4c53-9d0c-0f3a1d3f1f55", "shared_id": "1234",
            "status": "ended_with_handoff", "destination": "billing", "method": "bye", "revision": 0,
        },
    }  # fmt: skip
    return f"```json\n{json.dumps(event, indent=2)}\n```"
