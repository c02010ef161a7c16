"""Tokens of templates: how they are written, and where their values come from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.model.sms_tokens import Filled, Token, fill_tokens, tokens_of

ATTRIBUTES: dict[str, Any] = {"tier": "gold", "order": {"id": 7, "paid": True}, "list": [1]}
VARIABLES: dict[str, Any] = {"name": "Ann", "empty": "", "none": None, "tier": "silver"}


@pytest.mark.parametrize(
    ("content", "text", "missing"),
    [
        ("Hi $name", "Hi Ann", ()),
        ("Hi ${name}s", "Hi Anns", ()),
        ("{{vrbl:name}} {{ attr : tier }} $tier", "Ann gold silver", ()),
        ("{{attr:order.id}} {{vrbl:order.paid}}", "7 true", ()),
        ("[$empty]", "[]", ()),
        ("5 $ or $5 or $$name", "5 $ or $5 or $Ann", ()),
        ("$none $nobody $none", "$none $nobody $none", ("$none", "$nobody")),
        ("{{attr:name}}", "{{attr:name}}", ("{{attr:name}}",)),
        ("{{attr:list}} {{attr:order}}", "{{attr:list}} {{attr:order}}", ("{{attr:list}}", "{{attr:order}}")),
        ("{{attr:tier.id}}", "{{attr:tier.id}}", ("{{attr:tier.id}}",)),
        ("{{fn:x}} {{}}", "{{fn:x}} {{}}", ("{{fn:x}}", "{{}}")),
    ],
)
def test_tokens_are_filled_or_told(content: str, text: str, missing: tuple[str, ...]) -> None:
    assert fill_tokens(content, ATTRIBUTES, VARIABLES) == Filled(text=text, missing=missing)


def test_values_are_not_looked_at_for_tokens() -> None:
    assert fill_tokens("$a", {}, {"a": "$b {{attr:c}}"}).text == "$b {{attr:c}}"


def test_tokens_are_listed_as_written() -> None:
    assert tokens_of("a {{attr:x.y}} $b {{ho:desk}}") == (
        Token(written="{{attr:x.y}}", kind="attr", name="x.y"),
        Token(written="$b", kind="vrbl", name="b"),
        Token(written="{{ho:desk}}", kind=None, name="ho:desk"),
    )


@given(st.text(), st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_any_text_can_be_filled(content: str, attributes: dict[str, str], variables: dict[str, str]) -> None:
    filled = fill_tokens(content, attributes, variables)
    assert set(filled.missing) <= {token.written for token in tokens_of(content)}
