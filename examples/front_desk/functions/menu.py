from _gen import *  # <AUTO GENERATED>

CHOICES = "For our opening hours, press 1. To check on an order, press 2. To speak to someone, press 0."
ONE_KEY = {"dtmf": {"num_digits": 1, "first_digit_timeout": 8}}


@func_description("Offer the menu again.")
def menu(conv: Conversation):
    return offer_menu("")


def offer_menu(opening: str):
    """The choices, spoken after `opening`; one key answers."""
    return {"utterance": f"{opening} {CHOICES}".strip(), "listen": ONE_KEY}
