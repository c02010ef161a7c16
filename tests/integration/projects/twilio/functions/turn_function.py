from _gen import *  # <AUTO GENERATED>

PLACES = {"1": "people", "2": "sip_desk", "3": "give_back", "4": "by_invite", "6": "asked", "7": "whispered"}


def turn_function(conv: Conversation, user_input: str):
    if user_input == "9":
        return {"utterance": "Goodbye.", "hangup": True}
    conv.state.handoff_to = PLACES.get(user_input)
    if user_input == "5":
        conv.call_handoff("people", reason="asked", utterance="One moment.", route="4711")
        return
    conv.call_handoff(PLACES.get(user_input, "people"), reason="asked", utterance="One moment.")
