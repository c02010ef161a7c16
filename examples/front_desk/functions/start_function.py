from _gen import *  # <AUTO GENERATED>
from functions.menu import offer_menu


def start_function(conv: Conversation):
    """Runs before the caller hears anything: greets them by the attributes of the reservation."""
    attributes = conv.integration_attributes
    conv.state.shared_id = attributes.get("shared_id")
    conv.state.ani = attributes.get("ani") or conv.caller_number
    conv.state.silences = 0

    name = (attributes.get("customer") or {}).get("first_name")
    conv.log.info("caller greeted", by_name=bool(name))
    return offer_menu(f"Hello {name}, this is Northwind." if name else "Hello, this is Northwind.")
