"""Sound as arithmetic: RTP packets, keypad events, playout and jitter, and the messages a media process speaks.

Pure: no clock, no randomness, no I/O; imports nothing of ours but `tieline.errors`.
"""
