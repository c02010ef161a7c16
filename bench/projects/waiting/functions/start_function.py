from _gen import *


def start_function(conv: Conversation):
    """Answer and wait for a key."""
    return {"utterance": "", "listen": {"dtmf": {"first_digit_timeout": 300}}}
