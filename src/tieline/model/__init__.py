"""The nouns of Tieline and the rules of their states: numbers, reservations, trunks, calls, conversations, handoffs.

Pure: no clock, no randomness, no I/O; imports nothing of ours but `tieline.errors`.
"""
