from _gen import *  # <AUTO GENERATED>


def bridge_ended_function(conv: Conversation):
    conv.state.talked_s = conv.handoff_result["duration_s"]
