from _gen import *  # <AUTO GENERATED>


def start_function(conv: Conversation):
    """Nothing is agreed yet; the greeting is that of voice/configuration.yaml."""
    conv.state.call_back = False
