"""Calls: those that are up, those that were, those that were refused, and their figures.

Whoever lacks `Right.PERSONAL_DATA` gets everything redacted (`tieline.admin.redaction`); whoever belongs to an account
gets its calls alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from tieline.admin.access import require
from tieline.admin.call_export import bundle
from tieline.admin.call_words import fixes_of
from tieline.admin.errors import Forbidden
from tieline.admin.redaction import redact_conversation, redact_live, redact_message, redact_refusal
from tieline.admin.trail import AuditTrail
from tieline.calls.directory import Directory
from tieline.calls.live import LiveCall
from tieline.calls.session import CallSession
from tieline.clock import Clock
from tieline.errors import Conflict, NotFound
from tieline.model.audit import AuditChange
from tieline.model.conversation import Conversation, RefusedCall
from tieline.model.number import canonical
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.model.user import Right
from tieline.store.base import ConversationFilter, ConversationStore, Cursor, RefusalFilter
from tieline.store.figures import FigureFilter, Figures, FigureStore

__all__ = [
    "CallAdmin", "CallPage", "CallView", "ConversationFilter", "Cursor", "FigureFilter", "Figures", "RefusalFilter",
    "RefusalView",
]  # fmt: skip

SNAPSHOT_S = 1.0
"""How old what is shown of running calls may be: all who watch share one look at them."""

FIGURES_S = 5.0
"""How often the figures of the sound are asked for while somebody looks."""

MOST_LISTED = 200


class CallStore(ConversationStore, FigureStore, Protocol):
    """What is kept of calls."""


class Sessions(Protocol):
    """Where the calls are that are up: `tieline.calls.registry.CallRegistry`."""

    def sessions(self) -> list[CallSession]:
        """The calls that are up."""
        ...

    def ask_figures(self) -> None:
        """Have it told how the sound of each call gets through: their summaries show it from then on."""
        ...


class CallPage(Record):
    """Some calls of a list, newest first. `newer` and `older` go on from it; None where there is nothing more."""

    calls: tuple[Conversation, ...]
    newer: Cursor | None
    older: Cursor | None


class CallView(Record):
    """One call. `conversation` is None while it is being set up: nothing of it is stored then.

    `live` is set as long as it is up, and `ladder` has its SIP messages so far. `redacted` says that personal data
    were taken out.
    """

    conversation: Conversation | None
    live: LiveCall | None
    ladder: tuple[dict[str, Any], ...]
    redacted: bool


class RefusalView(Record):
    """A refused call with what to do about it."""

    call: RefusedCall
    fixes: tuple[str, ...]


class CallAdmin:
    """Looking at calls, hanging them up, taking them out."""

    def __init__(
        self,
        store: CallStore,
        sessions: Sessions,
        directory: Callable[[], Directory],
        clock: Clock,
        trail: AuditTrail,
        default_region: str | None = None,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._directory = directory
        self._clock = clock
        self._trail = trail
        self._default_region = default_region
        self._looked_at = self._figures_at = float("-inf")
        self._seen: dict[bool, tuple[LiveCall, ...]] = {}

    def projects(self, who: Principal) -> dict[str, str]:
        """The projects whose calls they may see: slugs by id."""
        require(who, Right.LOOK)
        found = self._directory().projects()
        return {one.id: one.slug for one in found if who.may_see(one.account, one.id)}

    def trunks(self, who: Principal) -> tuple[str, ...]:
        """The trunks whose refused calls they may see, by name."""
        require(who, Right.LOOK)
        theirs = self._trunks(who)
        names = (trunk.name for trunk in self._directory().resources.trunks)
        return tuple(sorted(name for name in names if theirs is None or name in theirs))

    # -- calls that are up ------------------------------------------------------------------------------------

    def live(self, who: Principal) -> tuple[LiveCall, ...]:
        """The calls that are up, oldest first, as they were at most `SNAPSHOT_S` ago."""
        require(who, Right.LOOK)
        self._ask_figures()
        now = self._clock.monotonic()
        if now - self._looked_at >= SNAPSHOT_S or not self._seen:
            self._looked_at = now
            self._seen = {True: tuple(session.summary() for session in self._sessions.sessions())}
        clear = who.may(Right.PERSONAL_DATA)
        if clear not in self._seen:
            self._seen[clear] = tuple(redact_live(one) for one in self._seen[True])
        found = self._seen[clear]
        if who.account is None and who.project is None:
            return found
        return tuple(one for one in found if who.may_see(one.account, one.project))

    def _ask_figures(self) -> None:
        """Somebody looks: ask how the sound gets through, unless it was asked a moment ago."""
        now = self._clock.monotonic()
        if now - self._figures_at >= FIGURES_S:
            self._figures_at = now
            self._sessions.ask_figures()

    async def hang_up(self, who: Principal, call_id: str) -> None:
        """End a call that is up. Raises `NotFound`, and `Conflict` when it has not been answered yet."""
        require(who, Right.OPERATE)
        session = self._session(who, call_id)
        if session is None:
            raise NotFound("no such call is up")
        if session.record.answered_at is None:
            raise Conflict("the call has not been answered yet")
        project = session.route.project
        await self._trail.note(who, "hang_up", "calls", call_id, account=project.account)
        session.hang_up()

    def _session(self, who: Principal, call_id: str) -> CallSession | None:
        for session in self._sessions.sessions():
            project = session.route.project
            if session.call_id == call_id and who.may_see(project.account, project.id):
                return session
        return None

    # -- calls that were --------------------------------------------------------------------------------------

    async def list(self, who: Principal, wanted: ConversationFilter, text: str = "") -> CallPage:
        """Matching calls. `text` is looked for among ids, numbers, shared ids and SIP Call-IDs, whole.

        A number may be written in any way; somebody of one account finds its calls alone.
        """
        require(who, Right.LOOK)
        wanted = msgspec.structs.replace(wanted, limit=min(max(wanted.limit, 1), MOST_LISTED))
        if not self._may_ask(who, wanted.account, wanted.project):
            return CallPage(calls=(), newer=None, older=None)
        asked = msgspec.structs.replace(
            wanted,
            account=who.account or wanted.account,
            project=who.project or wanted.project,
            anywhere=self._candidates(text),
            limit=wanted.limit + 1,
        )
        found = list(await self._store.conversations(asked))
        more = len(found) > wanted.limit
        if more:
            found = found[1:] if wanted.newer is not None else found[:-1]
        backward = wanted.newer is not None
        clear = who.may(Right.PERSONAL_DATA)
        return CallPage(
            calls=tuple(one if clear else redact_conversation(one) for one in found),
            newer=_place(found[0]) if found and (more if backward else wanted.older is not None) else None,
            older=_place(found[-1]) if found and (backward or more) else None,
        )

    def _candidates(self, text: str) -> tuple[str, ...]:
        text = text.strip()
        if not text:
            return ()
        number = canonical(text, self._default_region)
        return (text,) if number in {None, text} else (text, str(number))

    async def call(self, who: Principal, call_id: str) -> CallView:
        """One call, whole. Raises `NotFound`."""
        require(who, Right.LOOK)
        conversation = await self._theirs(who, call_id)
        session = self._session(who, call_id)
        if conversation is None and session is None:
            raise NotFound(f"there is no call {call_id}")
        clear = who.may(Right.PERSONAL_DATA)
        live = None
        if session is not None:
            self._ask_figures()
            live = session.summary()
        if not clear:
            conversation = None if conversation is None else redact_conversation(conversation)
            live = None if live is None else redact_live(live)
        ladder = () if session is None else session.ladder()
        if not clear:
            ladder = tuple(redact_message(entry) for entry in ladder)
        return CallView(conversation=conversation, live=live, ladder=ladder, redacted=not clear)

    async def _theirs(self, who: Principal, call_id: str) -> Conversation | None:
        found = await self._store.conversation(call_id)
        if found is None or not who.may_see(found.opened.account, found.opened.project):
            return None
        return found

    async def export(self, who: Principal, call_id: str, *, personal: bool = False) -> bytes:
        """A call as a zip file: `call.json`, `ladder.pcap`, `about.txt`. Redacted unless `personal` data are asked for.

        Raises `NotFound`, `Conflict` while the call is up, and `Forbidden` for personal data without the right.
        """
        require(who, Right.LOOK)
        if personal:
            require(who, Right.PERSONAL_DATA)
        found = await self._theirs(who, call_id)
        if found is None:
            raise NotFound(f"there is no call {call_id}")
        if found.closed is None:
            raise Conflict("the call is still up: it can be exported when it has ended")
        change = AuditChange(field="personal data", before=None, after="included" if personal else "left out")
        await self._trail.note(who, "export", "calls", call_id, [change], account=found.opened.account)
        shown = found if personal else redact_conversation(found)
        return await asyncio.to_thread(bundle, shown, redacted=not personal)

    # -- calls that were refused ------------------------------------------------------------------------------

    async def refused(self, who: Principal, wanted: RefusalFilter) -> tuple[RefusalView, ...]:
        """Refused calls, newest first. Somebody of one account sees those that its own trunks sent."""
        require(who, Right.LOOK)
        theirs = self._trunks(who)
        if theirs is not None:
            named = theirs if wanted.trunks is None else tuple(set(theirs) & set(wanted.trunks))
            wanted = msgspec.structs.replace(wanted, trunks=named)
        found = await self._store.refusals(wanted)
        clear = who.may(Right.PERSONAL_DATA)
        shown: Sequence[RefusedCall] = found if clear else [redact_refusal(one) for one in found]
        return tuple(RefusalView(call=one, fixes=fixes_of(one)) for one in shown)

    def _trunks(self, who: Principal) -> tuple[str | None, ...] | None:
        """The trunks whose refused calls are theirs to see; None for all, and those that no trunk sent."""
        if who.account is None and who.project is None:
            return None
        if who.project is not None:
            return ()
        trunks = self._directory().resources.trunks
        return tuple(trunk.name for trunk in trunks if trunk.account == who.account)

    # -- figures ----------------------------------------------------------------------------------------------

    async def figures(self, who: Principal, wanted: FigureFilter) -> Figures:
        """Calls, handoffs and refusals, counted by hours or days. Raises `Forbidden` for another account's."""
        require(who, Right.LOOK)
        if not self._may_ask(who, wanted.account, wanted.project):
            raise Forbidden("these figures are another account's")
        return await self._store.figures(
            msgspec.structs.replace(
                wanted,
                account=who.account or wanted.account,
                project=who.project or wanted.project,
                trunks=self._trunks(who),
            )
        )

    def _may_ask(self, who: Principal, account: str | None, project: str | None) -> bool:
        return (who.account is None or account in {None, who.account}) and (
            who.project is None or project in {None, who.project}
        )


def _place(conversation: Conversation) -> Cursor:
    return Cursor(at=conversation.opened.started_at, id=conversation.opened.id)
