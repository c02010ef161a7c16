"""Twilio's error codes in words: what each means, and what to do. Those of calls, numbers and access."""

from __future__ import annotations

from tieline.errors import TielineError

CODES: dict[int, str] = {
    10001: "the account is suspended or closed; see the Twilio console",
    11200: "Twilio could not fetch one of our webhooks; is the public URL reachable from the internet?",
    11205: "Twilio could not connect to our webhook; check the public URL and the firewall",
    11206: "our webhook answered with something that is no HTTP",
    11210: "the host name of our webhook does not resolve",
    11220: "the certificate of our public URL is not valid for it",
    11237: "Twilio does not trust the certificate of our public URL",
    12100: "our answer was no valid TwiML",
    12300: "our answer had a content type that Twilio does not take",
    13214: "the caller id of the handoff is neither a number of the account nor a verified one",
    13221: "a TwiML verb is at a place where Twilio does not allow it",
    13223: "the number to dial is not valid; give it as +E164",
    13224: "the number to dial is not valid or cannot be reached from this account",
    13225: "the number to dial is one that Twilio does not call",
    13227: "calls to that country are not allowed; see Voice geographic permissions in the Twilio console",
    13233: "the SIP URI of the handoff is not valid",
    13241: "a SIP header of the handoff is not one that Twilio takes; names have to begin with X-",
    13242: "the headers of the SIP URI are longer than Twilio takes (1,024 characters)",
    20001: "Twilio did not understand the request",
    20003: "Twilio does not accept these credentials; are SID and token of the same account, and still valid?",
    20005: "the account is not active; see the Twilio console",
    20006: "these credentials may not do this; an API key needs to be a standard or main one",
    20008: "test credentials cannot do this; use the live ones",
    20404: "there is no such thing in the Twilio account (any more)",
    20429: "Twilio has had too many requests at one time; try again",
    20500: "Twilio had an error of its own; try again",
    20503: "Twilio is not available at present; try again",
    21210: "the caller id is neither a number of the account nor a verified one",
    21211: "the number to call is not valid; give it as +E164",
    21214: "the number to call cannot be reached",
    21215: "calls to that country are not allowed; see Voice geographic permissions in the Twilio console",
    21218: "our answer to Twilio was no valid TwiML",
    21219: "a trial account calls verified numbers only",
    21220: "the call is over, so nothing can be changed about it",
    21402: "the URL of the webhook is not valid; Twilio takes http and https URLs that it can reach",
    21421: "the phone number is not valid",
    21452: "the number is not in the account any more",
    31920: "our WebSocket refused the media stream",
    31921: "our WebSocket was closed in the middle of a media stream",
    31924: "our WebSocket broke the media-stream protocol",
    31951: "our WebSocket sent what is no media-stream message",
    32009: "the SIP peer that was dialled is not registered",
    32011: "the SIP host that was dialled did not answer; is it reachable from Twilio?",
    64101: "Twilio does not take the parameters of a TwiML verb",
}  # fmt: skip
"""What each code means for us."""


def in_words(code: int | None, status: int, told: str = "") -> str:
    """A refusal of Twilio's in a sentence: our words for its code, else what it said itself, cut to one line."""
    if code is not None and code in CODES:
        return CODES[code]
    if status == 401:
        return CODES[20003]
    said = " ".join(told.split())[:200]
    return said or f"Twilio answered {status}"


class TwilioRefused(TielineError):
    """Twilio has refused a request: `twilio_code` (None where it named none), `status`, and why in words."""

    code = "twilio_refused"

    def __init__(self, status: int, twilio_code: int | None, told: str = "") -> None:
        named = (
            f"Twilio's error {twilio_code}" if twilio_code is not None else f"Twilio answered HTTP {status}"
        )
        super().__init__(f"{in_words(twilio_code, status, told)} ({named})", twilio_code=twilio_code)
        self.status = status
        self.twilio_code = twilio_code
