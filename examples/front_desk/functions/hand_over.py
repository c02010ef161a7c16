from _gen import *  # <AUTO GENERATED>


@func_description("Give the caller back to the contact centre.")
@func_parameter("handoff_to", "The queue that should take the call.")
@func_parameter("handoff_reason", "Why, in one word.")
@func_parameter("utterance", "What to say before.")
def hand_over(conv: Conversation, handoff_to: str, handoff_reason: str, utterance: str):
    """Store what Get Handoff is to answer, then end our leg. The utterance is spoken to its end first."""
    conv.state.handoff_to = handoff_to
    conv.state.handoff_reason = handoff_reason
    conv.state.contained = False
    conv.write_metric("HANDOFF", handoff_reason, write_once=True)
    conv.call_handoff("default", reason=handoff_reason, utterance=utterance)
