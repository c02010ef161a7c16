"""Keypad input in the loop's time."""

import asyncio

import pytest

from tieline.agent.messages import DtmfListen
from tieline.calls.listening import KeypadListener
from tieline.media.keypad import MAX_DIGITS, Completion
from tieline.testing.virtual_time import elapse, run_virtual


def collect(
    settings: DtmfListen, presses: list[tuple[float, str]], early: str = ""
) -> tuple[str, Completion, float]:
    """The input, why it was complete, and when; keys are pressed at their seconds."""

    async def story() -> tuple[str, Completion, float]:
        loop = asyncio.get_running_loop()
        listener = KeypadListener(loop)
        for digit in early:
            listener.press(digit)
        assert listener.pressed is bool(early)
        for at, digit in presses:
            loop.call_at(at, listener.press, digit)
        completed = await listener.collect(settings)
        done_at = loop.time()
        await elapse(100)
        return completed.digits, completed.why, round(done_at, 6)

    return run_virtual(story())


FOUR = DtmfListen(num_digits=4)


@pytest.mark.parametrize(
    ("settings", "presses", "early", "expected"),
    [
        (FOUR, [(1, "1"), (2, "2"), (3, "3"), (4, "4")], "", ("1234", Completion.NUM_DIGITS, 4.0)),
        (FOUR, [(1, "1"), (2, "#")], "", ("1", Completion.FINISH_KEY, 2.0)),
        (FOUR, [(1, "#")], "", ("", Completion.FINISH_KEY, 1.0)),
        (FOUR, [(1, "1"), (3.5, "2")], "", ("12", Completion.INTER_DIGIT_TIMEOUT, 6.5)),
        (FOUR, [], "", ("", Completion.FIRST_DIGIT_TIMEOUT, 10.0)),
        (FOUR, [(10.5, "1")], "", ("", Completion.FIRST_DIGIT_TIMEOUT, 10.0)),
        (DtmfListen(finish_on_key=None), [(1, "#")], "", ("#", Completion.INTER_DIGIT_TIMEOUT, 4.0)),
        (DtmfListen(first_digit_timeout=2), [], "", ("", Completion.FIRST_DIGIT_TIMEOUT, 2.0)),
        (DtmfListen(inter_digit_timeout=1), [(1, "5")], "", ("5", Completion.INTER_DIGIT_TIMEOUT, 2.0)),
        (FOUR, [(1, "3"), (2, "4")], "12", ("1234", Completion.NUM_DIGITS, 2.0)),
        (FOUR, [], "12345", ("1234", Completion.NUM_DIGITS, 0.0)),
        (DtmfListen(num_digits=1, early_listening=False), [(1, "9")], "1", ("9", Completion.NUM_DIGITS, 1.0)),
    ],
)
def test_an_input_is_complete_for_its_reason_and_in_its_time(
    settings: DtmfListen,
    presses: list[tuple[float, str]],
    early: str,
    expected: tuple[str, Completion, float],
) -> None:
    assert collect(settings, presses, early) == expected


def test_keys_beyond_one_input_open_the_next() -> None:
    async def story() -> None:
        listener = KeypadListener(asyncio.get_running_loop())
        for digit in "12":
            listener.press(digit)
        one = DtmfListen(num_digits=1)
        assert (await listener.collect(one)).digits == "1"
        assert listener.pressed
        assert (await listener.collect(one)).digits == "2"
        assert not listener.pressed

    run_virtual(story())


def test_keys_that_nobody_collects_are_bounded_and_can_be_forgotten() -> None:
    async def story() -> None:
        listener = KeypadListener(asyncio.get_running_loop())
        for _ in range(10_000):
            listener.press("1")
        assert len(listener._early) == MAX_DIGITS
        listener.forget_early()
        assert not listener.pressed

    run_virtual(story())


def test_a_cancelled_input_leaves_no_timer() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        listener = KeypadListener(loop)
        waiting = asyncio.create_task(listener.collect(FOUR))
        await elapse(1)
        listener.press("1")
        assert listener.pressed
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert listener._deadline._timer is None
        listener.press("2")
        assert listener.pressed
        listener._on_deadline(0.0)

    run_virtual(story())
