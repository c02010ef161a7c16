from _gen import *


def turn_function(conv: Conversation, user_input: str):
    """Any key ends the call."""
    return {"hangup": True}
