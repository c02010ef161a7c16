"""The log of one run."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from tieline.agent.journal import MAX_CHARACTERS, MAX_ENTRIES, MAX_LINE, Journal, JournalWriter
from tieline.agent.messages import LogEntry


def test_fields_are_json_whatever_is_logged() -> None:
    journal = Journal()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    journal.add(
        "info", 42, fields={"a": [1, (2,)], "b": moment, "c": math.nan, "d": None, "e": 1.5, "f": "x"}
    )
    [entry] = journal.close()
    assert entry == LogEntry(
        level="info",
        content="42",
        fields={"a": [1, [2]], "b": repr(moment), "c": "nan", "d": None, "e": 1.5, "f": "x"},
    )


def test_withheld_texts_are_struck_out_everywhere() -> None:
    journal = Journal(["s3cret", "12"])
    journal.add("info", "the s3cret is 12", fields={"text": "s3cret", "list": ["s3cret"], "number": 12})
    [entry] = journal.close()
    assert "s3cret" not in repr(entry)
    assert entry.content == "the [withheld] is 12", "two characters are too few to tell from ordinary text"


def test_a_flood_is_cut_and_says_so() -> None:
    journal = Journal()
    for index in range(MAX_ENTRIES + 5):
        journal.add("info", f"line {index}")
    entries = journal.close()
    assert len(entries) == MAX_ENTRIES + 1
    assert entries[-1].content == "5 further log lines were left out."


def test_the_size_of_all_lines_is_bounded() -> None:
    journal = Journal()
    for _ in range(200):
        journal.add("info", "x" * MAX_LINE, fields={"y": "z" * MAX_LINE})
    assert sum(len(entry.content) for entry in journal.close()) < MAX_CHARACTERS + 2 * MAX_LINE
    assert journal.dropped > 0


def test_long_lines_are_cut_and_unstorable_text_replaced() -> None:
    journal = Journal()
    journal.add("info", "x" * (MAX_LINE + 1))
    journal.add("info", "half a pair: \ud800")
    cut, replaced = journal.close()
    assert cut.content == "x" * MAX_LINE + "..."
    assert replaced.content == "half a pair: ?"


def test_large_fields_become_text() -> None:
    journal = Journal()
    journal.add("info", "x", fields={"big": list(range(5_000))})
    [entry] = journal.close()
    assert isinstance(entry.fields["big"], str)
    assert len(entry.fields["big"]) <= MAX_LINE + 3


def test_printed_text_is_logged_line_by_line() -> None:
    journal = Journal()
    writer = JournalWriter(journal)
    assert writer.writable()
    assert writer.write("one\n\ntw") == 7
    writer.write("o\nthree")
    writer.finish()
    writer.finish()
    assert [(entry.level, entry.content) for entry in journal.close()] == [
        ("print", "one"),
        ("print", "two"),
        ("print", "three"),
    ]


def test_a_line_without_end_is_bounded() -> None:
    journal = Journal()
    writer = JournalWriter(journal)
    for _ in range(100):
        writer.write("x" * MAX_LINE)
    writer.finish()
    [entry] = journal.close()
    assert len(entry.content) <= 2 * MAX_LINE
