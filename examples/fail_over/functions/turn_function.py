from _gen import *  # <AUTO GENERATED>

ONE_KEY = {"dtmf": {"num_digits": 1, "first_digit_timeout": 20}}


def turn_function(conv: Conversation, user_input: str):
    """At first one key leads to billing. When billing could not be reached, see handoff_failed_function."""
    if not conv.state.failed:
        if user_input != "1":
            return {"utterance": "To speak to billing, press 1.", "listen": ONE_KEY}
        conv.state.handoff_reason = "billing"
        conv.call_handoff("billing", reason="billing", utterance="I'll put you through to billing.")
        return None
    if user_input == "1":
        conv.state.call_back = True
        return {"utterance": "They will call you back today. To end here, press 2.", "listen": ONE_KEY}
    conv.state.handoff_reason = "billing_busy"
    conv.call_handoff("contact_centre", reason="billing_busy", utterance="Thank you. Goodbye.")
    return None
