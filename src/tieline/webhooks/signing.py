"""Signatures: HMAC-SHA256 over the time and the body, by every secret that is valid.

`Tieline-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>]`: the signed text is the time's digits, a dot, and the body's
bytes as they are sent. While a secret is being replaced there is a signature of each.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from tieline.model.webhook import WebhookEndpoint

HEADER = "Tieline-Signature"
"""The header with the signatures."""

TOLERANCE_S = 300
"""How far the time may be from the receiver's clock, by default."""


def valid_secrets(endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    """The secrets that sign at `now`, the newest first."""
    if endpoint.previous_secret is None or endpoint.previous_until is None or now >= endpoint.previous_until:
        return (endpoint.secret,)
    return (endpoint.secret, endpoint.previous_secret)


def sign(body: bytes, secrets: Sequence[str], at: int) -> str:
    """The header's value; `at` is in unix seconds."""
    return ",".join([f"t={at}", *(f"v1={_digest(body, secret, str(at))}" for secret in secrets)])


def verify(header: str, body: bytes, secret: str, now: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether one of the header's signatures is by `secret`, and its time is near `now` (unix seconds)."""
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for key, value in pairs if key == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 15:
        return False
    expected = _digest(body, secret, times[0]).encode()
    given = [value.encode("utf-8", "surrogateescape") for key, value in pairs if key == "v1"]
    genuine = [hmac.compare_digest(expected, one) for one in given]
    return any(genuine) and abs(now - int(times[0])) <= tolerance_s


def _digest(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
