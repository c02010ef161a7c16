from _gen import *  # <AUTO GENERATED>

import ctypes
import os
import time


@func_description("Fail in one of many ways.")
@func_parameter("how", "The way.")
def misbehave(conv: Conversation, how: str):
    if how == "raise":
        raise ValueError("the customer's code is broken")
    if how == "hang":
        while True:
            time.sleep(1)
    if how == "exit":
        os._exit(3)
    if how == "crash":
        ctypes.string_at(0)
    if how == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(16 * 1024 * 1024))
    if how == "return":
        return {"handoff": 7}
    return None
