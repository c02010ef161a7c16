"""Seeing what happens: structured logs, metrics with closed label sets, and the SIP ladder.

A foundation: may import `tieline.model`, `tieline.errors` and `tieline.clock`; the pure packages may not import it.
"""
