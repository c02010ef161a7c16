"""The customer's agent: its project loaded once, its functions run one at a time, each in a process of its own.

May import `tieline.model`, and the foundations `tieline.errors`, `tieline.clock` and `tieline.observe`.
"""
