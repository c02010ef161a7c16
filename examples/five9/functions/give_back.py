from _gen import *  # <AUTO GENERATED>


@func_description("End our leg with a BYE that tells the Five9 script how it went.")
@func_parameter("contained", "True when nobody else is needed.")
@func_parameter("destination", "The skill that should take the call, or empty.")
@func_parameter("utterance", "What to say before.")
def give_back(conv: Conversation, contained: bool, destination: str, utterance: str):
    """The same two values twice: in the state for Get Handoff, and as headers of the BYE."""
    conv.state.contained = contained
    conv.state.destination = destination
    return {
        "utterance": utterance,
        "handoff": {
            "type": "bye",
            "reason": "contained" if contained else "transfer",
            "bye": {"sip_headers": {"X-contained": contained, "X-destination": destination or "none"}},
        },
    }
