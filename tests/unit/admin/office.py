"""The admin functions over the in-memory store, with two accounts, and principals of every kind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tieline.admin.resources import ResourceAdmin, ResourceRules
from tieline.admin.trail import AuditTrail
from tieline.model.conversation import ConversationOpened, Outcome, Turn
from tieline.model.principal import COMMAND_LINE, Principal, PrincipalKind
from tieline.model.resources import Resources
from tieline.model.user import RIGHTS, Right, Role
from tieline.resources.plan import Applier
from tieline.store.memory import MemoryStore
from tieline.testing.clock import FakeClock

OWNER = COMMAND_LINE
SECRET = "correct horse battery"

BASE = """\
accounts: [{slug: acme}, {slug: other}]
projects:
  - {slug: desk, account: acme, answer_only: true, numbers: [100]}
  - {slug: theirs, account: other, answer_only: true, numbers: [200]}
trunks:
  - {name: five9, networks: 192.0.2.1, profile: five9, account: acme}
  - {name: genesys, networks: 192.0.2.2, profile: genesys, target: sbc.example.com, refer_domain: sbc.example.com,
     account: acme, username: tie, password: correct horse battery}
  - {name: shared, networks: 192.0.2.3, target: shared.example.com}
pools:
  - {name: main, project: desk, numbers: ["+15550100-+15550109"], trunks: [five9, shared]}
"""


def somebody(
    role: Role, account: str | None = "ws-acme", project: str | None = None, **rights: bool
) -> Principal:
    """A person with a role, of an account."""
    given = RIGHTS[role] | ({Right.PERSONAL_DATA} if rights.get("personal_data") else frozenset())
    return Principal(
        kind=PrincipalKind.USER,
        id="u",
        name="somebody@example.com",
        rights=given,
        account=account,
        project=project,
    )


BUILDER = somebody(Role.BUILDER)
LOOKER = somebody(Role.READ_ONLY)
ACCOUNT_OWNER = somebody(Role.OWNER)
ALL_SEEING = somebody(Role.OWNER, personal_data=True)
STRANGER = somebody(Role.OWNER, "ws-other")
NOBODY = msgspec.structs.replace(LOOKER, rights=frozenset())


class Office:
    """A store with resources, and what admin functions are made of."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.trail = AuditTrail(self.store, self.clock)
        self.resources = ResourceAdmin(
            self.store, self.clock, self.trail, ResourceRules(environ={"ENV": SECRET})
        )

    async def apply(self, text: str = BASE) -> Resources:
        """Apply a resource file."""
        applier = Applier(
            file=Path("/srv/r.yaml"), text=text, environ={}, random_bytes=lambda size: b"x" * size
        )
        return await self.store.apply(lambda current: applier.plan(current).resources, self.clock.utc())

    async def call(self, name: str, project: str = "desk", state: Any = None, **fields: Any) -> None:
        """A call of a project with one turn that left this state."""
        account = "ws-other" if project == "theirs" else "ws-acme"
        known: dict[str, Any] = {
            "account": account, "project": f"PROJECT-{project}", "env": "live", "channel_type": "sip.polyai",
            "trunk": "five9", "sip_call_id": f"call-{name}", "from_tag": "t", "caller_number": "+15550109999",
            "callee_number": "+15550100", "reservation_id": None, "shared_id": None, "attributes_json": "{}",
            "sip_headers": {}, "rules": (), "late": False, "started_at": self.clock.utc(),
        }  # fmt: skip
        await self.store.open_conversation(ConversationOpened(id=name, **(known | fields)))
        await self.store.mark_answered(name, self.clock.utc())
        await self.turn(name, {} if state is None else state)
        self.clock.advance(1)

    async def turn(self, name: str, state: Any, index: int = 0, channel: str = "keypad") -> None:
        """One more turn of a call."""
        turn = Turn(
            index=index, at=self.clock.utc(), channel=channel, user_input="1", utterance="", function_runs=(),
            logs=(), state_json=msgspec.json.encode(state).decode(),
        )  # fmt: skip
        await self.store.save_turn(name, turn)

    async def end(self, name: str, handoff: dict[str, Any] | None = None, **data: Any) -> None:
        """The call has its outcome."""
        await self.store.save_outcome(
            Outcome(
                conversation_id=name, shared_id=None, handed_off=handoff is not None, data=data, handoff=handoff,
                saved_at=self.clock.utc() + timedelta(milliseconds=1),
            )
        )  # fmt: skip
