"""API keys and SIP tokens: made from random bits, shown once, stored as SHA-256 with a readable beginning."""

from __future__ import annotations

import base64

SECRET_BYTES = 32
PREFIXES = {"api_keys": "tl_", "sip_tokens": "tlt_", "webhooks": "whsec_"}
"""How the secrets of each kind begin, so that a leaked one tells what it opens."""

SHORTEST_GIVEN = 16


def write_secret(prefix: str, random: bytes) -> str:
    """A secret to hand out, from 32 random bytes: letters, digits, `-` and `_` after `prefix`."""
    if len(random) < SECRET_BYTES:
        raise ValueError(f"{SECRET_BYTES} random bytes are needed")
    return prefix + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def readable_prefix(secret: str) -> str:
    """How the secret begins, enough to recognise it by and too little to guess it from."""
    return secret[:8] if len(secret) >= 40 else secret[:4]
