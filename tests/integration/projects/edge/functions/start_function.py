from _gen import *  # <AUTO GENERATED>


def start_function(conv: Conversation):
    """X-Act names a destination; without one the caller is held."""
    conv.state.shared_id = conv.sip_headers.get("X-Shared-Id")
    conv.state.note = conv.sip_headers.get("X-Note")
    act = conv.sip_headers.get("X-Act")
    if act:
        conv.call_handoff(act, reason="asked", utterance="")
        return None
    return {"utterance": "", "listen": {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}}
