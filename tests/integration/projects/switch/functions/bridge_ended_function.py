from _gen import *  # <AUTO GENERATED>


def bridge_ended_function(conv: Conversation):
    """Who ended it, and whether it lasted."""
    result = conv.handoff_result
    conv.log.info("bridge ended", by=result["ended_by"], seconds=result["duration_s"], state=result["state"])
