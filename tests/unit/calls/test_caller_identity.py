"""Who is calling: what trusted trunks say of it, and who is told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.calls.bridge_parts import OUT, ask_for_a_human, board_parts, joined, leave
from tieline.calls.call_context import read_context
from tieline.calls.caller_identity import ANONYMOUS, ShownCaller, asserted_caller, is_withheld, shown_caller
from tieline.model.trunk import AssertIdentity, CallerSource, Trunk
from tieline.sip.message import Headers, Request
from tieline.testing.calls import RESOURCES, Switchboard, play_calls

PAI_HEADER = "P-Asserted-Identity"
NUMBER = "+15557654321"
KNOWN = f"<sip:{NUMBER}@192.0.2.10>"
PLAIN = Trunk(name="t", networks=())
PAI = replace(PLAIN, caller_from=CallerSource.PAI, assert_identity=AssertIdentity.PAI)
RPID = replace(PLAIN, caller_from=CallerSource.RPID, assert_identity=AssertIdentity.RPID)
OURS = f"<sip:{NUMBER}@198.51.100.1>"


def invite(*headers: tuple[str, str], caller: str = ANONYMOUS) -> Request:
    return Request("INVITE", "sip:100@h", Headers([("From", f"{caller};tag=1"), *headers]))


@pytest.mark.parametrize(
    ("trunk", "headers", "found"),
    [
        (PLAIN, [(PAI_HEADER, KNOWN)], None),
        (PAI, [], None),
        (PAI, [(PAI_HEADER, KNOWN)], (NUMBER, PAI_HEADER)),
        (PAI, [(PAI_HEADER, f'"Doe, J" <sip:{NUMBER}@h>, <tel:+15550000000>')], (NUMBER, PAI_HEADER)),
        (PAI, [(PAI_HEADER, "<sip:desk@h>"), (PAI_HEADER, f"<tel:{NUMBER}>")], (NUMBER, PAI_HEADER)),
        (PAI, [(PAI_HEADER, ANONYMOUS), ("Remote-Party-ID", KNOWN)], None),
        (RPID, [("Remote-Party-ID", f"{KNOWN};party=calling;screen=yes")], (NUMBER, "Remote-Party-ID")),
    ],
)  # fmt: skip
def test_what_a_trusted_trunk_says(
    trunk: Trunk, headers: list[tuple[str, str]], found: tuple[str, str] | None
) -> None:
    assert asserted_caller(invite(*headers), trunk) == found


@pytest.mark.parametrize(
    ("trunk", "caller", "headers", "withheld"),
    [
        (PLAIN, KNOWN, [], False),
        (PLAIN, KNOWN, [("Privacy", "none")], False),
        (PLAIN, KNOWN, [("Privacy", "id")], True),
        (PLAIN, KNOWN, [("Privacy", "critical; User")], True),
        (PLAIN, KNOWN, [("Privacy", "session"), ("Privacy", "header")], True),
        (PLAIN, ANONYMOUS, [], True),
        (PLAIN, '"Anonymous" <sip:anonymous@sbc.example>', [], True),
        (PLAIN, "<sip:restricted@sbc.example>", [], True),
        (PLAIN, "<sip:contact-centre@sbc.example>", [], False),
        (PLAIN, "<sip:sbc.example>", [], False),
        (PLAIN, KNOWN, [("Remote-Party-ID", f"{KNOWN};privacy=full")], False),
        (RPID, KNOWN, [("Remote-Party-ID", f"{KNOWN};party=calling; privacy=full")], True),
        (RPID, KNOWN, [("Remote-Party-ID", f'{KNOWN};privacy="uri"')], True),
        (RPID, KNOWN, [("Remote-Party-ID", f"{KNOWN};privacy=off")], False),
    ],
)
def test_who_wants_to_be_nobody(
    trunk: Trunk, caller: str, headers: list[tuple[str, str]], withheld: bool
) -> None:
    assert is_withheld(invite(*headers, caller=caller), trunk) is withheld


@pytest.mark.parametrize(
    ("trunk", "withheld", "shown"),
    [
        (PLAIN, False, ShownCaller(OURS)),
        (PLAIN, True, ShownCaller(ANONYMOUS)),
        (PAI, False, ShownCaller(OURS, (("P-Asserted-Identity", OURS),))),
        (PAI, True, ShownCaller(ANONYMOUS, (("P-Asserted-Identity", OURS), ("Privacy", "id")))),
        (RPID, False, ShownCaller(OURS, (("Remote-Party-ID", f"{OURS};party=calling;screen=yes;privacy=off"),))),
        (RPID, True, ShownCaller(ANONYMOUS, (("Remote-Party-ID", f"{OURS};party=calling;screen=yes;privacy=full"),))),
    ],
)  # fmt: skip
def test_who_is_told(trunk: Trunk, withheld: bool, shown: ShownCaller) -> None:
    assert shown_caller(NUMBER, None, trunk, "198.51.100.1", withheld=withheld) == shown


def test_another_number_is_shown_whatever_the_caller_wants() -> None:
    shown = shown_caller(NUMBER, "+15550009999", PAI, "2001:db8::1", withheld=True)
    address = "<sip:+15550009999@[2001:db8::1]>"
    assert shown == ShownCaller(address, (("P-Asserted-Identity", address),))


def test_headers_of_the_handoff_go_first() -> None:
    shown = shown_caller(NUMBER, None, PAI, "h", withheld=True, given={"p-asserted-identity"})
    assert shown.headers == (("Privacy", "id"),)


def test_nobody_is_nobody() -> None:
    assert shown_caller(None, None, PAI, "h", withheld=True) == ShownCaller(ANONYMOUS)


@pytest.mark.parametrize("privacy", [[], [("Privacy", "id")]])
def test_from_one_trusted_trunk_to_another(privacy: list[tuple[str, str]]) -> None:
    async def whole(board: Switchboard) -> None:
        board.invite(
            "100", ("P-Asserted-Identity", KNOWN), *privacy, caller=ANONYMOUS if privacy else "<sip:x@h>"
        )
        await board.hear("Welcome.")
        board.media.press("1#", leg="")
        await joined(board)
        leave(board)

    inbound, *rest = RESOURCES.trunks
    trunks = (
        replace(inbound, caller_from=CallerSource.PAI), *rest, replace(OUT, assert_identity=AssertIdentity.PAI),
    )  # fmt: skip
    board = play_calls(whole, **board_parts() | {"resources": replace(RESOURCES, trunks=trunks)})
    (sent,) = board.sip.invites
    assert sent.from_ == (ANONYMOUS if privacy else OURS)
    assert sent.headers["P-Asserted-Identity"] == OURS
    assert sent.headers.get("Privacy") == ("id" if privacy else None)


def test_an_untrusting_trunk_is_told_nothing_more() -> None:
    async def whole(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        leave(board)

    (sent,) = play_calls(whole, **board_parts()).sip.invites
    assert "P-Asserted-Identity" not in sent.headers


def test_whom_the_call_was_diverted_from() -> None:
    diverted = ("Diversion", "<sip:+15550002222@h>;reason=no-answer")
    history = ("History-Info", "<sip:+15550002222@h>;index=1, <sip:100@h>;index=1.1")
    found = read_context(invite(diverted, history), PLAIN, None, frozenset())
    assert [(one.key, one.value) for one in found.values] == [
        ("diversion", diverted[1]), ("diverted_from", "+15550002222"), ("history_info", history[1]),
    ]  # fmt: skip
    hidden = read_context(invite(diverted, history), PLAIN, None, frozenset({"diversion"}))
    assert [one.key for one in hidden.values] == ["history_info"]
    unread = read_context(invite(("Diversion", "<sip:desk@h>")), PLAIN, None, frozenset())
    assert [one.key for one in unread.values] == ["diversion"]
