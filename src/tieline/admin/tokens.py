"""Tokens of sessions and one-time links: long and random, so that a plain SHA-256 of one is safe to keep."""

from __future__ import annotations

import secrets

from tieline.model.project import hash_secret

TOKEN_BYTES = 32


def new_token() -> str:
    """A token that nobody guesses, fit for a URL and a cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> str:
    """What the store keeps in place of a token: the same as of keys, whatever text a browser sends."""
    return hash_secret(token.encode("utf-8", "surrogatepass"))
