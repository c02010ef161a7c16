"""Webhooks of messages: states go forward, keywords are honoured, repeats change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.messaging.parts import CONNECTION, SERVICE, Post
from tieline.config import SmsSettings
from tieline.integrations.sms_provider import Taken
from tieline.messaging.inbox import SmsInbox
from tieline.messaging.opt_out import WORDS, Keyword, read_keyword
from tieline.model.environment import Environment
from tieline.model.sms import SmsState
from tieline.store.outbox import SmsFilter
from tieline.testing.store_contract_sms import message


@pytest.fixture
def post() -> Post:
    return Post()


def inbox_of(post: Post, **changes: Any) -> SmsInbox:
    return SmsInbox(post.store, post.clock, post._add_events, post.metrics, SmsSettings(**changes))


def status(word: str, sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": word, **more}


def inbound(body: str = "Hello", sid: str = "SMin", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "From": "+15550100", "To": "+15550199", "Body": body, "NumMedia": "0", **more}


async def test_a_message_to_a_pool_s_number_is_of_the_pool_s_project(post: Post) -> None:
    """The number's own project goes before; a number of neither is of the account alone."""
    pooled = {"+15550198": "PROJECT-pool", "+15550199": "PROJECT-pool"}

    def pool_of(account: str, number: str) -> str | None:
        assert account == CONNECTION.account
        return pooled.get(number)

    inbox = SmsInbox(post.store, post.clock, post._add_events, post.metrics, SmsSettings(), pool_of)
    for index, number in enumerate(("+15550197", "+15550198", "+15550199")):
        await inbox.take_message(CONNECTION, inbound(sid=f"SM{index}", To=number))
    found = [await post.store.sms(f"in-SM{index}") for index in range(3)]
    assert [one.project for one in found if one is not None] == ["", "PROJECT-pool", "x"]


async def test_states_follow_one_another_and_never_back(post: Post) -> None:
    inbox = inbox_of(post)
    await post.store.add_sms([message(state=SmsState.ACCEPTED, provider_sid="SM1", next_at=None)])
    told = [(word, await inbox.take_status(CONNECTION, status(word), None)) for word in (
        "queued", "sent", "queued", "delivered", "sent", "undelivered", "delivered", "nonsense",
    )]  # fmt: skip
    assert [word for word, changed in told if changed] == ["sent", "delivered"]
    found = await post.store.sms("m1")
    assert found is not None
    assert [one.state for one in found.history] == [SmsState.ACCEPTED, SmsState.SENT]
    assert [one.data["state"] for one in post.events] == ["sent", "delivered"]


async def test_a_failure_is_told_in_words(post: Post) -> None:
    await post.store.add_sms([message(state=SmsState.SENT, provider_sid="SM1", next_at=None)])
    form = status("undelivered", ErrorCode="30034")
    assert await inbox_of(post).take_status(CONNECTION, form, None)
    found = await post.store.sms("m1")
    assert found is not None
    assert (found.state, found.error_code) == (SmsState.UNDELIVERED, 30034)
    assert "belongs to no registered campaign" in found.detail
    assert "Register brand and campaign" in found.detail


async def test_a_callback_that_overtakes_the_answer_is_believed(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.store.add_sms([message()])
    inbox = inbox_of(post)

    async def send(asked: Any, _url: str | None) -> Any:
        assert await inbox.take_status(CONNECTION, status("delivered"), asked.id)
        return Taken(sid="SM1")

    monkeypatch.setattr(post.twilio, "send", send)
    sent = await post.after(0)
    assert (sent.state, sent.provider_sid, sent.next_at) == (SmsState.DELIVERED, "SM1", None)


async def test_a_callback_names_the_message_whose_answer_was_lost(post: Post) -> None:
    await post.store.add_sms([message(state=SmsState.SENDING)])
    assert not await inbox_of(post).take_status(CONNECTION, status("nonsense"), "m1")
    assert await inbox_of(post).take_status(CONNECTION, status("sent"), "m1")
    found = await post.store.sms("m1")
    assert found is not None
    assert (found.state, found.provider_sid) == (SmsState.SENT, "SM1")


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({}, "m1"),
        (status("sent", "SM2"), None),
        (status("sent", "SM2"), "m1"),
        (status("sent"), "theirs"),
    ],
)
async def test_callbacks_that_fit_no_message_change_nothing(
    post: Post, form: dict[str, str], name: str
) -> None:
    known = [message(state=SmsState.ACCEPTED, provider_sid="SM1"), message("theirs", account="b")]
    await post.store.add_sms(known)
    assert not await inbox_of(post).take_status(CONNECTION, form, name)
    assert {one.id: one for one in await post.store.messages(SmsFilter())} == {one.id: one for one in known}


async def test_a_message_that_came_in_is_kept_once(post: Post) -> None:
    inbox = inbox_of(post, answer_keywords=True)
    for _ in range(2):
        assert await inbox.take_message(CONNECTION, inbound("Hello ж" * 30, NumMedia="2")) is None
    (found,) = await post.store.messages(SmsFilter())
    assert (found.state, found.inbound, found.project, found.env) == (
        SmsState.RECEIVED, True, "x", Environment.LIVE,
    )  # fmt: skip
    assert (found.segments, found.detail) == (4, "With 2 media files, which are not kept.")
    assert [(one.type, one.data["opted_out"]) for one in post.events] == [("sms.received", False)]


async def test_a_number_without_a_project_takes_messages_too(post: Post) -> None:
    await inbox_of(post).take_message(CONNECTION, inbound(To="+15550198"))
    (found,) = await post.store.messages(SmsFilter())
    assert (found.account, found.project) == ("a", "")


@pytest.mark.parametrize("form", [{}, {"MessageSid": "SM1"}, {"From": "+1", "To": "+2"}])
async def test_what_is_no_message_is_passed_over(post: Post, form: dict[str, str]) -> None:
    assert await inbox_of(post).take_message(CONNECTION, form) is None
    assert await post.store.messages(SmsFilter()) == []


async def test_stop_holds_for_number_and_service_until_start(post: Post) -> None:
    inbox = inbox_of(post)
    await inbox.take_message(CONNECTION, inbound(" stop ", "SM1", MessagingServiceSid=SERVICE))
    assert {one.sender for one in await post.store.opt_outs()} == {"+15550199", SERVICE}
    await post.store.add_sms([message()])
    refused = await post.after(0)
    assert refused.state is SmsState.REFUSED
    await inbox.take_message(CONNECTION, inbound("Yes", "SM2", MessagingServiceSid=SERVICE))
    assert await post.store.opt_outs() == []
    assert [one.data["opted_out"] for one in post.events if one.type == "sms.received"] == [True, False]


async def test_a_repeated_stop_does_not_undo_a_start(post: Post) -> None:
    inbox = inbox_of(post)
    stop, start = inbound("STOP", "SM1"), inbound("START", "SM2")
    for form in (stop, start, stop):
        await inbox.take_message(CONNECTION, form)
    assert await post.store.opt_outs() == []


async def test_keywords_are_answered_where_that_is_ours(post: Post) -> None:
    assert await inbox_of(post).take_message(CONNECTION, inbound("HELP", "SM1")) is None
    ours = inbox_of(post, answer_keywords=True, start_answer="")
    assert "STOP" in str(await ours.take_message(CONNECTION, inbound("Info", "SM2")))
    assert "no more" in str(await ours.take_message(CONNECTION, inbound("Quit", "SM3")))
    assert await ours.take_message(CONNECTION, inbound("START", "SM4")) is None
    assert await ours.take_message(CONNECTION, inbound("STOP", "SM5", OptOutType="STOP")) is None
    assert len(await post.store.opt_outs()) == 1


async def test_what_twilio_took_for_a_stop_is_one(post: Post) -> None:
    await inbox_of(post).take_message(CONNECTION, inbound("no more please", OptOutType="STOP"))
    (found,) = await post.store.opt_outs()
    assert found.keyword == "NO MORE PLEASE"


@pytest.mark.parametrize(
    ("word", "keyword"), [(word, keyword) for keyword, words in WORDS.items() for word in sorted(words)]
)
def test_every_word_in_any_spelling(word: str, keyword: Keyword) -> None:
    for text in (word, word.lower(), f" {word.title()}\n", f"{word}!", f'"{word}"'):
        assert read_keyword(text) is keyword


@pytest.mark.parametrize(
    ("text", "keyword"),
    [("stop all", Keyword.STOP), ("opt-out", Keyword.STOP), ("Opt out.", Keyword.STOP), ("please stop", None),
     ("stop" * 20, None), ("", None), ("yes please", None), ("the end", None)],
)  # fmt: skip
def test_only_the_word_alone_counts(text: str, keyword: Keyword | None) -> None:
    assert read_keyword(text) is keyword
