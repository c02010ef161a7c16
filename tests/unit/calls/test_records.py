"""What of a call's messages is kept: everything but keys, tokens and hidden digits."""

from __future__ import annotations

import pytest

from tieline.calls.records import HIDDEN, ladder_entries
from tieline.sip.events import Flow, Transport
from tieline.sip.leg import TraceEntry

FLOW = Flow(Transport.UDP, ("192.0.2.1", 5060))
KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
        ),
        (f"A = Crypto: 1 odd inline:{KEY}", "A = Crypto"),
        (f"a=crypto:1 {KEY}", "a=crypto"),
        (f"k=base64:{KEY}", "k="),
        (f"a=key-mgmt:mikey {KEY}", "a=key-mgmt"),
    ],
)
def test_no_media_key_is_kept(end: str, line: str, shown: str) -> None:
    lines = ["INVITE sip:a@b SIP/2.0", "Content-Type: application/sdp", "", "v=0", line, "a=sendrecv", ""]
    (entry,) = ladder_entries([TraceEntry(0.0, "in", end.join(lines).encode(), FLOW)], hide_digits=False)
    assert KEY not in entry["text"]
    assert f"{shown}{HIDDEN}" in entry["text"]
    assert "v=0" in entry["text"]
    assert "a=sendrecv" in entry["text"]
