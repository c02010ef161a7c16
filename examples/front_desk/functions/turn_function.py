from _gen import *  # <AUTO GENERATED>
from functions.hand_over import hand_over
from functions.menu import offer_menu

MAX_SILENCES = 2


def turn_function(conv: Conversation, user_input: str):
    """Runs on each key the caller presses at the menu; "" means that none came in time."""
    if not user_input:
        conv.state.silences += 1
        if conv.state.silences > MAX_SILENCES:
            return hand_over(conv, "reception", "no_input", "I'll put you through to reception.")
        return offer_menu("Are you still there?")

    if user_input == "1":
        conv.state.contained = True
        return {
            "utterance": "We're open Monday to Friday, from nine to six. Thanks for calling. Goodbye.",
            "hangup": True,
        }
    if user_input == "2":
        conv.goto_flow("Order status")
        return None
    if user_input == "0":
        return hand_over(
            conv,
            "reception",
            "asked_for_a_person",
            "Of course. I'll put you through to reception. One moment.",
        )
    return offer_menu("Sorry, that's not one of the choices.")
