"""What the states of a project's recent conversations hold: names of keys and kinds of values, no values."""

from __future__ import annotations

from typing import Any

import msgspec

from tieline.agent.messages import CLOSING
from tieline.model.conversation import Conversation
from tieline.model.project import Project
from tieline.store.base import ConversationFilter, ConversationStore

LOOKED_AT = 10
"""How many conversations are looked through."""


class RecentStates:
    """Reads the newest conversations of a project."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def keys(self, project: Project) -> dict[str, str]:
        """The keys that the last states had, by name, each with the kind of its newest value."""
        wanted = ConversationFilter(account=project.account, project=project.id, limit=LOOKED_AT)
        found: dict[str, str] = {}
        for one in await self._store.conversations(wanted):
            whole = await self._store.conversation(one.opened.id)
            for key, value in (state_of(whole) if whole is not None else {}).items():
                if found.get(key, "nothing") == "nothing":
                    found[key] = kind_of(value)
        return dict(sorted(found.items()))


def state_of(conversation: Conversation) -> dict[str, Any]:
    """The state that a conversation's outcome was made of: that of the last turn before it was saved."""
    turns = conversation.turns
    if conversation.outcome is not None:
        saved_at = conversation.outcome.saved_at
        turns = tuple(one for one in turns if one.at <= saved_at and one.channel not in CLOSING)
    state = msgspec.json.decode(turns[-1].state_json) if turns else {}
    return state if isinstance(state, dict) else {}


def kind_of(value: Any) -> str:
    """What kind of value it is, in a word."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "mapping"
