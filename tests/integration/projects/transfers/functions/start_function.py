from _gen import *  # <AUTO GENERATED>

ONE_KEY = {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}


def start_function(conv: Conversation):
    conv.state.topic = "billing"
    return {"utterance": "Please press a key.", "listen": ONE_KEY}
