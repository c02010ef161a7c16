"""What every store must do with text messages and opt-outs, as tests to inherit."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tieline.errors import NotFound
from tieline.model.sms import OptOut, SmsMessage, SmsState
from tieline.store.base import Pruned, Store
from tieline.store.outbox import SmsFilter
from tieline.testing.store_contract_conversations import opened, turn
from tieline.testing.store_samples import T0, after

DAY = 86400.0


def message(name: str = "m1", at: float = 0.0, **fields: Any) -> SmsMessage:
    """A message that waits to be sent, made `at` seconds into the story."""
    start: dict[str, Any] = {
        "id": name, "account": "a", "project": "x", "conversation_id": None, "to": "+15550100",
        "from_": "+15550199", "content": "Hello", "created_at": after(at), "changed_at": after(at),
        "next_at": after(at),
    }  # fmt: skip
    return SmsMessage(**{**start, **fields})


def opted(
    recipient: str = "+15550100", sender: str = "+15550199", at: float = 0.0, account: str = "a"
) -> OptOut:
    """An opt-out."""
    return OptOut(account=account, recipient=recipient, sender=sender, at=after(at), keyword="STOP")


class SmsContract:
    """The outbox of messages, and who wants none."""

    async def test_a_turn_brings_its_messages(self, store: Store) -> None:
        await store.open_conversation(opened())
        sent = message(conversation_id="conversation-c1")
        await store.save_turn("conversation-c1", turn(0), [sent])
        assert await store.sms("m1") == sent
        assert list(await store.due_sms(T0, 10)) == [sent]
        found = await store.conversation("conversation-c1")
        assert found is not None
        assert len(found.turns) == 1

    async def test_a_turn_that_cannot_be_stored_sends_nothing(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.save_turn("none", turn(0), [message()])
        assert await store.sms("m1") is None
        assert await store.next_sms_at() is None

    async def test_a_turn_stored_twice_sends_once(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.save_turn("conversation-c1", turn(0), [message()])
        await store.change_sms("m1", lambda one: one.entering(SmsState.ACCEPTED, after(1), next_at=None))
        await store.save_turn("conversation-c1", turn(0), [message()])
        assert await store.due_sms(after(9), 10) == []

    async def test_due_messages_come_oldest_first(self, store: Store) -> None:
        await store.add_sms([message("late", 5), message("early", 1), message("now", 3)])
        assert await store.next_sms_at() == after(1)
        assert [one.id for one in await store.due_sms(after(4), 10)] == ["early", "now"]
        assert [one.id for one in await store.due_sms(after(9), 2)] == ["early", "now"]
        assert await store.due_sms(T0, 10) == []

    async def test_messages_under_way_are_due_too_and_finished_ones_never(self, store: Store) -> None:
        states = {state.value: message(state.value, state=state) for state in SmsState}
        await store.add_sms(list(states.values()))
        assert {one.id for one in await store.due_sms(after(9), 99)} == {"waiting", "sending"}

    async def test_a_message_is_passed_over_whose_id_is_there(self, store: Store) -> None:
        first = message(state=SmsState.RECEIVED, provider_sid="SM1")
        await store.add_sms([first, msgspec.structs.replace(first, id="m2"), message("m1", 7)])
        await store.add_sms([message("m3", 8), message("m4", 9)])
        assert [one.id for one in await store.messages(SmsFilter())] == ["m4", "m3", "m1"]
        assert await store.sms_by_provider_sid("SM1") == first
        assert await store.sms_by_provider_sid("SM2") is None

    async def test_changes_follow_one_another(self, store: Store) -> None:
        await store.add_sms([message()])

        def attempt(one: SmsMessage) -> SmsMessage:
            return msgspec.structs.replace(one, attempts=one.attempts + 1)

        await asyncio.gather(*[store.change_sms("m1", attempt) for _ in range(5)])
        found = await store.sms("m1")
        assert found is not None
        assert found.attempts == 5
        assert await store.change_sms("m1", lambda _: None) is None
        assert await store.change_sms("none", attempt) is None
        assert await store.sms("m1") == found
        changed = await store.change_sms(
            "m1", lambda one: one.entering(SmsState.ACCEPTED, after(3), provider_sid="SM9", next_at=None)
        )
        assert changed == await store.sms_by_provider_sid("SM9")
        assert await store.next_sms_at() is None

    async def test_messages_are_found_by_what_is_known_of_them(self, store: Store) -> None:
        await store.add_sms(
            [
                message("m1", 1, account="b"),
                message("m2", 2, project="y"),
                message("m3", 3, conversation_id="c"),
                message("m4", 4, inbound=True, to="+15550199", from_="+15550777", state=SmsState.RECEIVED),
                message("m5", 5, to="+15550777"),
            ]
        )

        async def ids(**wanted: Any) -> list[str]:
            return [one.id for one in await store.messages(SmsFilter(**wanted))]

        assert await ids() == ["m5", "m4", "m3", "m2", "m1"]
        assert await ids(limit=2) == ["m5", "m4"]
        assert await ids(account="b") == ["m1"]
        assert await ids(project="y") == ["m2"]
        assert await ids(conversation_id="c") == ["m3"]
        assert await ids(number="+15550777") == ["m5", "m4"]
        assert await ids(state=SmsState.RECEIVED) == ["m4"]
        assert await ids(before=after(3)) == ["m2", "m1"]
        assert await ids(number="+15550777", state=SmsState.WAITING) == ["m5"]

    async def test_opt_outs_are_kept_for_each_sender(self, store: Store) -> None:
        await store.opt_out(opted())
        await store.opt_out(opted(at=5))
        await store.opt_out(opted(sender="MG1", at=2, account="b"))
        assert await store.opted_out("a", "+15550100", "+15550199") == opted()
        assert await store.opted_out("a", "+15550100", "+15550000") is None
        assert [one.sender for one in await store.opt_outs()] == ["MG1", "+15550199"]
        assert [one.sender for one in await store.opt_outs(account="a")] == ["+15550199"]
        assert len(await store.opt_outs(limit=1)) == 1
        assert await store.opt_in("a", "+15550100", "+15550199") is True
        assert await store.opt_in("a", "+15550100", "+15550199") is False
        assert await store.opted_out("a", "+15550100", "+15550199") is None
        assert await store.opted_out("b", "+15550100", "MG1") is not None

    async def test_an_account_has_its_own_opt_outs(self, store: Store) -> None:
        """Whoever has a provider's account of their own could else end, or make up, those of others."""
        await store.opt_out(opted())
        await store.opt_out(opted(account="b", at=3))
        assert await store.opted_out("b", "+15550100", "+15550199") == opted(account="b", at=3)
        assert await store.opt_in("b", "+15550100", "+15550199") is True
        assert await store.opted_out("b", "+15550100", "+15550199") is None
        assert await store.opted_out("a", "+15550100", "+15550199") == opted()

    async def test_text_that_no_encoding_knows_can_be_stored(self, store: Store) -> None:
        await store.add_sms(
            [message(content="\udcff", from_="\udcff", inbound=True, state=SmsState.RECEIVED)]
        )
        assert await store.sms("m1") is not None

    async def test_old_messages_go_and_those_under_way_stay(self, store: Store) -> None:
        many = [message(f"old-{number}", state=SmsState.DELIVERED) for number in range(150)]
        kept = [message("waiting"), message("new", 2 * DAY, state=SmsState.DELIVERED)]
        await store.add_sms([*many, *kept])
        await store.opt_out(opted())
        assert await store.prune(after(3 * DAY), keep_s=None, keep_keys_s=DAY) == Pruned()
        assert await store.prune(after(2 * DAY), keep_s=DAY, keep_keys_s=DAY) == Pruned(messages=150)
        assert {one.id for one in await store.messages(SmsFilter())} == {"waiting", "new"}
        assert len(await store.opt_outs()) == 1, (
            "who wants no messages is remembered for as long as there is a store"
        )
