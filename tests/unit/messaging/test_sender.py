"""The sender: once for each message, again only when the provider has nothing, never to somebody who opted out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.messaging.parts import CONNECTION, SERVICE, Post
from tieline.errors import InvalidInput
from tieline.integrations.sms_provider import SmsAnswerLost, SmsNotTaken, SmsRejected, Taken
from tieline.messaging import progress
from tieline.messaging.senders import Way
from tieline.model.sms import SmsMessage, SmsState
from tieline.model.webhook import EventType
from tieline.testing.store_contract_sms import message, opted

BUSY = SmsNotTaken("Twilio has had too many requests", error_code=20429)


@pytest.fixture
def post() -> Post:
    return Post()


async def put(post: Post, *messages: SmsMessage) -> None:
    await post.store.add_sms(messages or [message()])


async def test_a_message_goes_out_with_its_callback(post: Post) -> None:
    await put(post)
    sent = await post.after(0)
    assert (sent.state, sent.provider_sid, sent.attempts, sent.next_at) == (SmsState.ACCEPTED, "SM1", 1, None)
    assert [one.state for one in sent.history] == [SmsState.WAITING, SmsState.SENDING]
    assert [url for _, url in post.twilio.sent] == ["https://tieline.example/sms/status?message=m1"]
    assert [one.type for one in post.events] == [EventType.SMS_STATUS]
    assert await post.after(9999) == sent
    assert len(post.twilio.sent) == 1


async def test_it_is_marked_before_the_provider_is_asked(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(post)
    seen: list[SmsMessage | None] = []

    async def send(asked: SmsMessage, _url: str | None) -> Taken:
        seen.append(await post.store.sms(asked.id))
        return Taken(sid="SM1", state=SmsState.SENT, segments=3)

    monkeypatch.setattr(post.twilio, "send", send)
    sent = await post.after(0)
    assert seen[0] is not None
    assert seen[0].state is SmsState.SENDING
    assert (sent.state, sent.segments) == (SmsState.SENT, 3)


async def test_it_is_tried_again_with_growing_pauses_and_then_given_up(post: Post) -> None:
    await put(post, message(retry_count=2))
    post.twilio.answers = [BUSY, BUSY, BUSY]
    waiting = await post.after(0)
    assert (waiting.state, waiting.error_code, waiting.attempts) == (SmsState.WAITING, 20429, 1)
    assert (await post.after(4.9)).attempts == 1
    assert (await post.after(0.1)).attempts == 2
    assert (await post.after(29)).attempts == 2
    failed = await post.after(1)
    assert (failed.state, failed.attempts, failed.next_at) == (SmsState.FAILED, 3, None)
    assert failed.detail == "Twilio has had too many requests. Tried 3 times; given up."
    assert [one.data["state"] for one in post.events] == ["failed"]


async def test_no_retries_means_one_try(post: Post) -> None:
    await put(post, message(retry_count=0))
    post.twilio.answers = [BUSY]
    assert "Tried once" in (await post.after(0)).detail


async def test_it_waits_for_as_long_as_the_provider_asks(post: Post) -> None:
    await put(post)
    post.twilio.answers = [SmsNotTaken("busy", retry_after_s=90)]
    await post.after(0)
    assert (await post.after(89)).attempts == 1
    assert (await post.after(1)).state is SmsState.ACCEPTED


async def test_what_is_rejected_is_not_tried_again(post: Post) -> None:
    await put(post)
    post.twilio.answers = [SmsRejected("The number is a landline", error_code=21614)]
    failed = await post.after(0)
    assert (failed.state, failed.error_code, failed.detail) == (
        SmsState.FAILED, 21614, "The number is a landline.",
    )  # fmt: skip
    assert (await post.after(9999)).attempts == 1
    assert await post.store.opt_outs() == []


async def test_an_opt_out_at_the_provider_is_one_here(post: Post) -> None:
    await put(post, message(), message("m2", 1))
    post.twilio.answers = [SmsRejected("opted out", error_code=21610)]
    assert (await post.after(0)).state is SmsState.FAILED
    (found,) = await post.store.opt_outs()
    assert (found.recipient, found.sender, found.keyword) == (
        "+15550100",
        "+15550199",
        "STOP (Twilio's error 21610)",
    )
    await post.after(5)
    second = await post.store.sms("m2")
    assert second is not None
    assert second.state is SmsState.REFUSED
    assert len(post.twilio.sent) == 1


@pytest.mark.parametrize("sender", ["+15550199", SERVICE])
async def test_nobody_gets_messages_who_opted_out_of_the_sender(post: Post, sender: str) -> None:
    await post.store.opt_out(opted(sender=sender))
    await put(post, message(from_=sender), message("m2", from_="+15550000"))
    refused = await post.after(0)
    assert refused.state is SmsState.REFUSED
    assert refused.detail.startswith("The recipient sent STOP to this sender on 20")
    assert [sent.id for sent, _ in post.twilio.sent] == ["m2"]


async def test_a_message_without_a_way_is_refused_in_words(post: Post) -> None:
    await put(post)
    post.way = "The account has no Twilio connection."
    refused = await post.after(0)
    assert (refused.state, refused.detail) == (SmsState.REFUSED, "The account has no Twilio connection.")
    assert post.twilio.sent == []


async def test_an_account_without_its_secret_is_refused_in_words(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> None:
        raise InvalidInput("a Twilio connection needs an Auth Token")

    monkeypatch.setattr(post, "provider", fail)
    await put(post)
    assert (await post.after(0)).detail == "a Twilio connection needs an Auth Token."


async def test_the_projects_number_stands_in_for_no_sender(post: Post) -> None:
    post.way = Way(CONNECTION, "+15550199")
    await put(post, message(from_=""))
    assert (await post.after(0)).from_ == "+15550199"
    assert post.twilio.sent[0][0].from_ == "+15550199"


# -- answers that are lost ----------------------------------------------------------------------------------------


async def test_a_lost_answer_is_looked_up_and_found(post: Post) -> None:
    await put(post)
    post.twilio.answers = [SmsAnswerLost("no answer")]
    lost = await post.after(0)
    assert (lost.state, lost.detail) == (SmsState.SENDING, progress.LOOKING)
    post.twilio.there = [Taken(sid="SM7", state=SmsState.SENT)]
    assert (await post.after(59)).state is SmsState.SENDING
    found = await post.after(1)
    assert (found.state, found.provider_sid) == (SmsState.SENT, "SM7")
    assert post.twilio.looked == [message().created_at]
    assert len(post.twilio.sent) == 1


async def test_one_that_leaves_no_trace_is_never_sent_again_by_itself(post: Post) -> None:
    await put(post)
    post.twilio.answers = [SmsAnswerLost("no answer")]
    last = await post.until_over(20, 600)
    assert (last.state, last.detail) == (SmsState.FAILED, progress.LOST)
    assert len(post.twilio.looked) == progress.LOOK_UPS
    assert set(post.twilio.looked) == {post.twilio.looked[0]}
    assert len(post.twilio.sent) == 1


async def test_looking_may_fail_too(post: Post) -> None:
    await put(post)
    post.twilio.answers = [SmsAnswerLost("no answer")]
    post.twilio.there = SmsAnswerLost("still no answer")
    last = await post.until_over(20, 600)
    assert (last.state, last.detail) == (SmsState.FAILED, progress.LOST_BLIND)


async def test_a_message_of_the_same_text_is_not_mistaken_for_it(post: Post) -> None:
    twin = message("m0", state=SmsState.DELIVERED, provider_sid="SM7")
    await put(post, twin, message(next_at=message().created_at))
    post.twilio.answers = [SmsAnswerLost("no answer")]
    await post.after(0)
    post.twilio.there = [Taken(sid="SM7", state=SmsState.SENT)]
    assert (await post.after(60)).state is SmsState.SENDING


async def test_a_process_that_died_while_it_asked_leaves_a_message_to_look_up(post: Post) -> None:
    start = message().created_at
    await put(post, message())
    await post.store.change_sms("m1", lambda one: progress.take_up(one, start, "+15550199"))
    post.twilio.there = [Taken(sid="SM3")]
    assert (await post.after(60)).state is SmsState.ACCEPTED
    assert post.twilio.sent == []


async def test_without_an_account_looking_is_blind(post: Post) -> None:
    await put(post)
    post.twilio.answers = [SmsAnswerLost("no answer")]
    await post.after(0)
    post.way = "gone"
    last = await post.until_over(10, 600)
    assert last.detail == progress.LOST_BLIND


# -- many at once -------------------------------------------------------------------------------------------------


async def test_messages_to_one_person_keep_their_order(post: Post) -> None:
    many = [message(f"m{index}", index / 10, to=f"+1555010{index % 3}000") for index in range(30)]
    await put(post, *many)
    post.clock.advance(60)
    assert await post.sender.send_due() == 30
    for last in range(3):
        order = [int(sent.id[1:]) for sent, _ in post.twilio.sent if sent.to == f"+1555010{last}000"]
        assert order == sorted(order)


async def test_two_senders_send_once(post: Post) -> None:
    await put(post)
    await asyncio.gather(post.sender.send_due(), post.sender.send_due())
    assert len(post.twilio.sent) == 1


async def test_it_runs_until_it_is_stopped_and_goes_on_after_a_failure(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [OSError("disk"), InvalidInput("refused")]
    due = post.store.due_sms

    async def due_sms(*args: Any) -> Any:
        if fails:
            raise fails.pop()
        return await due(*args)

    monkeypatch.setattr(post.store, "due_sms", due_sms)
    await put(post)
    running = asyncio.create_task(post.sender.run())
    while not post.twilio.sent:
        post.sender.wake()
        await asyncio.sleep(0)
    running.cancel()
    assert not fails


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["taken", "busy", "no", "lost"]), max_size=8), st.integers(0, 5), st.booleans()
)
def test_whatever_the_provider_says_it_is_asked_no_more_than_allowed(
    answers: list[str], retries: int, found: bool
) -> None:
    async def story() -> None:
        post = Post()
        made = {"taken": None, "busy": BUSY, "no": SmsRejected("no"), "lost": SmsAnswerLost("?")}
        post.twilio.answers = [made[one] for one in answers]
        post.twilio.there = [Taken(sid="SM99")] if found else []
        await put(post, message(retry_count=retries))
        last = await post.until_over(40, 2000)
        assert last.state in {SmsState.ACCEPTED, SmsState.FAILED}
        assert len(post.twilio.sent) <= retries + 1
        tried = answers[: len(post.twilio.sent)]
        assert all(one == "busy" for one in tried[:-1]), "only what was not taken is tried again"
        assert await post.store.next_sms_at() is None

    asyncio.run(story())
