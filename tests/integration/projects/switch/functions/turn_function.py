from _gen import *  # <AUTO GENERATED>

ONE_KEY = {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}


def turn_function(conv: Conversation, user_input: str):
    """Keys are collected; 0 gives the caller back."""
    if user_input == "0":
        conv.call_handoff("back", reason="asked", utterance="")
        return None
    conv.state.pressed += user_input
    return {"utterance": f"You pressed {user_input}.", "listen": ONE_KEY}
