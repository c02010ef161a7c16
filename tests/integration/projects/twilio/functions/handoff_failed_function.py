from _gen import *  # <AUTO GENERATED>

ONE_KEY = {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}


def handoff_failed_function(conv: Conversation):
    conv.state.failed = conv.handoff_result["reason"]
    return {"utterance": "Nobody is free. Please press a key.", "listen": ONE_KEY}
