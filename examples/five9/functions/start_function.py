from _gen import *  # <AUTO GENERATED>

SESSION_HEADER = "X-Five9-Session-Id"


def start_function(conv: Conversation):
    """Remember the Five9 session: the script asks for the outcome by it. The project's greeting is spoken."""
    conv.state.shared_id = conv.sip_headers.get(SESSION_HEADER)
    if not conv.state.shared_id:
        conv.log.warning("the call brought no Five9 session id", header=SESSION_HEADER)
    return {"listen": {"dtmf": {"num_digits": 1}}}
