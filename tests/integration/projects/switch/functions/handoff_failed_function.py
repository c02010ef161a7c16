from _gen import *  # <AUTO GENERATED>
from functions.turn_function import ONE_KEY


def handoff_failed_function(conv: Conversation):
    """The caller is still here."""
    conv.state.failed = conv.handoff_result["reason"]
    return {"utterance": "Nobody took the call.", "listen": ONE_KEY}
