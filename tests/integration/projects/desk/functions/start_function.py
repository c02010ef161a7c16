from _gen import *  # <AUTO GENERATED>
from functions.misbehave import misbehave

import os
import time


def start_function(conv: Conversation):
    """`act`, from the attributes or a header, says what this call is to be."""
    given = conv.integration_attributes
    act = given.get("act") or conv.sip_headers.get("X-Act") or "menu"
    conv.state.act = act
    conv.state.shared_id = given.get("shared_id") or conv.sip_headers.get("X-Shared-Id")
    conv.state.note = given.get("note")
    conv.state.pressed = ""

    if act == "leave":
        conv.state.handoff_to = "at_once"
        return {"utterance": "", "handoff": True}
    if act == "slow":  # until the test makes the file, however long the machine takes to bring it that far
        while not os.path.exists(given["gate"]):
            time.sleep(0.02)
    if act.startswith("start-"):
        return misbehave(conv, act.removeprefix("start-"))
    if act == "secret":
        return {
            "utterance": "",
            "listen": {"dtmf": {"num_digits": 9, "first_digit_timeout": 30, "is_pii": True}},
        }
    one_key = {"dtmf": {"num_digits": 1, "first_digit_timeout": 60}}
    return {"utterance": "" if act == "hold" else "Please press a key.", "listen": one_key}
