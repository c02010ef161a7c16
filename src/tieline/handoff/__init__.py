"""Handoffs planned and carried out as events in and commands out, whatever the method.

Pure: may import `tieline.sip.events`, `tieline.model` and `tieline.errors`.
"""
