"""The page of text messages' error codes and of registration states, written from the tables the product runs on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tieline.integrations.twilio.a2p import STEPS
from tieline.integrations.twilio.sms_codes import CAMPAIGN_ERRORS, DELIVERY_ERRORS, REQUEST_ERRORS, SmsError
from tools.gen_docs import page
from tools.state_tables import table


def _errors(errors: Mapping[int, SmsError]) -> str:
    return table(("code", "what happened", "what to do"), _rows(errors))


def _rows(errors: Mapping[int, SmsError]) -> Iterable[tuple[str, str, str]]:
    return [(f"`{code}`", error.meaning, error.fix) for code, error in sorted(errors.items())]


@page("reference/sms-errors.md")
def sms_errors() -> str:
    """The whole page."""
    steps = table(
        ("state", "what it means", "what to do"),
        [(f"`{state.value}`", step.words, step.next_step) for state, step in STEPS.items()],
    )
    return f"""# Errors of text messages

Twilio's codes as a message and the studio show them. A code that is not listed is shown with Twilio's own words. See
[text messages](../howto/sms.md) for how a message gets there.

## Refused at once

Twilio did not take the message. `21610` is also kept as an opt-out here.

{_errors(REQUEST_ERRORS)}

## Not delivered

Twilio took the message, and it ended as `undelivered` or `failed`.

{_errors(DELIVERY_ERRORS)}

## Rejected campaigns

Why an A2P 10DLC campaign was not approved, under Build, SMS, Registration.

{_errors(CAMPAIGN_ERRORS)}

## Registration

How far the registration of a US or Canadian sender is.

{steps}
"""
