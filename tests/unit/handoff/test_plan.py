"""From request to plan: destinations by name, defaults, methods, headers."""

import pytest
from msgspec.structs import replace

from tests.unit.handoff.parts import dialect
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.plan import MAX_RUNGS, default_destination, find_destination, plan_handoff
from tieline.model.handoff import Destination, HandoffMethod, HandoffRequest, Rung, SipConfig, SipHeader
from tieline.model.profile import HeaderLimits

BILLING = Destination(
    name="billing",
    sip_config=SipConfig(method=HandoffMethod.BYE, phone_number="+15550100"),
    sip_headers=(SipHeader(key="X-destination", value="$queue"),),
)
SALES = Destination(name="Sales", is_default=True, sip_config=SipConfig(method=HandoffMethod.BYE))
BOTH = (BILLING, SALES)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("billing", BILLING),
        ("Sales", SALES),
        ("default", SALES),
        ("DEFAULT", SALES),
        ("sales", None),
        ("x", None),
    ],
)
def test_names_are_exact_and_default_is_a_name_of_its_own(name: str, found: Destination | None) -> None:
    assert find_destination(name, BOTH) is found


def test_the_first_destination_is_the_default_when_none_is_marked() -> None:
    assert default_destination((BILLING,)) is BILLING
    assert default_destination(()) is None


def test_a_plan_carries_filled_headers_and_no_route_for_bye() -> None:
    request = HandoffRequest(destination="billing", reason="wants to pay", utterance="One moment.")
    plan = plan_handoff(request, BOTH, {"queue": "pay"})
    assert plan.method is HandoffMethod.BYE
    assert plan.destination == "billing"
    assert plan.route is None
    assert plan.headers == (("X-destination", "pay"),)
    assert (plan.reason, plan.utterance) == ("wants to pay", "One moment.")
    assert plan.has_header("x-DESTINATION")
    assert not plan.has_header("Reason")


def test_code_may_hand_off_without_a_destination() -> None:
    plan = plan_handoff(HandoffRequest(method=HandoffMethod.BYE, sip_headers={"X-contained": "true"}), (), {})
    assert plan.destination is None
    assert plan.headers == (("X-contained", "true"),)


def test_no_name_and_no_method_mean_the_default() -> None:
    assert plan_handoff(HandoffRequest(), BOTH, {}).destination == "Sales"


def test_a_missing_variable_is_noted_on_the_plan() -> None:
    plan = plan_handoff(HandoffRequest(destination="billing"), BOTH, {})
    assert plan.left_out == (("X-destination", "$queue has no value that fits a header"),)


@pytest.mark.parametrize(
    ("request_", "destinations", "reason"),
    [
        (HandoffRequest(destination="nowhere"), BOTH, "unknown_destination"),
        (HandoffRequest(), (), "no_destination"),
        (HandoffRequest(method=HandoffMethod.REFER), BOTH, "no_route"),
        (HandoffRequest(method=HandoffMethod.INVITE), (), "no_route"),
        (HandoffRequest(method=HandoffMethod.REFER, route="sip:a@b\r\nX: y"), (), "bad_route"),
        (HandoffRequest(destination="billing", method=HandoffMethod.REFER, route="<a b>"), BOTH, "bad_route"),
    ],
)
def test_what_cannot_be_planned_says_why(
    request_: HandoffRequest, destinations: tuple[Destination, ...], reason: str
) -> None:
    with pytest.raises(UnplannableHandoff) as raised:
        plan_handoff(request_, destinations, {})
    assert raised.value.reason == reason
    assert str(raised.value)


FAR = Destination(
    name="far",
    sip_config=SipConfig(
        method=HandoffMethod.INVITE,
        phone_number="+15550100",
        outbound_endpoint="carrier",
        outbound_caller_id="+15550111",
        whisper="A caller.",
    ),
    sip_headers=tuple(SipHeader(key=f"X-{number}", value="v") for number in range(4)),
)


def test_what_the_code_gives_goes_before_the_configuration() -> None:
    plain = plan_handoff(HandoffRequest(destination="far"), (FAR,), {})
    assert plain.config == FAR.sip_config
    assert plain.route == "+15550100"
    given = plan_handoff(
        HandoffRequest(
            destination="far",
            method=HandoffMethod.REFER,
            route="1001",
            outbound_caller_id="+15550122",
            outbound_endpoint="other",
        ),
        (FAR,),
        {},
    )
    assert given.method is given.config.method is HandoffMethod.REFER
    assert (given.route, given.config.phone_number) == ("1001", "1001")
    assert (given.config.outbound_caller_id, given.config.outbound_endpoint) == ("+15550122", "other")
    assert given.config.whisper == "A caller."


def test_refer_to_goes_before_the_route_and_brackets_come_off() -> None:
    request = HandoffRequest(method=HandoffMethod.REFER, route="1", refer_to="<sip:a@b>")
    assert plan_handoff(request, (), {}).route == "sip:a@b"


def test_a_bye_keeps_no_route_of_the_destination() -> None:
    plan = plan_handoff(HandoffRequest(destination="far", method=HandoffMethod.BYE), (FAR,), {})
    assert (plan.route, plan.config.phone_number) == (None, None)


def test_the_headers_of_an_invite_keep_to_the_limits_of_the_trunk_that_carries_it() -> None:
    narrow, wide = dialect(max_headers=1), dialect(headers=HeaderLimits(count=3))
    request = HandoffRequest(destination="far")
    assert len(plan_handoff(request, (FAR,), {}, narrow).headers) == 1
    assert len(plan_handoff(request, (FAR,), {}, narrow, {"carrier": wide}).headers) == 3
    assert len(plan_handoff(request, (FAR,), {}, narrow, {"other": wide}).headers) == 1
    by_refer = HandoffRequest(destination="far", method=HandoffMethod.REFER)
    plan = plan_handoff(by_refer, (FAR,), {}, narrow, {"carrier": wide})
    assert [name for name, _ in plan.headers] == ["X-0"]
    assert [name for name, _ in plan.left_out] == ["X-1", "X-2", "X-3"]


def test_the_ladder_is_the_destinations_or_the_profiles() -> None:
    usual = dialect(ladder={HandoffMethod.INVITE: (Rung(method=HandoffMethod.BYE),)})
    request = HandoffRequest(destination="far")
    assert plan_handoff(request, (FAR,), {}).ladder == ()
    assert plan_handoff(request, (FAR,), {}, usual).ladder == (Rung(method=HandoffMethod.BYE),)
    nothing = replace(FAR, fallback=())
    assert plan_handoff(request, (nothing,), {}, usual).ladder == ()
    long = replace(FAR, fallback=(Rung(destination="x"),) * (MAX_RUNGS + 2))
    assert len(plan_handoff(request, (long,), {}, usual).ladder) == MAX_RUNGS
    by_code = HandoffRequest(method=HandoffMethod.INVITE, route="1")
    assert plan_handoff(by_code, (), {}, usual).ladder == (Rung(method=HandoffMethod.BYE),)
