"""Custom headers: what may go on the wire, how variables are filled, and that nothing slips through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.handoff.headers import (
    MAX_HEADERS,
    MAX_VALUE_LENGTH,
    fill_headers,
    name_fault,
    value_fault,
    variables_of,
)
from tieline.model.profile import HeaderLimits


def test_variables_are_filled_from_the_state() -> None:
    filled = fill_headers(
        [("X-contained", "$contained"), ("X-to", "queue-${queue}-$level"), ("X-plain", "as is")],
        {},
        {"contained": True, "queue": "billing", "level": 2},
    )
    assert filled.headers == (("X-contained", "true"), ("X-to", "queue-billing-2"), ("X-plain", "as is"))
    assert filled.left_out == ()


@pytest.mark.parametrize("value", [None, "", {"a": 1}, [1]])
def test_a_header_whose_variable_has_no_plain_value_is_left_out_and_noted(value: object) -> None:
    filled = fill_headers([("X-a", "$gone"), ("X-b", "kept")], {}, {"gone": value})
    assert filled.headers == (("X-b", "kept"),)
    assert filled.left_out == (("X-a", "$gone has no value that fits a header"),)


def test_a_bad_name_is_quoted_also_when_its_variable_is_missing() -> None:
    assert fill_headers([("\x1f", "$gone")], {}, {}).left_out[0][0] == repr("\x1f")


def test_headers_in_code_override_configured_ones_without_regard_to_case_and_are_literal() -> None:
    filled = fill_headers(
        [("X-Destination", "$missing"), ("X-keep", "1")], {"x-destination": "$5 queue", "X-new": "2"}, {}
    )
    assert filled.headers == (("x-destination", "$5 queue"), ("X-keep", "1"), ("X-new", "2"))
    assert filled.left_out == ()


@pytest.mark.parametrize("name", ["Via", "call-id", "CONTACT", "v", "Content-Length", "Refer-To"])
def test_headers_of_the_stack_cannot_be_set(name: str) -> None:
    assert name_fault(name) == "the name is reserved for the SIP stack"
    filled = fill_headers([], {name: "x"}, {})
    assert filled.headers == ()
    assert filled.left_out == ((name, "the name is reserved for the SIP stack"),)


@pytest.mark.parametrize("name", ["", "X a", "X:a", "X-ä", "X-a\r\nVia", "X\0"])
def test_names_that_are_no_tokens_are_refused(name: str) -> None:
    assert name_fault(name) == "the name is not a SIP token"
    assert fill_headers([(name, "x")], {}, {}).left_out == ((repr(name), "the name is not a SIP token"),)


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\nb", "a\0b", "a\x7fb", "a\ud800"])
def test_control_characters_never_pass(value: str) -> None:
    assert value_fault(value) == "the value holds a control character"
    by_code = fill_headers([], {"X-a": value}, {})
    by_variable = fill_headers([("X-a", "$v")], {}, {"v": value})
    for filled in (by_code, by_variable):
        assert filled.headers == ()
        assert filled.left_out == (("X-a", "the value holds a control character"),)


def test_values_have_a_length_limit() -> None:
    assert value_fault("x" * MAX_VALUE_LENGTH) is None
    assert value_fault("x" * (MAX_VALUE_LENGTH + 1)) == "the value is longer than 1024 characters"


def test_there_is_a_limit_to_their_number() -> None:
    filled = fill_headers([(f"X-{number}", "v") for number in range(MAX_HEADERS + 1)], {}, {})
    assert len(filled.headers) == MAX_HEADERS
    assert filled.left_out == (
        (f"X-{MAX_HEADERS}", "there are 40 headers already, which is the most that go along"),
    )


def test_headers_over_the_budget_are_left_out_from_the_end() -> None:
    limits = HeaderLimits(count=2)
    filled = fill_headers([("X-a", "1"), ("Reason", "x"), ("X-b", "2")], {"X-c": "3", "X-d": "4"}, {}, limits)
    assert [name for name, _ in filled.headers] == ["X-a", "Reason", "X-b"]
    why = "there are 2 headers already, which is the most that go along"
    assert filled.left_out == (("X-c", why), ("X-d", why))


def test_a_total_length_is_kept_to() -> None:
    filled = fill_headers([("X-a", "1234"), ("X-b", "1"), ("X-c", "")], {}, {}, HeaderLimits(total_length=14))
    assert filled.headers == (("X-a", "1234"), ("X-b", "1"))[:1]
    assert [name for name, _ in filled.left_out] == ["X-b", "X-c"]
    assert filled.left_out[0][1] == "the peer takes at most 14 bytes of custom headers"


def test_values_that_the_peer_would_lose_are_left_out() -> None:
    limits = HeaderLimits(value_length=3, ascii_only=True)
    filled = fill_headers([("X-a", "abcd"), ("X-b", "ä"), ("X-c", "abc")], {}, {}, limits)
    assert filled.headers == (("X-c", "abc"),)
    assert filled.left_out == (
        ("X-a", "the value is longer than the 3 characters that the peer lets through"),
        ("X-b", "the value is not plain ASCII, which is all that the peer lets through"),
    )


def test_a_prefix_is_for_warnings_only() -> None:
    assert fill_headers([("Caller", "1")], {}, {}, HeaderLimits(prefix="X-")).left_out == ()


def test_variable_names_are_listed_in_order() -> None:
    assert variables_of("a $b ${c_1}$d, 5$ $9") == ("b", "c_1", "d")


@given(
    configured=st.lists(st.tuples(st.text(max_size=12), st.text(max_size=30)), max_size=5),
    given_headers=st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=5),
    variables=st.dictionaries(
        st.text(max_size=5), st.text() | st.integers() | st.booleans() | st.none(), max_size=5
    ),
)
def test_nothing_that_could_split_a_message_ever_passes(
    configured: list[tuple[str, str]], given_headers: dict[str, str], variables: dict[str, object]
) -> None:
    filled = fill_headers(configured, given_headers, variables)
    for name, value in filled.headers:
        assert name_fault(name) is None
        assert not any(character in value for character in "\r\n\0")
    for name, reason in filled.left_out:
        assert name.isprintable()
        assert reason
