from _gen import *  # <AUTO GENERATED>


def start_function(conv: Conversation):
    """The conversation's id is the shared id by itself; what came in User-to-User is context."""
    conv.state.order = conv.context.get("order", "none")
    return {"listen": {"dtmf": {"num_digits": 1}}}
