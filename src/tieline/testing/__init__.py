"""Public tools for testing agents and integrations: clock, contact centres, loopback network, store contract.

May import anything of ours; nothing of ours imports it, but `tieline simulate`, which plays its peers.
"""
