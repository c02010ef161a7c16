"""What Twilio's error codes of messages mean, and what to do. The studio and docs/reference/sms-errors.md show them."""

from __future__ import annotations

from tieline.integrations.twilio.codes import CODES as GENERAL_CODES
from tieline.model.record import Record

OPTED_OUT = 21610
"""The recipient has sent STOP to this sender, Twilio says."""


class SmsError(Record):
    """A code in words: what happened, and the fix."""

    meaning: str
    fix: str


def _error(meaning: str, fix: str) -> SmsError:
    return SmsError(meaning=meaning, fix=fix)


_CAMPAIGN = (
    "Correct the campaign in the Twilio console (Messaging, Regulatory Compliance) and submit it again."
)

REQUEST_ERRORS: dict[int, SmsError] = {
    21211: _error("The recipient's number is not valid.", "Give it in E.164 form, like +15550100."),
    21212: _error("The sender is not valid.", "Send from a number of the account in E.164 form, or from a "
                  "Messaging Service."),
    21408: _error("The account may not send messages to the recipient's country.",
                  "Allow the country under Messaging, Settings, Geo permissions in the Twilio console."),
    21601: _error("The sender is no number of the account that can send messages.",
                  "Send from a number bought from Twilio that has SMS."),
    21602: _error("The message has no text.", "Give it a text."),
    21603: _error("The message has no sender.", "Give the template a number or a Messaging Service for this "
                  "environment."),
    21604: _error("The message has no recipient.", "Give it a number to go to."),
    21606: _error("The sender cannot send to this recipient: it is no number of the account, has no SMS, or a short "
                  "code abroad.", "Send from a number of the account that has SMS, or from a Messaging Service."),
    21608: _error("A trial account sends to verified numbers only.",
                  "Verify the recipient in the Twilio console, or upgrade the account."),
    21609: _error("Twilio does not take our status callback's URL.", "Set `server.public_url` to the address that "
                  "Twilio reaches this server by."),
    21610: _error("The recipient has opted out of messages from this sender.",
                  "Do not send again. They can send START to the sender when they want messages."),
    21611: _error("The sender's queue at Twilio is full: it holds as many messages as go out in ten hours.",
                  "Send more slowly, or from a Messaging Service with more numbers."),
    21612: _error("Twilio has no way to send from this sender to this recipient.",
                  "Try another kind of sender for that country or carrier."),
    21614: _error("The recipient's number is no mobile number.", "Ask for a mobile number; landlines get no SMS."),
    21617: _error("The text is longer than 1,600 characters.", "Shorten it."),
    21701: _error("There is no such Messaging Service in the account.", "Correct its SID (MG...) on the template."),
    21702: _error("The Messaging Service cannot send at present.", "Look at the service in the Twilio console."),
    21703: _error("The Messaging Service has no number that can send to this recipient.",
                  "Add a number of the recipient's country to the service's sender pool."),
    21704: _error("The Messaging Service has no senders.", "Add a number to its sender pool."),
    21705: _error("The Messaging Service's SID is not valid.", "Correct it (MG and 32 hex digits) on the template."),
    63038: _error("The account has sent as many messages as it may in one day.",
                  "Wait until 24 hours have passed, or ask Twilio to raise the limit."),
}  # fmt: skip
"""Codes with which Twilio refuses a request."""

DELIVERY_ERRORS: dict[int, SmsError] = {
    30001: _error("Messages came faster than the sender may send, and its queue overflowed.",
                  "Send more slowly, or from a Messaging Service with more numbers."),
    30002: _error("The account was suspended between taking the message and sending it.",
                  "Look at the account in the Twilio console: funds, or a breach of its rules."),
    30003: _error("The recipient's phone could not be reached: off, without signal, or unable to take SMS.",
                  "Try again later; if it stays so, reach them another way."),
    30004: _error("The recipient is blocked from getting this message, by themselves or their carrier.",
                  "Ask them by another way whether they want messages."),
    30005: _error("The recipient's number is unknown, or not in service any more.", "Check the number."),
    30006: _error("The recipient's number is a landline, or its carrier cannot be reached from this sender.",
                  "Ask for a mobile number."),
    30007: _error("Twilio or the carrier filtered the message as spam, or as against their rules.",
                  "Say who you are, drop shortened links, send only to people who asked for it, and from a registered "
                  "sender. Collect three message SIDs and ask Twilio when it stays so."),
    30008: _error("It was not delivered, and the carrier did not say why.",
                  "Try again with a short plain text; ask Twilio with three message SIDs when it stays so."),
    30017: _error("The carrier's network is congested.", "Send it again later."),
    30018: _error("The recipient's carrier takes only registered sender ids.",
                  "Register the sender id with Twilio, or send from a number."),
    30022: _error("A2P 10DLC: messages came faster than the campaign's rate at the carrier, or too many "
                  "to one number.",
                  "Send more slowly, from all numbers of the campaign together; a better-vetted brand or another use "
                  "case has a higher rate."),
    30023: _error("A2P 10DLC: the brand, or several with its EIN together, has sent as many messages as the carrier "
                  "takes in one day.",
                  "Wait until midnight Pacific time; a better-vetted brand has a higher limit."),
    30024: _error("The sender is not set up at the recipient's carrier (yet).",
                  "A number that was just registered takes some time at every carrier; ask Twilio when it stays so."),
    30025: _error("A2P 10DLC: half of the day's messages to T-Mobile are used up.", "Mind the daily limit."),
    30026: _error("A2P 10DLC: 70 % of the day's messages to T-Mobile are used up.", "Mind the daily limit."),
    30027: _error("A2P 10DLC: the day's messages to T-Mobile are used up.",
                  "Wait until midnight Pacific time; a better-vetted brand has a higher limit."),
    30032: _error("The toll-free number is not verified.",
                  "Submit its toll-free verification in the Twilio console; send nothing from it until approved."),
    30033: _error("A2P 10DLC: the campaign is suspended.", "Ask Twilio why, and what would lift it."),
    30034: _error("A2P 10DLC: the sender is a US number that belongs to no registered campaign.",
                  "Register brand and campaign, then add the number to the campaign's Messaging Service. See the "
                  "number's card under Build, SMS, Registration."),
    30035: _error("A2P 10DLC: the sender's registration with its campaign is not finished.",
                  "Wait; it takes from some minutes to days after the number joined the Messaging Service."),
    30410: _error("A provider on the way to the recipient timed out.", "Send it again later."),
    30450: _error("Twilio's protection against SMS pumping has blocked the recipient's prefix for some time.",
                  "Wait a day; with real customers there, put the number on the SMS Pumping Protection safe list."),
}  # fmt: skip
"""Codes with which a message that Twilio took ends as undelivered or failed."""

CAMPAIGN_ERRORS: dict[int, SmsError] = {
    30883: _error("The campaign was rejected for its content (sex, hate, alcohol, firearms, tobacco).",
                  "It cannot be submitted again; such content is not for 10DLC without special approval."),
    30885: _error("The campaign was rejected as high risk: it looks like fraud or deceptive marketing.",
                  "It cannot be submitted again; ask Twilio if that is wrong."),
    30886: _error("The campaign's description does not explain its purpose, or does not fit its use case.",
                  f"Say who sends what to whom, and why. {_CAMPAIGN}"),
    30887: _error("How people opt out of the campaign is unclear.", f"Describe STOP and its answer. {_CAMPAIGN}"),
    30891: _error("The campaign's website cannot be reached or is not finished.", f"Mend the website. {_CAMPAIGN}"),
    30893: _error("The campaign's sample messages are missing, or do not fit its use case.",
                  f"Give samples of real messages, with your name in them. {_CAMPAIGN}"),
    30894: _error("The campaign's brand is not the business that sends.",
                  f"Register the business whose name is on the messages. {_CAMPAIGN}"),
    30895: _error("The campaign looks like lending and does not say so.", f"Mark it as direct lending. {_CAMPAIGN}"),
    30896: _error("How people agree to the campaign's messages is not enough, or is shared with third parties.",
                  f"Describe the opt-in step by step, with what people see. {_CAMPAIGN}"),
    30897: _error("The campaign has content that no carrier takes, such as loans, gambling or debt collection.",
                  "It cannot be submitted again."),
    30898: _error("The same EIN stands for too many brands.", "Use the brand that is registered already."),
    30899: _error("A carrier rejected the campaign.", "Read the campaign's errors in the console, and ask Twilio."),
    30908: _error("The campaign was rejected over its privacy policy: none was found, it contradicts itself, or "
                  "it does not say that mobile numbers and consent are not shared.",
                  "Link one public policy, on the website and in the message flow, that says that they are shared "
                  f"with nobody for marketing. {_CAMPAIGN}"),
    30909: _error("The reviewers could not verify how people agree to the messages.",
                  f"Give the link or a picture of where people opt in. {_CAMPAIGN}"),
    30924: _error("The opt-in lacks what it has to say: kind and frequency of messages, rates, STOP.",
                  f"Put it next to the checkbox. {_CAMPAIGN}"),
    30925: _error("The opt-in form has no checkbox, or one that is ticked already.",
                  f"Add an empty checkbox for SMS alone. {_CAMPAIGN}"),
    30932: _error("The privacy policy or the opt-in lets opt-in data be shared with third parties, or does not "
                  "say that it is not.",
                  "Have the policy say that mobile information and consent go to no third party or affiliate for "
                  f"marketing, and link it in the message flow. {_CAMPAIGN}"),
    30933: _error("The campaign was rejected in review; its errors in the Twilio console name the field.",
                  f"Check consent, privacy policy and terms on the website first. {_CAMPAIGN}"),
}  # fmt: skip
"""Codes with which an A2P 10DLC campaign is rejected."""

SMS_ERRORS: dict[int, SmsError] = {**REQUEST_ERRORS, **DELIVERY_ERRORS, **CAMPAIGN_ERRORS}
"""All of them."""


def explain(code: int | None, told: str = "") -> str:
    """A code in one or two sentences; of one that is not known, what Twilio said itself."""
    found = SMS_ERRORS.get(code or 0)
    if found is not None:
        return f"{found.meaning} {found.fix}"
    general = GENERAL_CODES.get(code or 0)
    if general is not None:
        return f"{general[0].upper()}{general[1:]}."
    said = " ".join(told.split())[:200]
    return said or ("Twilio gave no reason." if code is None else f"Twilio's error {code}.")
