from _gen import *  # <AUTO GENERATED>
from functions.give_back import give_back

QUEUES = {"1": "billing", "2": "technical"}
ONE_KEY = {"dtmf": {"num_digits": 1}}


def turn_function(conv: Conversation, user_input: str):
    """One key decides: two queues, or the balance, which needs nobody."""
    if user_input in QUEUES:
        queue = QUEUES[user_input]
        return give_back(
            conv, contained=False, destination=queue, utterance=f"I'll take you to {queue}. One moment."
        )
    if user_input == "3":
        return give_back(
            conv, contained=True, destination="", utterance="Your balance is forty-two dollars. Goodbye."
        )

    conv.state.tries = (conv.state.tries or 0) + 1
    if conv.state.tries > 2:
        return give_back(
            conv, contained=False, destination="general", utterance="Let me find someone for you."
        )
    return {
        "utterance": "Please press 1 for billing, 2 for technical help, or 3 for your balance.",
        "listen": ONE_KEY,
    }
