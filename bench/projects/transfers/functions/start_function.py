from _gen import *

PLACES = {"301": "given back", "302": "referred", "303": "bridged"}


def start_function(conv: Conversation):
    """The dialled number says how the call ends; any other number holds it."""
    conv.state.contained = False
    if conv.callee_number == "300":
        return {"utterance": "", "hangup": True}
    place = PLACES.get(conv.callee_number)
    if place is not None:
        return {"utterance": "", "handoff": {"type": place, "reason": "agreed"}}
    return {"utterance": "", "listen": {"dtmf": {"first_digit_timeout": 300}}}
