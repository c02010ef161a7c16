"""The linter: what will not get through, per destination and trunk, with what to do about it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.handoff.parts import dialect
from tieline.handoff.check import CheckLevel, Endpoint, HandoffFinding, check_destination
from tieline.handoff.plan import MAX_RUNGS
from tieline.model.handoff import Destination, HandoffMethod, Rung, SipConfig, SipHeader
from tieline.model.profile import Dialect, HeaderLimits, UuiEncoding
from tieline.model.trunk import Encryption, Transport, Trunk

REFER, INVITE, BYE = HandoffMethod.REFER, HandoffMethod.INVITE, HandoffMethod.BYE
TRUNK = Trunk(name="main", networks=("192.0.2.0/24",), target="sbc.example.com")
SECURE = Endpoint(trunk=replace(TRUNK, name="secure"), dialect=dialect(transport=Transport.TLS))
PLAIN = Endpoint(trunk=replace(TRUNK, name="plain"), dialect=dialect(name="plainpbx"))
NOWHERE = Endpoint(trunk=replace(TRUNK, name="nowhere", target=None), dialect=dialect())
REFUSES = Endpoint(
    trunk=replace(TRUNK, name="clear"),
    dialect=dialect(transport=Transport.TLS, encryption=Encryption.REFUSED),
)
INSISTS = Endpoint(
    trunk=replace(TRUNK, name="strict"),
    dialect=dialect(transport=Transport.TLS, encryption=Encryption.REQUIRED),
)
ENDPOINTS = {each.trunk.name: each for each in (SECURE, PLAIN, NOWHERE, REFUSES, INSISTS)}


def destination(method: HandoffMethod = REFER, *headers: tuple[str, str], **fields: Any) -> Destination:
    config = {key: value for key, value in fields.items() if key in SipConfig.__struct_fields__}
    others = {key: value for key, value in fields.items() if key not in config}
    if method is not BYE:
        config.setdefault("phone_number", "sip:sales@example.com")
    return Destination(
        name="sales",
        sip_config=SipConfig(method=method, **config),
        sip_headers=tuple(SipHeader(key=key, value=value) for key, value in headers),
        **{"fallback": (), **others},
    )


def said(
    target: Destination,
    on: Dialect | None = None,
    others: tuple[Destination, ...] = (),
    trunk: Trunk = TRUNK,
    endpoints: dict[str, Endpoint] | None = ENDPOINTS,
) -> list[tuple[str, str]]:
    found = check_destination(target, (target, *others), trunk, on or dialect(), endpoints)
    assert all(each.fix and each.destination == "sales" and each.trunk == "main" for each in found)
    return [(each.level.value, each.message) for each in found]


def test_what_is_well_leaves_nothing_to_say() -> None:
    assert said(destination()) == []
    assert said(destination(BYE, ("X-a", "$caller_number"))) == []
    assert said(destination(INVITE, outbound_endpoint="secure")) == []
    assert said(destination(INVITE, outbound_endpoint="plain", outbound_encryption="UDP/RTP")) == []


def test_a_finding_names_the_place_and_the_fix_worst_first() -> None:
    target = destination(REFER, ("Caller", "$queue"), ("Via", "x"))
    found = check_destination(target, (target,), TRUNK, dialect(headers=HeaderLimits()))
    assert found[0] == HandoffFinding(
        level=CheckLevel.ERROR,
        destination="sales",
        trunk="main",
        message="'Via' is not sent: the name is reserved for the SIP stack",
        fix="change the header",
    )
    assert [each.level.value for each in found] == ["error", "warning", "info"]
    assert found[1].fix == "name it X-Caller"


NO_REFER = dialect(name="agentforce", refer={"supported": False})


def test_refer_where_it_is_refused() -> None:
    assert said(destination(), NO_REFER) == [("error", "agentforce refuses REFER")]
    then_bye = destination(fallback=(Rung(method=BYE),))
    assert said(then_bye, NO_REFER) == [
        ("warning", "agentforce refuses REFER, so the ladder begins with its next step")
    ]
    later = destination(INVITE, outbound_endpoint="secure", fallback=(Rung(method=REFER),))
    assert said(later, NO_REFER) == [
        ("error", "step 1 of the destination's ladder: agentforce refuses REFER")
    ]


@pytest.mark.parametrize(
    ("target", "on", "expected"),
    [
        (destination(phone_number=None), None, ("warning", "refer has no route")),
        (destination(phone_number=None, is_default=True), None, ("error", "refer has no route")),
        (
            destination(INVITE, phone_number=None, outbound_endpoint="secure"),
            None,
            ("warning", "invite has no route"),
        ),
        (
            destination(phone_number="a b<"),
            None,
            (
                "error",
                (
                    "the route 'a b<' cannot be used: it is empty, too long, or holds blanks, quotes, brackets or "
                    "control characters"
                ),
            ),
        ),
        (
            destination(phone_number="tel:+15550100"),
            dialect(name="genesys", refer={"tel": False}),
            ("error", "genesys does not take a tel: URI in Refer-To"),
        ),
        (
            destination(phone_number="1001"),
            None,
            ("info", "1001 becomes a SIP URI at whatever host the peer's Contact names"),
        ),
        (
            destination(phone_number="sip:a@b?X-a=1"),
            dialect(refer={"uri_headers": False}),
            ("warning", "generic drops the headers inside Refer-To"),
        ),
        (destination(BYE, phone_number="1001"), None, ("warning", "a BYE has no route")),
    ],
)
def test_routes(target: Destination, on: Dialect | None, expected: tuple[str, str]) -> None:
    assert said(target, on) == [expected]


def test_routes_that_are_well() -> None:
    assert said(destination(phone_number="tel:+15550100")) == []
    assert said(destination(phone_number="1001"), dialect(refer_domain="pbx.example.com")) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"outbound_endpoint": "gone"}, ("error", "there is no trunk 'gone'")),
        (
            {"outbound_endpoint": "nowhere"},
            ("error", "the trunk nowhere has no target, so it cannot be called"),
        ),
        (
            {},
            ("error", "the leg is to be TLS/SRTP, and the trunk main is reached by UDP"),
        ),
        (
            {"outbound_endpoint": "plain", "outbound_encryption": "TLS/SRTP"},
            ("error", "the leg is to be TLS/SRTP, and the trunk plain is reached by UDP"),
        ),
        (
            {"outbound_endpoint": "clear"},
            ("error", "the leg is to be TLS/SRTP, and the trunk clear refuses SRTP"),
        ),
        (
            {"outbound_endpoint": "strict", "outbound_encryption": "UDP/RTP"},
            ("error", "the trunk strict insists on SRTP, and the leg is to be UDP/RTP"),
        ),
        (
            {"outbound_endpoint": "secure", "accept_key": "1"},
            ("warning", "the human has to press 1 and is not told so"),
        ),
        (
            {"outbound_endpoint": "secure", "ring_timeout_s": 200.0},
            ("warning", "it may ring for 200 s, and proxies give up after 180"),
        ),
    ],
)
def test_invites(config: dict[str, Any], expected: tuple[str, str]) -> None:
    assert said(destination(INVITE, **config)) == [expected]


def test_more_about_invites() -> None:
    short = dialect(session_expires_s=90)
    assert said(destination(INVITE, outbound_endpoint="secure", ring_timeout_s=120.0), short) == [
        ("warning", "it may ring for 120 s, longer than the caller's session of 90 s")
    ]
    unreachable = replace(TRUNK, target=None)
    assert said(destination(INVITE), trunk=unreachable) == [
        ("error", "the trunk main has no target, so it cannot be called")
    ]
    assert said(destination(INVITE, outbound_endpoint="gone"), endpoints=None) == []
    whispered = destination(INVITE, outbound_endpoint="secure", accept_key="1", whisper="Press 1.")
    assert said(whispered) == []
    assert said(destination(BYE, whisper="w", accept_key="1")) == [
        ("warning", "without invite there is no use for whisper, accept_key")
    ]


def test_headers_over_the_budget_are_named() -> None:
    five9 = dialect(name="five9", headers=HeaderLimits(count=10))
    many = destination(BYE, *((f"X-{number}", "1") for number in range(12)), ("Reason", "x"))
    assert said(many, five9) == [
        ("error", "12 headers are more than the 10 that get through; left out: X-10, X-11")
    ]
    assert said(many, dialect(max_headers=12)) == []
    long = destination(BYE, ("X-a", "1234567890"))
    assert said(long, dialect(headers=HeaderLimits(total_length=10))) == [
        ("error", "the headers take 15 bytes, and 10 get through")
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("X a", "1"), ("error", "'X a' is not sent: the name is not a SIP token")),
        (("X-a", "1\n2"), ("error", "'X-a' is not sent: the value holds a control character")),
        (
            ("X-a", "ü"),
            (
                "error",
                "'X-a' is not sent: the value is not plain ASCII, which is all that the peer lets through",
            ),
        ),
        (
            ("X-a", "1234567"),
            (
                "error",
                "'X-a' is not sent: the value is longer than the 6 characters that the peer lets through",
            ),
        ),
        (("Caller", "1"), ("warning", "Caller does not begin with X-, and may get lost on the way")),
        (("X-a", "$a$b"), ("info", "X-a is left out when the state has no a or no b")),
    ],
)
def test_single_headers(header: tuple[str, str], expected: tuple[str, str]) -> None:
    strict = dialect(headers=HeaderLimits(value_length=6, ascii_only=True))
    assert said(destination(BYE, header), strict) == [expected]


def test_standard_names_need_no_prefix() -> None:
    strict = dialect(headers=HeaderLimits())
    assert said(destination(BYE, ("Reason", "x"), ("User-to-User", "y")), strict) == []
    assert said(destination(BYE, ("Caller", "y")), dialect(headers=HeaderLimits(prefix=None))) == []


def test_the_way_that_headers_go() -> None:
    assert said(destination(BYE, ("X-a", "1")), dialect(name="p", bye_headers=False)) == [
        ("warning", "p does not read the headers of a BYE")
    ]
    assert said(destination(BYE), dialect(bye_headers=False)) == []
    inside = dialect(name="p", refer={"custom_headers": False})
    assert said(destination(REFER, ("X-a", "1")), inside) == [
        ("info", "the headers go inside Refer-To, where p reads them")
    ]
    assert said(destination(), inside) == []
    lost = dialect(name="p", refer={"custom_headers": False, "uri_headers": False})
    assert said(destination(REFER, ("X-a", "1")), lost) == [("warning", "p drops the headers of a REFER")]


def test_user_to_user_where_it_is_read() -> None:
    genesys = dialect(name="genesys", refer={"uui": UuiEncoding.HEX, "custom_headers": False})
    assert said(destination(), genesys) == [("info", "genesys reads User-to-User in Refer-To")]
    assert said(destination(REFER, ("user-to-user", "x")), genesys) == []


def test_user_to_user_has_a_length() -> None:
    short = dialect(refer={"uui": UuiEncoding.HEX, "uui_length": 4})
    assert said(destination(REFER, ("User-to-User", "12345")), short) == [
        ("warning", "User-to-User is longer than the 4 characters that are known to arrive")
    ]
    assert said(destination(REFER, ("User-to-User", "1234")), short) == []


def test_names_that_the_peer_keeps_and_names_that_come_twice() -> None:
    genesys = dialect(name="genesys", headers=HeaderLimits(reserved=("x-inin",)))
    assert said(destination(BYE, ("X-Inin-Id", "1"), ("X-a", "1"), ("x-A", "2")), genesys) == [
        ("error", "genesys keeps names like X-Inin-Id for itself"),
        ("warning", "x-A is there twice, and peers read one of them"),
    ]


DESK = replace(destination(BYE), name="desk")


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        ((Rung(destination="gone"),), ["step 1 of the destination's ladder: there is no destination 'gone'"]),
        (
            (Rung(destination="desk"), Rung(method=INVITE)),
            ["step 2 of the destination's ladder: it is never reached, for after a BYE the call is over"],
        ),
        ((Rung(),), ["step 1 of the destination's ladder: refer to 'sales' was tried before"]),
        (
            (Rung(destination="desk", method=REFER),),
            ["step 1 of the destination's ladder: refer has no route"],
        ),
    ],
)
def test_ladders(fallback: tuple[Rung, ...], expected: list[str]) -> None:
    assert said(destination(fallback=fallback), others=(DESK,)) == [("error", each) for each in expected]


def test_a_ladder_that_is_too_long() -> None:
    rungs = tuple(Rung(destination=f"d{number}") for number in range(MAX_RUNGS + 2))
    others = tuple(replace(destination(), name=f"d{number}") for number in range(MAX_RUNGS + 2))
    assert said(destination(fallback=rungs), others=others) == [
        ("error", "step 6 of the destination's ladder: a ladder has at most 5 steps, this one is not climbed")
    ]


def test_a_ladder_that_is_well() -> None:
    rungs = (Rung(method=INVITE), Rung(destination="desk"))
    target = destination(fallback=rungs, outbound_endpoint="secure", whisper="A caller.")
    assert said(target, others=(DESK,)) == []


def test_nobody_is_blamed_for_the_profiles_ladder() -> None:
    usual = dialect(ladder={REFER: (Rung(method=INVITE), Rung(method=BYE))})
    assert said(destination(fallback=None), usual, trunk=replace(TRUNK, target=None)) == [
        ("info", "step 1 of the profile's ladder: the trunk main has no target, so it cannot be called")
    ]


def test_the_headers_of_an_invite_are_checked_against_the_trunk_that_carries_it() -> None:
    small = Endpoint(
        trunk=replace(TRUNK, name="small"), dialect=dialect(transport=Transport.TLS, max_headers=1)
    )
    target = destination(INVITE, ("X-a", "1"), ("X-b", "2"), outbound_endpoint="small")
    assert said(target, endpoints={"small": small}) == [
        ("error", "2 headers are more than the 1 that get through; left out: X-b")
    ]
    unknown = destination(INVITE, ("X-a", "1"), outbound_endpoint="gone")
    assert said(unknown, dialect(max_headers=0))[1:] == [
        ("error", "1 headers are more than the 0 that get through; left out: X-a")
    ]


PROVIDER = dialect(name="twilio_voice", places_calls=True)


def test_a_provider_that_makes_the_calls_itself() -> None:
    """It calls whole numbers and SIP URIs, needs no target, and asks for the keys of a telephone."""
    for well in (
        destination(phone_number="+15550100"), destination(phone_number="sip:desk@centre.example"),
        destination(HandoffMethod.INVITE, phone_number="tel:+15550100"),
    ):  # fmt: skip
        assert said(well, PROVIDER) == []
    ((level, message),) = said(destination(phone_number="1001"), PROVIDER)
    assert (level, "E.164" in message) == ("error", True)
    whispering = destination(HandoffMethod.INVITE, phone_number="+15550100", whisper="A caller.")
    assert said(whispering, PROVIDER) == []
    config: Any = {"phone_number": "+15550100", "whisper": "A caller.", "outbound_caller_id": "+15550199"}
    assert said(destination(accept_key="#", **config), PROVIDER) == []
    ((level, message),) = said(destination(HandoffMethod.INVITE, accept_key="A", **config), PROVIDER)
    assert (level, "the key A" in message) == ("error", True)
    bare = destination(HandoffMethod.INVITE, phone_number="+15550100", accept_key="1")
    assert said(bare, PROVIDER) == [("warning", "the human has to press 1 and is not told so")]
