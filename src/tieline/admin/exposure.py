"""Handoff API: what Get Handoff shows of a project's conversations, tried on a real one before it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieline.admin.access import require
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.admin.recent import RecentStates, kind_of, state_of
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.calls.outcomes import handoff_answer
from tieline.errors import NotFound
from tieline.handoff.exposure import DEFAULT_KEYS, expose, shared_id_of
from tieline.model.conversation import Conversation, OutcomeStatus
from tieline.model.handoff import HandoffApi, HandoffMethod, HandoffPlan, HandoffState
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.user import Right
from tieline.resources.plan import Plan
from tieline.store.base import ConversationFilter, ConversationStore, HandoffLookup

MOST_RECENT = 20
"""How many conversations there are to choose from."""


class RecentConversation(Record):
    """A conversation to try a draft on; `caller` is None without `Right.PERSONAL_DATA`."""

    id: str
    started_at: datetime
    status: OutcomeStatus
    caller: str | None


class ExposurePreview(Record):
    """What Get Handoff answers `now`, what it would answer with the `draft`, and every key of the state.

    Without `Right.PERSONAL_DATA` kinds of values stand in for the values, and `with_values` is False. `now` is None
    while the call is up; `drafted` is made of the state as it is so far then.
    """

    status: OutcomeStatus
    with_values: bool
    now: dict[str, Any] | None
    drafted: dict[str, Any]
    state: dict[str, Any]


class ExposureAdmin:
    """Looking needs `Right.LOOK`, saving `Right.BUILD`. Projects go by slug."""

    def __init__(self, resources: ResourceAdmin, store: ConversationStore, recent: RecentStates) -> None:
        self._resources = resources
        self._store = store
        self._recent = recent

    async def get(self, who: Principal, project: str) -> HandoffApi:
        """What is exposed at present."""
        return (await self._project(who, project)).handoff_api

    async def address(self, who: Principal, project: str) -> str:
        """The path of Get Handoff for the project."""
        resources = await self._resources.resources(who)
        found = await self._project(who, project)
        account = next((one.slug for one in resources.accounts if one.id == found.account), found.account)
        return f"/v1/{account}/{found.slug}/handoff_state"

    async def keys(self, who: Principal, project: str) -> Mapping[str, str]:
        """State keys that recent conversations had, and the usual ones, each with the kind of its last value."""
        found = await self._project(who, project)
        recent = await self._recent.keys(found)
        return {**dict.fromkeys(DEFAULT_KEYS, ""), **recent}

    async def recent(self, who: Principal, project: str) -> Sequence[RecentConversation]:
        """The newest conversations of the project."""
        found = await self._project(who, project)
        wanted = ConversationFilter(account=found.account, project=found.id, limit=MOST_RECENT)
        personal = who.may(Right.PERSONAL_DATA)
        return [
            RecentConversation(
                id=one.opened.id,
                started_at=one.opened.started_at,
                status=_status_of(one),
                caller=one.opened.caller_number if personal else None,
            )
            for one in await self._store.conversations(wanted)
        ]

    async def preview(
        self, who: Principal, project: str, conversation_id: str, draft: HandoffApi
    ) -> ExposurePreview:
        """Get Handoff's answer for a conversation, with the draft. Raises `NotFound` and `InvalidFields`."""
        found = await self._project(who, project)
        check_exposure(draft)
        whole = await self._store.conversation(conversation_id)
        if whole is None or whole.opened.project != found.id:
            raise NotFound(f"the project {project} has no conversation {conversation_id}")
        now = await self._store.handoff_state(
            found.account, found.id, conversation_id=conversation_id, shared_id=None
        )
        state, personal = state_of(whole), who.may(Right.PERSONAL_DATA)
        drafted = _drafted(whole, draft, state)
        return ExposurePreview(
            status=now.status,
            with_values=personal,
            now=None if now.state is None else _shown(handoff_answer(now, five9=False), personal),
            drafted=_shown(handoff_answer(drafted, five9=False), personal),
            state=dict(state) if personal else {key: kind_of(value) for key, value in state.items()},
        )

    async def save(self, who: Principal, project: str, draft: HandoffApi) -> Plan:
        """Expose what the draft says, for calls that end from now on. Raises as `ResourceAdmin.edit` does."""
        await self._project(who, project)
        check_exposure(draft)
        fields: Fields = {}
        if draft.state_keys is not None:
            fields["state_keys"] = list(draft.state_keys)
        if draft.aliases:
            fields["aliases"] = dict(draft.aliases)
        if draft.shared_id_state_key != HandoffApi().shared_id_state_key:
            fields["shared_id_state_key"] = draft.shared_id_state_key
        return await self._resources.update(who, "projects", project, {"handoff_api": fields or None})

    async def _project(self, who: Principal, slug: str) -> Project:
        require(who, Right.LOOK)
        resources = await self._resources.resources(who)
        found = next((one for one in resources.projects if one.slug == slug), None)
        if found is None:
            raise NotFound(f"there is no project {slug}")
        return found


def check_exposure(draft: HandoffApi) -> None:
    """Raises `InvalidFields` when two keys would have one public name, or a name is empty."""
    keys = draft.state_keys if draft.state_keys is not None else DEFAULT_KEYS
    public = [draft.aliases.get(key, key) for key in keys]
    faults = [
        FieldFault("state_keys", f"two keys would be exposed as {name!r}")
        for name in sorted({name for name in public if public.count(name) > 1})
    ]
    if not all(name.strip() for name in (*keys, *public)):
        faults.append(FieldFault("state_keys", "a key or public name is empty"))
    if not draft.shared_id_state_key.strip():
        faults.append(FieldFault("shared_id_state_key", "is empty"))
    if faults:
        raise InvalidFields(tuple(faults))


def _drafted(whole: Conversation, draft: HandoffApi, state: Mapping[str, Any]) -> HandoffLookup:
    """What would have been stored at the conversation's end, had the draft been in force."""
    handed = whole.outcome.handoff if whole.outcome is not None else None
    plan = None
    if handed is not None:
        method = HandoffMethod(handed.get("method", HandoffMethod.BYE))
        plan = HandoffPlan(
            destination=handed.get("destination"), method=method, reason=handed.get("reason"),
            utterance=None, route=None, headers=(),
        )  # fmt: skip
    saved_at = whole.outcome.saved_at if whole.outcome is not None else whole.opened.started_at
    made = HandoffState(
        conversation_id=whole.opened.id,
        shared_id=shared_id_of(state, draft, whole.opened.shared_id),
        data=expose(state, draft, plan),
        saved_at=saved_at,
    )
    return HandoffLookup(status=_status_of(whole), conversation_id=whole.opened.id, state=made)


def _status_of(conversation: Conversation) -> OutcomeStatus:
    if conversation.outcome is None:
        return OutcomeStatus.ENDED_WITHOUT_HANDOFF if conversation.closed else OutcomeStatus.IN_PROGRESS
    return (
        OutcomeStatus.ENDED_WITH_HANDOFF
        if conversation.outcome.handed_off
        else OutcomeStatus.ENDED_WITHOUT_HANDOFF
    )


def _shown(answer: dict[str, Any], personal: bool) -> dict[str, Any]:
    """The answer, or its shape: kinds of values in place of values."""
    if personal:
        return msgspec.to_builtins(answer)  # type: ignore[no-any-return]
    data = {key: f"({kind_of(value)})" for key, value in answer["data"].items()}
    hidden = {"shared_id": "(text)"} if "shared_id" in answer else {}
    return {**answer, "data": data, **hidden}
