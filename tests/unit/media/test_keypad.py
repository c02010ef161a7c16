"""Keypad input: every way in which an input becomes complete."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.agent.messages import DtmfListen
from tieline.media.keypad import MAX_DIGITS, Completed, Completion, KeypadCollector


@dataclass(frozen=True)
class Settings:
    num_digits: int | None = None
    first_digit_timeout: float = 10.0
    inter_digit_timeout: float = 3.0
    finish_on_key: str | None = "#"
    early_listening: bool = True


def type_in(collector: KeypadCollector, keys: str, now: float = 0.0) -> Completed | None:
    for key in keys:
        completed = collector.press(key, now)
        if completed is not None:
            return completed
    return None


def test_the_settings_of_an_agent_fit() -> None:
    collector = KeypadCollector(DtmfListen(num_digits=1), 0.0)
    assert collector.press("5", 1.0) == Completed("5", Completion.NUM_DIGITS)


def test_complete_at_so_many_digits() -> None:
    collector = KeypadCollector(Settings(num_digits=3), 0.0)
    before = collector.started
    assert type_in(collector, "12") is None
    assert (before, collector.started) == (False, True)
    assert collector.digits == "12"
    assert collector.press("3", 0.0) == Completed("123", Completion.NUM_DIGITS)
    assert collector.deadline is None


def test_complete_at_the_finish_key_which_is_no_part_of_it() -> None:
    assert type_in(KeypadCollector(Settings(num_digits=9), 0.0), "12#") == Completed(
        "12", Completion.FINISH_KEY
    )
    assert type_in(KeypadCollector(Settings(), 0.0), "#") == Completed("", Completion.FINISH_KEY)


@pytest.mark.parametrize("finish", [None, "", "*"])
def test_without_a_finish_key_the_hash_is_a_digit(finish: str | None) -> None:
    assert type_in(KeypadCollector(Settings(num_digits=2, finish_on_key=finish), 0.0), "1#") == Completed(
        "1#", Completion.NUM_DIGITS
    )


def test_the_first_digit_is_waited_for() -> None:
    collector = KeypadCollector(Settings(), 100.0)
    assert collector.deadline == 110.0
    assert collector.on_deadline(109.9) is None
    assert collector.on_deadline(110.0) == Completed("", Completion.FIRST_DIGIT_TIMEOUT)
    assert collector.on_deadline(111.0) is None


def test_each_further_digit_is_waited_for() -> None:
    collector = KeypadCollector(Settings(), 100.0)
    collector.press("1", 105.0)
    assert collector.deadline == 108.0
    collector.press("2", 107.0)
    assert collector.deadline == 110.0
    assert collector.on_deadline(108.0) is None
    assert collector.on_deadline(110.0) == Completed("12", Completion.INTER_DIGIT_TIMEOUT)


def test_nothing_counts_after_the_end() -> None:
    collector = KeypadCollector(Settings(num_digits=1), 0.0)
    collector.press("1", 0.0)
    assert collector.press("2", 0.0) is None
    assert collector.digits == "1"


def test_keys_pressed_while_the_agent_speaks_count() -> None:
    collector = KeypadCollector(Settings(num_digits=2), 0.0, speaking=True)
    assert collector.on_deadline(99.0) is None
    collector.press("1", 5.0)
    assert collector.deadline == 8.0
    collector.listen(6.0)
    assert collector.deadline == 8.0
    assert collector.press("2", 7.0) == Completed("12", Completion.NUM_DIGITS)


def test_keys_pressed_while_the_agent_speaks_may_be_ignored() -> None:
    collector = KeypadCollector(Settings(num_digits=1, early_listening=False), 0.0, speaking=True)
    assert collector.press("1", 5.0) is None
    assert collector.digits == ""
    collector.listen(6.0)
    collector.listen(9.0)
    assert collector.deadline == 16.0
    assert collector.press("2", 7.0) == Completed("2", Completion.NUM_DIGITS)


def test_listening_after_an_early_end_waits_for_nothing() -> None:
    collector = KeypadCollector(Settings(), 0.0, speaking=True)
    assert collector.press("#", 1.0) == Completed("", Completion.FINISH_KEY)
    collector.listen(2.0)
    assert collector.deadline is None
    assert collector.started


def test_an_endless_input_is_ended() -> None:
    completed = type_in(KeypadCollector(Settings(), 0.0), "1" * 1000)
    assert completed == Completed("1" * MAX_DIGITS, Completion.TOO_LONG)


def test_the_digits_do_not_show_in_a_log() -> None:
    assert "123" not in repr(Completed("123", Completion.NUM_DIGITS))


@given(
    st.builds(
        Settings,
        num_digits=st.none() | st.integers(1, 8),
        finish_on_key=st.sampled_from([None, "", "#", "*"]),
        early_listening=st.booleans(),
    ),
    st.lists(st.tuples(st.sampled_from("0123456789*#"), st.floats(0, 5)), max_size=30),
)
def test_an_input_completes_once_and_holds_what_was_typed(
    settings: Settings, presses: list[tuple[str, float]]
) -> None:
    collector = KeypadCollector(settings, 0.0)
    now, completions = 0.0, []
    for key, pause in presses:
        now += pause
        completions += [done for done in (collector.on_deadline(now), collector.press(key, now)) if done]
    typed = "".join(key for key, _ in presses)
    assert len(completions) <= 1
    for completed in completions:
        assert typed.startswith(completed.digits)
        assert settings.num_digits is None or len(completed.digits) <= settings.num_digits
