from _gen import *  # <AUTO GENERATED>

PLACES = {"1": "queue", "2": "human"}


def turn_function(conv: Conversation, user_input: str):
    conv.call_handoff(PLACES.get(user_input, "desk"), reason="asked", utterance="One moment.")
