"""How calls end and why they are refused, in sentences for people who look at calls, with what to do about it."""

from __future__ import annotations

from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import RefusedCall
from tieline.model.receipt import HandoffFailure, Retry
from tieline.model.record import Record
from tieline.model.trunk import RefusalReason

FAULTS: dict[Fault, str] = {
    Fault.CALLER: "The caller's doing.",
    Fault.AGENT: "The agent's doing.",
    Fault.US: "Our doing.",
    Fault.TRUNK: "The trunk's side.",
    Fault.PROVIDER: "A provider's side.",
    Fault.UNKNOWN: "Nobody knows whose doing.",
}
"""Whose doing it was."""


class Words(Record):
    """What happened, and where to look or what to do; advice is empty where there is nothing to be done."""

    title: str
    text: str
    advice: str = ""


ENDS: dict[TerminationReason, Words] = {
    TerminationReason.CALLER_HUNG_UP: Words(
        title="The caller hung up", text="Their side sent BYE.", advice="The last turns say what they heard before."
    ),
    TerminationReason.CALLER_CANCELLED: Words(
        title="The caller gave up before the answer",
        text="Their side sent CANCEL while the agent was being started.",
        advice="See how long start_function takes: the caller hears ringing as long as it runs.",
    ),
    TerminationReason.AGENT_HUNG_UP: Words(
        title="The agent ended the call", text="It asked to hang up, and we sent BYE: a contained call."
    ),
    TerminationReason.OPERATOR_HUNG_UP: Words(
        title="Ended by an operator",
        text="Somebody hung the call up in the studio or by the admin API.",
        advice="The audit log says who.",
    ),
    TerminationReason.HANDED_OFF: Words(
        title="Handed off", text="The agent gave the caller to somebody else, and that worked."
    ),
    TerminationReason.AGENT_FAILED: Words(
        title="The agent failed",
        text="A function of the project failed; the caller was given to the fall-back destination, or we hung up.",
        advice="The failed function is marked in the transcript, with its error.",
    ),
    TerminationReason.NO_ACK: Words(
        title="Our answer was never acknowledged",
        text="We answered with 200 OK and no ACK came.",
        advice="Can the peer reach the address in our Contact header? See sip.advertised_host.",
    ),
    TerminationReason.NO_MEDIA: Words(
        title="No sound arrived",
        text="No RTP packet came for rtp.silence_timeout_s.",
        advice="Check the firewall, the advertised RTP address and the port range.",
    ),
    TerminationReason.HELD_TOO_LONG: Words(
        title="On hold for too long",
        text="One side kept the call on hold for rtp.hold_timeout_s.",
        advice="Does the phone system forget calls that it parks?",
    ),
    TerminationReason.MEDIA_FAILED: Words(
        title="The audio process failed",
        text="It died, or had no port left.",
        advice="See the server's log, and run `tieline doctor`.",
    ),
    TerminationReason.BAD_OFFER: Words(
        title="The session description could not be used",
        text="It cannot be read, or names no codec that we speak (PCMU, PCMA).",
        advice="Look at the offer in the SIP ladder, and at the codec list of the SBC.",
    ),
    TerminationReason.REFUSED: Words(
        title="Refused", text="The call was refused after it had been let in.", advice="See the refused calls."
    ),
    TerminationReason.TRANSPORT_FAILED: Words(
        title="The peer could not be reached",
        text="A request of ours within the call could not be sent.",
        advice="Is the address in the peer's Contact header reachable from here?",
    ),
    TerminationReason.PEER_GONE: Words(
        title="The peer no longer knew the call",
        text="It answered a request within the call with 481, or not at all.",
        advice="Did the peer restart?",
    ),
    TerminationReason.SESSION_EXPIRED: Words(
        title="The session timer ran out",
        text="Nobody refreshed the call in time (RFC 4028).",
        advice="Does the peer send its refreshes, and do they reach us?",
    ),
    TerminationReason.DRAINED: Words(
        title="The server was shut down",
        text="The call outlived server.drain_timeout_s.",
        advice="Give it a longer time to drain, or restart when fewer calls are up.",
    ),
    TerminationReason.INTERRUPTED: Words(
        title="The server died during the call",
        text="It was settled when the server started again.",
        advice="See the end of the log before that start.",
    ),
    TerminationReason.INTERNAL_ERROR: Words(
        title="A defect in Tieline",
        text="Something failed that should not be able to.",
        advice="The server's log has the traceback; please report it.",
    ),
}  # fmt: skip
"""How each way to end reads."""

REFUSALS: dict[RefusalReason, Words] = {
    RefusalReason.UNKNOWN_TRUNK: Words(
        title="Nobody knows this sender",
        text="No trunk's networks hold the address that the call came from.",
        advice="If the sender is yours, add its address to a trunk under Telephony, Trunks.",
    ),
    RefusalReason.BAD_TOKEN: Words(
        title="Wrong token",
        text="The token header is there, but matches no token of the account.",
        advice="Compare the token in the SBC with the one in use, or make a new one under Configure, API keys.",
    ),
    RefusalReason.TOKEN_REQUIRED: Words(
        title="Token missing",
        text="The trunk takes only calls with a token header, and there was none.",
        advice="Let the SBC add the header, or turn the trunk's require_token off.",
    ),
    RefusalReason.NO_ROUTE: Words(
        title="Nowhere to go",
        text="There is no token, and the number that was dialled is in no pool or project that the trunk may reach.",
        advice="The rules show the number as it was read: add it to a project or pool, or correct number_from"
        " or default_region of the trunk.",
    ),
    RefusalReason.TRUNK_CALL_LIMIT: Words(
        title="The trunk is full",
        text="As many of its calls are up as max_calls allows.",
        advice="Raise the trunk's limit, or find out under Live which calls do not end.",
    ),
    RefusalReason.TRUNK_RATE_LIMIT: Words(
        title="The trunk sends too fast",
        text="It sends more calls a second than max_cps allows.",
        advice="Raise the trunk's limit, or let its side slow down: Retry-After tells it when to come back.",
    ),
    RefusalReason.SERVER_FULL: Words(
        title="The server is full",
        text="server.max_calls calls are up.",
        advice="More capacity, or a higher limit together with more RTP ports.",
    ),
    RefusalReason.SERVER_RATE_LIMIT: Words(
        title="Too many calls a second",
        text="More arrive than server.max_cps allows, over all trunks.",
        advice="More capacity, or a higher limit after a measurement with `tieline bench`.",
    ),
    RefusalReason.OVERLOADED: Words(
        title="The server is behind its work",
        text="It runs later than server.max_lag_ms.",
        advice="Find what holds it up: a slow disk, a busy neighbour; see tieline_event_loop_lag_seconds.",
    ),
    RefusalReason.DRAINING: Words(
        title="The server is shutting down",
        text="It takes no new calls any more.",
        advice="Nothing to do: the SBC should try the next server.",
    ),
    RefusalReason.BAD_OFFER: Words(
        title="No common codec",
        text="The session description cannot be read, or offers neither PCMU nor PCMA.",
        advice="Add PCMU or PCMA to the codec list of the SBC.",
    ),
    RefusalReason.AGENT_UNAVAILABLE: Words(
        title="The agent is not running",
        text="The project's code could not be loaded, or its processes died.",
        advice="Run `tieline project check` on the project's folder; the server's log has the error.",
    ),
    RefusalReason.PROTOCOL: Words(
        title="Not a valid call",
        text="The INVITE breaks SIP's rules; the rule below says which.",
        advice="This is for whoever makes the peer's software.",
    ),
    RefusalReason.INTERNAL_ERROR: Words(
        title="A defect or a lack of resources here",
        text="The call could not be set up.",
        advice="The server's log says more.",
    ),
}
"""How each reason for refusing reads."""

RULES: dict[str, str] = {
    "token": "Let the SBC send the token of the right project, in the header that the trunk names.",
    "reserved_dni": "Add the number to a pool, or the trunk to the pool's trunks.",
    "number": "Add the number to one project, or confine the trunk to one account.",
    "media": "See which codecs and what encryption the SBC offers, and what the trunk asks for.",
    "agent": "Check the project's code.",
    "protocol": "Show the message to the maker of the peer's software.",
}
"""What to do about a rule of routing that did not hold, where that is what the call was refused for."""

FAILURES: dict[Retry, str] = {
    Retry.LATER: "try again later",
    Retry.OTHER_METHOD: "try another method",
    Retry.OTHER_DESTINATION: "try another destination",
    Retry.FIX_SETTINGS: "correct the settings",
    Retry.NEVER: "do not try again",
}
"""The advice that goes with a failed handoff."""


def reason_words(reason: TerminationReason | RefusalReason | HandoffFailure | str) -> str:
    """A word of a closed list as it is read: caller_hung_up as `caller hung up`."""
    return str(reason).replace("_", " ")


def fixes_of(refused: RefusedCall) -> tuple[str, ...]:
    """What to do about a refused call, the surest first: by its reason, then by the last rule that failed."""
    refusal = refused.refusal
    failed = [rule.rule for rule in refusal.rules if not rule.held]
    of_rule = RULES.get(failed[-1]) if failed else None
    advice = REFUSALS[refusal.reason].advice
    return tuple(one for one in (advice, of_rule) if one)
