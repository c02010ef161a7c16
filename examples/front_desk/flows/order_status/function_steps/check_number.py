from _gen import *  # <AUTO GENERATED>
from functions.hand_over import hand_over

MAX_TRIES = 2


def check_number(conv: Conversation, flow: Flow):
    """Runs with the keyed number."""
    status = conv.functions.orders(conv.user_input)
    if status:
        conv.state.order_number = conv.user_input
        conv.state.contained = True
        return {"utterance": f"{status} Thanks for calling. Goodbye.", "hangup": True}

    conv.state.order_tries = (conv.state.order_tries or 0) + 1
    if conv.state.order_tries >= MAX_TRIES:
        return hand_over(
            conv,
            "orders",
            "order_not_found",
            "I can't find that one either. A colleague will help you. One moment.",
        )
    # No utterance, so the turn goes on: ask_number runs at once.
    flow.goto_step("ask_number")
    return None
