from _gen import *


def start_function(conv: Conversation):
    """Take what the reservation brought, agree on something, hand the caller back."""
    conv.state.customer_id = conv.integration_attributes.get("customer_id")
    conv.state.contained = False
    conv.state.destination = "billing"
    return {
        "utterance": "",
        "handoff": {
            "type": "bye",
            "reason": "agreed",
            "bye": {"sip_headers": {"X-contained": "false", "X-destination": "billing"}},
        },
    }
