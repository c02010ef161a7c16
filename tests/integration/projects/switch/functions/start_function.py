from _gen import *  # <AUTO GENERATED>


def start_function(conv: Conversation):
    """X-Go names the destination, X-Say what is said before, X-Code a header that the code gives."""
    given = conv.sip_headers
    conv.state.shared_id = given.get("X-Shared-Id")
    conv.state.pressed = ""
    conv.state.note = given.get("X-Note")
    code = {"X-Lead": given["X-Code"]} if "X-Code" in given else None
    conv.call_handoff(given["X-Go"], reason="asked", utterance=given.get("X-Say", ""), sip_headers=code)
    return {"utterance": ""}
