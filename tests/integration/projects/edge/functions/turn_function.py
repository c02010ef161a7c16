from _gen import *  # <AUTO GENERATED>


def turn_function(conv: Conversation, user_input: str):
    """A key gives the caller back; without one, nothing happens."""
    if user_input:
        conv.call_handoff("leave", reason="asked", utterance="")
        return None
    return {"utterance": "", "listen": {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}}
