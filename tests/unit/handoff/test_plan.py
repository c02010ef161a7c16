"""From request to plan: destinations by name, defaults, methods, headers."""

import pytest

from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.plan import default_destination, find_destination, plan_handoff
from tieline.model.handoff import Destination, HandoffMethod, HandoffRequest, SipConfig, SipHeader

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
    ],
)
def test_what_cannot_be_planned_says_why(
    request_: HandoffRequest, destinations: tuple[Destination, ...], reason: str
) -> None:
    with pytest.raises(UnplannableHandoff) as raised:
        plan_handoff(request_, destinations, {})
    assert raised.value.reason == reason
    assert str(raised.value)
