"""What several targets and seeds begin with."""

from __future__ import annotations

from tieline.sdp.negotiation import LocalMedia, offer

PEER = ("192.0.2.9", 5060)
LOCAL = LocalMedia(address="192.0.2.1", port=20000, session_id=1)
SDP = offer(LocalMedia(address=PEER[0], port=30000, session_id=2), None)
INVITE = (
    b"INVITE sip:+15550100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKfuzz\r\n"
    b"From: <sip:a@192.0.2.9>;tag=f\r\nTo: <sip:+15550100@192.0.2.1>\r\nCall-ID: fuzz\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:a@192.0.2.9>\r\nContent-Length: 0\r\n\r\n"
)
