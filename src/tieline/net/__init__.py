"""The only sockets of the phone side: SIP over UDP and streams, and the RTP ports.

May import `tieline.sip`, `tieline.sdp`, `tieline.media` and the foundations; decides nothing about calls.
"""
