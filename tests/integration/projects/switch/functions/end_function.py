from _gen import *  # <AUTO GENERATED>


def end_function(conv: Conversation):
    """What the last handoff came to."""
    conv.log.info("over", result=conv.handoff_result)
