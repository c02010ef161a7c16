"""Webhooks out: which endpoint gets an event, how it is signed, when it is tried again, and where it may go."""
