from _gen import *  # <AUTO GENERATED>


def turn_function(conv: Conversation, user_input: str):
    """One key chooses the queue; Genesys gets the reason, and the order where there is one, as UUI data."""
    if user_input == "1":
        conv.state.handoff_reason = "buy"
        conv.call_handoff("sales", reason="buy", utterance="I'll put you through to sales.")
        return None
    if user_input == "2":
        conv.state.handoff_reason = "order"
        conv.call_handoff("orders", reason="order", utterance="I'll find somebody who knows your order.")
        return None
    return {
        "utterance": "Please press 1 for sales, or 2 for help with an order.",
        "listen": {"dtmf": {"num_digits": 1}},
    }
