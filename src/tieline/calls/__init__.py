"""What happens to a call: reservations, routing, the session from INVITE to BYE, and the outcome it leaves.

May import `handoff`, `agent`, `model`, `store.base`, `sip.events`, `media.messages` and the foundations;
never a socket.
"""
