"""Test calls: who may place one, what is checked, what is shown, and what the audit log says."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from tests.unit.admin.office import BUILDER, LOOKER, STRANGER, Office, somebody
from tests.unit.gateway.gateway_parts import HOST, TRUNK
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.test_calls import TestCallAdmin, TestCallOrder, read_attributes
from tieline.calls.directory import Directory
from tieline.errors import InvalidInput, NotFound
from tieline.gateway.calls import GatewayCalls
from tieline.gateway.ice_place import IcePlace
from tieline.gateway.studio_calls import StudioCalls, StudioCallState
from tieline.model.user import Role
from tieline.store.people import AuditFilter
from tieline.testing.calls import Switchboard
from tieline.testing.virtual_time import run_virtual, settle

OTHER = msgspec.structs.replace(somebody(Role.BUILDER), id="other")
SEER = msgspec.structs.replace(somebody(Role.BUILDER, personal_data=True), id="seer")


class Desk:
    """Test calls on a switchboard, with an office's resources."""

    def __init__(self, office: Office, directory: Directory) -> None:
        self.office = office
        self.board = Switchboard(resources=directory.resources)
        calls = GatewayCalls(self.board.registry, self.board.legs, HOST)
        self.calls = StudioCalls(calls, 3, lambda: IcePlace((HOST,)))
        self.admin = TestCallAdmin(
            office.resources, self.board.store, self.calls, TRUNK, office.trail, directory.project
        )


def on_desk(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time, with a desk whose calls are all over at its end."""

    @functools.wraps(story)
    def test(**given: Any) -> None:
        async def whole() -> None:
            office = Office()
            resources = await office.apply()
            projects = tuple(
                msgspec.structs.replace(one, answer_only=one.slug == "quiet") for one in resources.projects
            )
            desk = Desk(office, Directory(msgspec.structs.replace(resources, projects=projects)))
            await desk.board.start()
            await story(desk, **given)
            await desk.calls.close()
            await desk.board.idle()

        run_virtual(whole())

    signature = inspect.signature(story)
    test.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[one for name, one in signature.parameters.items() if name != "desk"]
    )
    return test


def order(**fields: Any) -> TestCallOrder:
    """A call to the project desk."""
    return TestCallOrder(**{"project": "desk", **fields})


@on_desk
async def test_an_operator_talks_by_text_and_sees_the_call(desk: Desk) -> None:
    operator = somebody(Role.OPERATOR)
    view = await desk.admin.place_text(
        operator,
        order(
            env="live", caller="+15550109999", callee="100", attributes={"shared_id": "s-1"},
            headers=(("X-Tier", " gold "),),
        ),
    )  # fmt: skip
    assert (view.kind, view.project, view.state) == ("text", "desk", StudioCallState.CONNECTING)
    await desk.board.until("ran start")
    await settle()
    view = await desk.admin.progress(operator, view.id)
    assert view.state is StudioCallState.TALKING
    assert [(turn.channel, turn.utterance, turn.state) for turn in view.turns] == [
        ("start", "Welcome.", None)
    ]
    seen = await desk.admin.progress(SEER, view.id)
    assert seen.turns[0].state == {}
    snapshot = desk.board.agent.runs[0].conversation
    assert (snapshot.env, snapshot.channel_type) == ("live", "webchat.polyai")
    assert snapshot.integration_attributes == {"shared_id": "s-1"}
    assert snapshot.sip_headers["X-Tier"] == "gold"
    assert snapshot.caller_number == "+15550109999"
    desk.admin.press(operator, view.id, "1")
    desk.admin.type_text(operator, view.id, "hello")
    await desk.board.until("ran end")
    await desk.board.idle()
    view = await desk.admin.progress(operator, view.id)
    assert view.state is StudioCallState.ENDED
    assert view.termination is not None
    assert view.termination["reason"] == "agent_hung_up"
    (entry,) = await desk.office.store.audit(AuditFilter())
    assert (entry.action, entry.kind, entry.name) == ("place", "test_calls", "desk")
    assert [(change.field, change.after) for change in entry.changes] == [("kind", "text"), ("env", "live")]


@on_desk
async def test_a_call_is_nobody_elses(desk: Desk) -> None:
    view = await desk.admin.place_text(BUILDER, order())
    for stranger in (OTHER, msgspec.structs.replace(STRANGER, id="u")):
        with pytest.raises(NotFound):
            await desk.admin.progress(stranger, view.id)
        with pytest.raises(NotFound):
            desk.admin.hang_up(stranger, view.id)
    with pytest.raises(Forbidden):
        await desk.admin.progress(LOOKER, view.id)
    assert (await desk.admin.progress(SEER, view.id)).id == view.id
    desk.admin.lose(BUILDER, view.id)


@on_desk
async def test_who_may_not_operate_may_not_call(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        await desk.admin.place_text(LOOKER, order())
    with pytest.raises(Forbidden):
        await desk.admin.projects(LOOKER)
    for project in ("theirs", "none"):
        with pytest.raises(NotFound):
            await desk.admin.place_text(BUILDER, order(project=project))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"env": "production"}, "env"),
        ({"caller": "nobody at all"}, "caller"),
        ({"callee": "(((("}, "callee"),
        ({"headers": (("X-A", "ok"), ("X-B", "a\r\nX-C: b"))}, "headers[1]"),
        ({"headers": (("", "x"),)}, "headers[0]"),
        ({"headers": (("Contact", "x"),)}, "headers[0]"),
        ({"headers": tuple((f"X-{n}", "x") for n in range(70))}, "headers"),
        ({"attributes": {"text": "x" * 70000}}, "attributes"),
    ],
)
@on_desk
async def test_what_is_wrong_is_said_field_by_field(desk: Desk, fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidFields) as raised:
        await desk.admin.place_text(BUILDER, order(**fields))
    assert [one.field for one in raised.value.faults] == [fault]
    assert desk.calls.up == ()


@on_desk
async def test_keys_and_lines_are_checked(desk: Desk) -> None:
    view = await desk.admin.place_text(BUILDER, order())
    for keys in ("", "hello"):
        with pytest.raises(InvalidInput):
            desk.admin.press(BUILDER, view.id, keys)
    with pytest.raises(InvalidInput):
        desk.admin.type_text(BUILDER, view.id, "x" * 3000)
    desk.admin.hang_up(BUILDER, view.id)


def test_attributes_are_an_object_or_it_is_said_where_they_are_not() -> None:
    assert read_attributes(" ") == {}
    assert read_attributes('{"a": [1]}') == {"a": [1]}
    for text, why in (("{", "line 1"), ("[1]", "JSON object"), ("[" * 100_000, "deeply")):
        with pytest.raises(InvalidFields, match=why):
            read_attributes(text)
