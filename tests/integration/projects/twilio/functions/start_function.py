from _gen import *  # <AUTO GENERATED>

ONE_KEY = {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}


def start_function(conv: Conversation):
    conv.state.topic = "billing"
    conv.state.caller = conv.caller_number
    conv.state.city = conv.sip_headers.get("X-Twilio-FromCity")
    conv.state.env = conv.env
    conv.state.shared_id = (conv.integration_attributes or {}).get("shared_id") or conv.sip_headers.get(
        "X-Twilio-ParentCallSid", conv.sip_headers.get("X-Twilio-CallSid")
    )
    conv.state.told = (conv.integration_attributes or {}).get("told")
    return {"utterance": "Please press a key.", "listen": ONE_KEY}
