"""Test calls by text: talking to a project without a telephone."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from tieline.admin.test_calls import TestCallOrder, TestCallView
from tieline.gateway.studio_leg import TransferAnswer
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Shape
from tieline.model.environment import Environment

test_calls = Noun("operate")


class NewTestCall(Shape):
    """A call to place: `attributes` stand for those of a reservation, `headers` (name, value) for the INVITE's."""

    __test__ = False

    project: str
    env: Environment | None = None
    caller: Annotated[str, Meta(max_length=256)] = ""
    callee: Annotated[str, Meta(max_length=256)] = ""
    attributes: dict[str, Any] = {}
    headers: Annotated[tuple[tuple[str, str], ...], Meta(max_length=64)] = ()
    transfers: TransferAnswer = TransferAnswer.ACCEPT


class Line(Shape):
    """What the caller types."""

    text: str


class Keys(Shape):
    """The keys that the caller presses: 0 to 9, `*` and `#`."""

    digits: Annotated[str, Meta(max_length=128)]


@test_calls.post("/test-calls")
async def place_test_call(call: Call, body: NewTestCall) -> TestCallView:
    """Place a call by text."""
    order = TestCallOrder(
        project=body.project, env=body.env, caller=body.caller, callee=body.callee, attributes=body.attributes,
        headers=body.headers, transfers=body.transfers,
    )  # fmt: skip
    return await call.admin.test_calls.place_text(call.who, order)


@test_calls.get("/test-calls/{call_id}")
async def get_test_call(call: Call, call_id: str) -> TestCallView:
    """The call as it stands now, with its turns."""
    return await call.admin.test_calls.progress(call.who, call_id)


@test_calls.post("/test-calls/{call_id}/text")
async def type_in_test_call(call: Call, call_id: str, body: Line) -> None:
    """Type a line."""
    call.admin.test_calls.type_text(call.who, call_id, body.text)


@test_calls.post("/test-calls/{call_id}/keys")
async def press_in_test_call(call: Call, call_id: str, body: Keys) -> None:
    """Press keys."""
    call.admin.test_calls.press(call.who, call_id, body.digits)


@test_calls.delete("/test-calls/{call_id}")
async def hang_up_test_call(call: Call, call_id: str) -> None:
    """Hang up."""
    call.admin.test_calls.hang_up(call.who, call_id)
