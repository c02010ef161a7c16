from _gen import *  # <AUTO GENERATED>


def ask_number(conv: Conversation, flow: Flow):
    """Ask, and let the next step have the answer: an utterance ends the turn."""
    flow.goto_step("check_number")
    opening = "Sorry, I can't find that order. " if conv.state.order_tries else ""
    return {
        "utterance": f"{opening}Please key in your four-digit order number.",
        "listen": {"dtmf": {"num_digits": 4, "inter_digit_timeout": 5}},
    }
