from _gen import *


def turn_function(conv: Conversation, user_input: str):
    """Wait on, whatever comes."""
    return {"utterance": "", "listen": {"dtmf": {"first_digit_timeout": 300}}}
