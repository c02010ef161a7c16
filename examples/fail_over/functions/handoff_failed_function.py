from _gen import *  # <AUTO GENERATED>
from functions.turn_function import ONE_KEY

WORDS = {"busy": "Billing is on another call.", "no_answer": "Nobody answers at billing."}


def handoff_failed_function(conv: Conversation):
    """Neither way has worked, and the caller is still here: say why, and offer something else."""
    conv.state.failed = conv.handoff_result["reason"]
    why = WORDS.get(conv.state.failed, "Billing cannot be reached.")
    return {"utterance": f"{why} To be called back, press 1. Otherwise, press 2.", "listen": ONE_KEY}
