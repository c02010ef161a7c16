from _gen import *  # <AUTO GENERATED>
from functions.misbehave import misbehave

QUEUES = {"1": "sales", "2": "service"}


def turn_function(conv: Conversation, user_input: str):
    """One key decides; a call that holds on collects keys for ever."""
    act = conv.state.act
    if act == "hold":
        conv.state.pressed += user_input
        return {"utterance": "", "listen": {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}}
    if act == "secret":
        conv.log.info(f"the caller keyed {user_input}")
        print("keyed", user_input)
        conv.write_metric("KEYED", user_input)
        conv.state.handoff_to = "vault"
        conv.call_handoff("desk", reason="keyed", utterance="")
        return None
    if act != "menu" and act != "slow":
        return misbehave(conv, act)
    conv.state.pressed += user_input
    conv.state.handoff_to = QUEUES.get(user_input, "reception")
    conv.call_handoff("desk", reason="asked", utterance="One moment.")
    return None
