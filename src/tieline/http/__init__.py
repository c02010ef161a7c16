"""The HTTP surface: reservations, handoff state, administration, health and metrics.

May import `tieline.calls`, `tieline.model` and the foundations; holds no rule of its own.
"""
