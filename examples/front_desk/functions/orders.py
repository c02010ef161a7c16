from _gen import *  # <AUTO GENERATED>

# Stands in for your order system.
ORDERS = {
    "1001": "It left our warehouse yesterday and should be with you tomorrow.",
    "1002": "It's packed and waiting for the courier.",
}


@func_description("Look up the state of an order.")
@func_parameter("number", "The four digits of the order.")
def orders(conv: Conversation, number: str):
    """The state of an order in a sentence, or None."""
    return ORDERS.get(number)
