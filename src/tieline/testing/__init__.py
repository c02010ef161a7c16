"""Public tools for testing agents and integrations: clock, scripted phone, loopback network, store contract.

May import anything of ours; nothing of ours imports it.
"""
