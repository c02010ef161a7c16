"""Test calls: talking to a project from the studio, by microphone or by text, and watching the call."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tieline.admin.access import require
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.admin.resources import ResourceAdmin
from tieline.admin.trail import AuditTrail
from tieline.errors import InvalidInput, NotFound, TielineError
from tieline.gateway.calls import GatewayRequest
from tieline.gateway.dialog_text import MAX_HEADERS, check_headers
from tieline.gateway.studio_calls import StudioCall, StudioCalls, StudioCallState, are_keys
from tieline.gateway.studio_leg import TransferAnswer
from tieline.model import number as numbers
from tieline.model.audit import AuditChange
from tieline.model.conversation import Conversation
from tieline.model.environment import Environment
from tieline.model.handoff import HandoffPlan
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.receipt import Receipt
from tieline.model.record import Record
from tieline.model.trunk import Refusal, Trunk
from tieline.model.user import Right
from tieline.store.base import ConversationStore

CHANNEL_VOICE = "sip.polyai"
CHANNEL_TEXT = "webchat.polyai"
"""What `conv.channel_type` says: an agent is to take a test call for what it takes calls for."""

MAX_TEXT = 2000
"""Longest line that can be typed, in characters."""

MAX_ATTRIBUTES = 65536
"""Largest attributes, in bytes of JSON."""

DEFAULT_REMOTE = ("127.0.0.1", 0)


class TestCallOrder(Record):
    """What is wanted: `project` is a slug, `env` the project's own without one; `transfers` what a REFER is answered.

    `attributes` stand for those of a reservation, `headers` for those of the INVITE.
    """

    __test__ = False

    project: str
    env: str | None = None
    caller: str = ""
    callee: str = ""
    attributes: dict[str, Any] = {}
    headers: tuple[tuple[str, str], ...] = ()
    transfers: TransferAnswer = TransferAnswer.ACCEPT


class TestTurn(Record):
    """One turn of a test call; `state` is None without the right to personal data."""

    __test__ = False

    index: int
    channel: str
    user_input: str | None
    utterance: str
    functions: tuple[dict[str, Any], ...] = ()
    logs: tuple[dict[str, Any], ...] = ()
    state: dict[str, Any] | None = None


class TestCallView(Record):
    """A test call as it stands. `call_id` is that of its conversation, once there is one.

    `failure` says why it never became a call, `refusal` why it was not let in. `planned` are handoffs that were not
    carried out, because the call is by text.
    """

    __test__ = False

    id: str
    kind: str
    state: StudioCallState
    call_id: str | None
    project: str
    turns: tuple[TestTurn, ...] = ()
    refusal: Refusal | None = None
    failure: str = ""
    planned: tuple[HandoffPlan, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    termination: dict[str, Any] | None = None
    media: dict[str, Any] | None = None


class TestCallAdmin:
    """Everything needs `Right.OPERATE`, and a project that is theirs. `directory` finds a project by slug.

    A call is shown to whoever placed it, and to those with the right to personal data.
    """

    __test__ = False

    def __init__(
        self,
        resources: ResourceAdmin,
        store: ConversationStore,
        calls: StudioCalls,
        trunk: Trunk,
        trail: AuditTrail,
        find: Callable[[str], Project | None],
    ) -> None:
        self._resources = resources
        self._store = store
        self._calls = calls
        self._trunk = trunk
        self._trail = trail
        self._find = find

    async def projects(self, who: Principal) -> Sequence[Project]:
        """The projects that can be called."""
        require(who, Right.OPERATE)
        found = (await self._resources.resources(who)).projects
        return [one for one in found if not one.answer_only]

    async def place_voice(
        self, who: Principal, order: TestCallOrder, offer: str, remote: tuple[str, int] = DEFAULT_REMOTE
    ) -> tuple[TestCallView, str]:
        """A call by microphone: `offer` is the browser's SDP, the answer is ours. `remote` is where it comes from.

        Raises `InvalidFields`, `InvalidInput`, `NotFound`, and `Unavailable` at the limit of test calls.
        """
        request = self._read(who, order, CHANNEL_VOICE, remote)
        call, answer = await self._calls.place_voice(request, who.id, offer, order.transfers)
        await self._note(who, call, "voice")
        return await self._view(who, call), answer

    async def place_text(
        self, who: Principal, order: TestCallOrder, remote: tuple[str, int] = DEFAULT_REMOTE
    ) -> TestCallView:
        """A call by text. Raises as `place_voice`."""
        request = self._read(who, order, CHANNEL_TEXT, remote)
        call = self._calls.place_text(request, who.id)
        await self._note(who, call, "text")
        return await self._view(who, call)

    async def progress(self, who: Principal, call_id: str) -> TestCallView:
        """The call as it stands now. Raises `NotFound`."""
        return await self._view(who, self._theirs(who, call_id))

    def press(self, who: Principal, call_id: str, digits: str) -> None:
        """Press keys. Raises `NotFound`, and `InvalidInput` for what is no key."""
        call = self._theirs(who, call_id)
        if not are_keys(digits):
            raise InvalidInput("keys are 0 to 9, * and #")
        call.press(digits)

    def type_text(self, who: Principal, call_id: str, text: str) -> None:
        """Type a line. Raises `NotFound`, and `InvalidInput` for one that is too long."""
        call = self._theirs(who, call_id)
        if len(text) > MAX_TEXT:
            raise InvalidInput(f"a line has at most {MAX_TEXT} characters")
        call.type_text(text)

    def hang_up(self, who: Principal, call_id: str) -> None:
        """Hang up. Raises `NotFound`."""
        self._theirs(who, call_id).hang_up()

    def lose(self, who: Principal, call_id: str) -> None:
        """The page that placed it is gone: as `hang_up`, and the ladder says so."""
        self._theirs(who, call_id).lose()

    # -- inside -----------------------------------------------------------------------------------------------

    def _theirs(self, who: Principal, call_id: str) -> StudioCall:
        require(who, Right.OPERATE)
        call = self._calls.get(call_id)
        project = call.request.project
        own = call.placed_by == who.id or who.may(Right.PERSONAL_DATA)
        if not own or not who.may_see(project.account, project.id):
            raise NotFound("there is no such test call any more")
        return call

    def _read(
        self, who: Principal, order: TestCallOrder, channel: str, remote: tuple[str, int]
    ) -> GatewayRequest:
        """The order, checked. Raises `InvalidFields` with everything that is wrong."""
        require(who, Right.OPERATE)
        project = self._find(order.project)
        if project is None or not who.may_see(project.account, project.id):
            raise NotFound(f"there is no project {order.project}")
        faults = [*_number_faults(order, self._trunk.default_region), *_header_faults(order.headers)]
        if project.answer_only:
            faults.append(FieldFault("project", "it is answer-only: there is no agent to talk to"))
        if order.env is not None and order.env not in list(Environment):
            faults.append(FieldFault("env", f"one of {', '.join(Environment)}"))
        if len(json.dumps(order.attributes)) > MAX_ATTRIBUTES:
            faults.append(FieldFault("attributes", f"more than {MAX_ATTRIBUTES} bytes"))
        if faults:
            raise InvalidFields(tuple(faults))
        return GatewayRequest(
            trunk=self._trunk,
            project=project,
            channel=channel,
            why=f"placed in the studio by {who.name}",
            remote=remote,
            caller=order.caller.strip() or None,
            callee=order.callee.strip() or None,
            env=Environment(order.env) if order.env is not None else None,
            attributes=order.attributes,
            headers=tuple((name.strip(), value.strip()) for name, value in order.headers),
        )

    async def _note(self, who: Principal, call: StudioCall, kind: str) -> None:
        project = call.request.project
        env = (call.request.env or project.env).value
        changes = (
            AuditChange(field="kind", before=None, after=kind),
            AuditChange(field="env", before=None, after=env),
        )
        await self._trail.note(who, "place", "test_calls", project.slug, changes, account=project.account)

    async def _view(self, who: Principal, call: StudioCall) -> TestCallView:
        conversation = None if call.call_id is None else await self._store.conversation(call.call_id)
        view = TestCallView(
            id=call.id,
            kind="voice" if call.request.channel == CHANNEL_VOICE else "text",
            state=call.state,
            call_id=call.call_id,
            project=call.request.project.slug,
            refusal=call.refusal,
            failure=call.failure,
            planned=call.planned,
        )
        return view if conversation is None else _with(view, conversation, who.may(Right.PERSONAL_DATA))


def _with(view: TestCallView, conversation: Conversation, with_state: bool) -> TestCallView:
    """The view with what is stored of the call."""
    closed = conversation.closed
    turns = [
        TestTurn(
            index=turn.index,
            channel=turn.channel,
            user_input=turn.user_input,
            utterance=turn.utterance,
            functions=turn.function_runs,
            logs=turn.logs if with_state else (),
            state=msgspec.json.decode(turn.state_json) if with_state else None,
        )
        for turn in conversation.turns
    ]
    return msgspec.structs.replace(
        view,
        turns=tuple(turns),
        receipts=conversation.receipts,
        termination=None if closed is None else msgspec.to_builtins(closed.termination),
        media=None if closed is None else closed.media,
    )


def read_attributes(text: str) -> dict[str, Any]:
    """Attributes as typed: a JSON object, or nothing. Raises `InvalidFields` with where it is wrong."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidFields((FieldFault("attributes", f"no JSON: {error.msg} ({where})"),)) from None
    except RecursionError:
        raise InvalidFields((FieldFault("attributes", "nested too deeply"),)) from None
    if not isinstance(found, dict):
        raise InvalidFields((FieldFault("attributes", 'a JSON object, such as {"shared_id": "s-1"}'),))
    return found


def _number_faults(order: TestCallOrder, region: str | None) -> list[FieldFault]:
    faults = []
    if order.caller.strip() and numbers.caller(order.caller.strip(), region) is None:
        faults.append(FieldFault("caller", "no number, such as +15550100001"))
    if order.callee.strip() and numbers.dialled(order.callee.strip(), region) is None:
        faults.append(FieldFault("callee", "neither a number nor an extension"))
    return faults


def _header_faults(headers: Sequence[tuple[str, str]]) -> list[FieldFault]:
    faults = []
    if len(headers) > MAX_HEADERS:
        faults.append(FieldFault("headers", f"more than {MAX_HEADERS}"))
    for number, (name, value) in enumerate(headers):
        try:
            check_headers(((name.strip(), value.strip()),))
        except TielineError as error:
            faults.append(FieldFault(f"headers[{number}]", error.message))
    return faults
