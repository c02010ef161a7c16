"""Text messages and opt-outs in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from tieline.model.sms import UNSENT, OptOut, SmsMessage
from tieline.store.outbox import SmsFilter


class MemorySms:
    """The `SmsStore` protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._sms: dict[str, SmsMessage] = {}
        self._opt_outs: dict[tuple[str, str, str], OptOut] = {}

    async def add_sms(self, messages: Sequence[SmsMessage]) -> None:
        """New messages. One whose id or provider's id is there is passed over."""
        self._add_sms(messages)

    def _add_sms(self, messages: Sequence[SmsMessage]) -> None:
        for one in messages:
            sids = {known.provider_sid for known in self._sms.values()} - {None}
            if one.id not in self._sms and one.provider_sid not in sids:
                self._sms[one.id] = one

    async def due_sms(self, now: datetime, limit: int) -> Sequence[SmsMessage]:
        """Messages that are due, oldest first."""
        due = [(at, one) for one in self._sms.values() if (at := _due_at(one)) is not None and at <= now]
        due.sort(key=lambda pair: (pair[0], pair[1].created_at, pair[1].id))
        return [one for _, one in due[:limit]]

    async def next_sms_at(self) -> datetime | None:
        """When the next one is due."""
        return min((at for one in self._sms.values() if (at := _due_at(one)) is not None), default=None)

    async def change_sms(
        self, message_id: str, change: Callable[[SmsMessage], SmsMessage | None]
    ) -> SmsMessage | None:
        """Replace a message by `change(message)`."""
        found = self._sms.get(message_id)
        changed = None if found is None else change(found)
        if changed is not None:
            self._sms[message_id] = changed
        return changed

    async def sms(self, message_id: str) -> SmsMessage | None:
        """One message."""
        return self._sms.get(message_id)

    async def sms_by_provider_sid(self, provider_sid: str) -> SmsMessage | None:
        """The message that the provider knows by that id."""
        return next((one for one in self._sms.values() if one.provider_sid == provider_sid), None)

    async def messages(self, wanted: SmsFilter) -> Sequence[SmsMessage]:
        """Matching messages, newest first."""
        found = [one for one in self._sms.values() if _is_wanted(one, wanted)]
        found.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        return found[: wanted.limit]

    async def opt_out(self, opted: OptOut) -> None:
        """Somebody wants no more messages from a sender. The first opt-out stands."""
        self._opt_outs.setdefault((opted.account, opted.recipient, opted.sender), opted)

    async def opt_in(self, account: str, recipient: str, sender: str) -> bool:
        """They want them again; False when they had not opted out."""
        return self._opt_outs.pop((account, recipient, sender), None) is not None

    async def opted_out(self, account: str, recipient: str, sender: str) -> OptOut | None:
        """Whether they want none."""
        return self._opt_outs.get((account, recipient, sender))

    async def opt_outs(self, *, account: str | None = None, limit: int = 1000) -> Sequence[OptOut]:
        """Opt-outs, newest first."""
        found = [one for one in self._opt_outs.values() if account in {None, one.account}]
        found.sort(key=lambda one: (one.recipient, one.sender))
        found.sort(key=lambda one: one.at, reverse=True)
        return found[:limit]


def _due_at(message: SmsMessage) -> datetime | None:
    return message.next_at if message.state in UNSENT else None


def _is_wanted(message: SmsMessage, wanted: SmsFilter) -> bool:
    return (
        wanted.account in {None, message.account}
        and wanted.project in {None, message.project}
        and wanted.conversation_id in {None, message.conversation_id}
        and wanted.number in {None, message.to, message.from_}
        and wanted.state in {None, message.state}
        and (wanted.before is None or message.created_at < wanted.before)
    )
