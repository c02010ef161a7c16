"""Calls that no SIP brought: a browser's, a media stream's. To a call each is a leg like any other.

A `GatewayLeg` implements the verbs of a leg and keeps the messages that SIP would have exchanged, an `RtpEnd` is the
other end of the leg's RTP, and `GatewayCalls` brings both in. May import: see the table in pyproject.toml.
"""
