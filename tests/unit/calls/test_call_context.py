"""What a call brings besides numbers, and that each value says where it came from."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from tieline.calls.call_context import MAX_VALUES, InviteContext, read_context
from tieline.model.context import ContextOrigin
from tieline.model.conversation import Conversation
from tieline.model.trunk import Trunk
from tieline.sip.message import Headers, Request
from tieline.testing.calls import RESOURCES, Switchboard, play_calls
from tieline.testing.virtual_time import run_virtual

CALLER = '"Bob" <sip:+15557654321@h>;tag=1'


def read(
    profile: str, *headers: tuple[str, str], caller: str | None = "+15557654321", **more: Any
) -> InviteContext:
    trunk = Trunk(name="t", networks=("192.0.2.0/24",), profile=profile, **more)
    request = Request("INVITE", "sip:100@h", Headers([("From", CALLER), *headers]))
    return read_context(request, trunk, caller, frozenset({"x-polyai-auth-token"}))


def flat(context: InviteContext) -> list[tuple[str, object, str, str, str | None]]:
    return [(one.key, one.value, one.origin.value, one.name, one.profile) for one in context.values]


def test_a_call_of_genesys() -> None:
    found = read(
        "genesys",
        ("x-inin-cnv", " 7f3c "),
        ("User-to-User", "00" + b"tier=gold|ani=+15550001".hex() + ";encoding=hex"),
    )
    assert found.shared_id == "7f3c"
    assert flat(found) == [
        ("shared_id", "7f3c", "profile", "x-inin-cnv", "genesys"),
        ("contact_id", " 7f3c ", "profile", "x-inin-cnv", "genesys"),
        ("uui", "tier=gold|ani=+15550001", "uui", "User-to-User", None),
        ("tier", "gold", "uui", "User-to-User", None),
        ("ani", "+15550001", "uui", "User-to-User", None),
        ("inin_cnv", " 7f3c ", "header", "x-inin-cnv", None),
    ]
    assert found.remarks == ()


def test_the_trunks_own_header_for_the_shared_id_comes_first() -> None:
    found = read(
        "five9", ("X-CallID", "c"), ("X-CallSessionID", "s"), ("X-Mine", "m"), shared_id_header="X-Mine"
    )
    assert found.shared_id == "m"
    assert flat(found)[0] == ("shared_id", "m", "header", "X-Mine", None)
    assert read("five9", ("X-CallID", "c"), ("X-CallSessionID", "s")).shared_id == "s"
    assert read("five9", ("X-CallSessionID", "  ")).shared_id is None


def test_the_real_caller_says_which_header_held_it() -> None:
    headers = (("X-ZOOM-ORIGINAL-CALLING-NUMBER", "+15550007"),)
    (value, *_) = read("zoom", *headers, caller="+15550007").values
    assert (value.key, value.value, value.profile) == ("caller_number", "+15550007", "zoom")
    assert all(one.key != "caller_number" for one in read("zoom", *headers, caller=None).values)
    assert read("zoom").values == ()


def test_user_to_user_in_several_forms() -> None:
    two = b"a".hex() + ";encoding=hex, b;encoding=ascii"
    assert [one.value for one in read("generic", ("User-to-User", two)).values] == ["a", "b"]
    packed = json.dumps({"account": 7, "deep": {"x": [1]}})
    found = read("generic", ("X-User-To-User", f"{packed.encode().hex()};encoding=hex"))
    assert {one.key: one.value for one in found.values} == {"uui": packed, "account": 7, "deep": {"x": [1]}}
    (whole,) = read("generic", ("User-to-User", '"{not json";encoding=ascii')).values
    assert (whole.key, whole.value) == ("uui", "{not json")


def test_what_cannot_be_read_is_remarked_upon_and_not_fatal() -> None:
    found = read("generic", ("User-to-User", "xyz;encoding=hex"), ("X-Kept", "1"))
    assert [(one.rule, one.held, one.detail) for one in found.remarks] == [
        ("context", False, "User-to-User: it is said to be hex and is not")
    ]
    assert [one.key for one in found.values] == ["kept"]


def test_a_token_is_no_context() -> None:
    found = read(
        "generic", ("X-PolyAi-Auth-Token", "tok"), ("X-", "x"), shared_id_header="X-PolyAi-Auth-Token"
    )
    assert (found.values, found.shared_id) == ((), None)
    hidden = frozenset({"user-to-user", "x-inin-cnv", "x-user-to-user"})
    trunk = Trunk(name="t", networks=("192.0.2.0/24",), profile="genesys")
    headers = Headers([("From", CALLER), ("User-to-User", "a"), ("x-inin-cnv", "b")])
    assert read_context(Request("INVITE", "sip:100@h", headers), trunk, None, hidden).values == ()


def test_there_is_an_end_to_it() -> None:
    found = read("generic", *((f"X-{number}", "v") for number in range(MAX_VALUES + 5)))
    assert len(found.values) == MAX_VALUES
    assert "5 values are more than" in found.remarks[0].detail


def play(profile: str, *headers: tuple[str, str], attributes: dict[str, Any] | None = None) -> Switchboard:
    async def story(board: Switchboard) -> None:
        number = "100"
        if attributes is not None:
            number = (await board.reservations.reserve("PROJECT-1", attributes=attributes)).number
        leg = board.invite(number, *headers)
        await board.hear("Welcome.")
        board.hang_up(leg)

    trunk = replace(RESOURCES.trunks[0], profile=profile)
    return play_calls(story, resources=replace(RESOURCES, trunks=(trunk,)))


def stored(board: Switchboard) -> Conversation:
    (found,) = run_virtual(board.conversations())
    return found


def test_a_call_has_its_context_in_conv_and_in_its_record() -> None:
    board = play(
        "five9", ("X-CallSessionID", "s-1"), ("X-CallANI", "555 000-1234"), ("User-to-User", "!;encoding=hex")
    )
    snapshot = board.agent.runs[0].conversation
    assert snapshot.caller_number == "5550001234"
    assert snapshot.context[0] == {
        "key": "shared_id", "value": "s-1", "origin": "profile", "name": "X-CallSessionID", "profile": "five9",
    }  # fmt: skip
    opened = stored(board).opened
    assert (opened.shared_id, opened.caller_number) == ("s-1", "5550001234")
    assert [one.key for one in opened.context] == [
        "shared_id", "caller_number", "callsessionid", "callani",
    ]  # fmt: skip
    assert {rule["rule"]: rule["held"] for rule in opened.rules}["context"] is False
    assert {rule["rule"]: rule["held"] for rule in opened.rules}["caller"] is True


def test_a_reservations_attributes_come_first_and_name_the_shared_id() -> None:
    board = play("genesys", ("x-inin-cnv", "cnv"), attributes={"shared_id": "mine", "tier": "gold"})
    opened = stored(board).opened
    assert opened.shared_id == "mine"
    whole = opened.whole_context()
    assert [(one.key, one.value, one.origin) for one in whole[:3]] == [
        ("shared_id", "mine", ContextOrigin.RESERVATION),
        ("tier", "gold", ContextOrigin.RESERVATION),
        ("shared_id", "cnv", ContextOrigin.PROFILE),
    ]
    brought = board.agent.runs[0].conversation.context
    assert "tier" not in {value["key"] for value in brought}
