"""Session descriptions: offers read, answers written, codecs chosen.

Pure: no clock, no randomness, no I/O; imports nothing of ours but `tieline.errors`.
"""
