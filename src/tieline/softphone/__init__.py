"""A softphone: places one call, hears and records what is said, presses keys. For the demo, the CLI and tests.

Built on the same SIP stack and RTP code as the server, from the other side. May import `net`, `sip`, `sdp`, `media`.
"""
