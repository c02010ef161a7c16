"""The SIP core: bytes and the present moment go in; datagrams, events and the next deadline come out.

Pure: no clock, no randomness, no I/O; imports nothing of ours but `tieline.errors`.
"""
