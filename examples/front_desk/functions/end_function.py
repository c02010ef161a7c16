from _gen import *  # <AUTO GENERATED>


def end_function(conv: Conversation):
    """Runs after every call, however it ended."""
    conv.write_metric("CONTAINED", bool(conv.state.contained))
    conv.log.info("call over", contained=bool(conv.state.contained), handoff_to=conv.state.handoff_to)
