from _gen import *  # <AUTO GENERATED>


def turn_function(conv: Conversation, user_input: str):
    """The turn after the failure has no input."""
    conv.state.heard = [*conv.state.heard, user_input]
    if user_input:
        return {"utterance": "", "hangup": True}
    reason = conv.handoff_result["reason"]
    return {
        "utterance": f"That was {reason}.",
        "listen": {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}},
    }
