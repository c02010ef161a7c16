"""What the plain pages' forms carry and read: a token against forms of other sites, and few small fields."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from tieline.studio.entry.site import Site

MAX_FORM_BYTES = 8192
FORM_COOKIE = "tieline_form"
TOKEN_FIELD = "form_token"
FORM_LASTS_S = 3600


class FormTokens:
    """Tokens that tie a form to the browser that was given it: hashes of its cookie, with a key of this process."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._name = f"__Host-{FORM_COOKIE}" if site.secure else FORM_COOKIE
        self._key = secrets.token_bytes(32)

    def give(self, request: Request) -> tuple[str, str]:
        """The browser's cookie (a new one when it has none) and the token for a form."""
        cookie = request.cookies.get(self._name) or secrets.token_urlsafe(24)
        return cookie, self.of(cookie)

    def set(self, response: Response, cookie: str) -> None:
        """Let the browser keep the cookie."""
        response.set_cookie(
            self._name, cookie, max_age=FORM_LASTS_S, path="/", secure=self._site.secure, httponly=True,
            samesite="strict",
        )  # fmt: skip

    def of(self, secret: str) -> str:
        """The token that goes with a secret of the browser's: this cookie, or its session's."""
        return hmac.new(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def is_good(self, request: Request, fields: Mapping[str, str]) -> bool:
        """Whether a form comes from the browser that it was given to."""
        cookie = request.cookies.get(self._name)
        return cookie is not None and self.is_of(cookie, fields)

    def is_of(self, secret: str, fields: Mapping[str, str]) -> bool:
        """Whether a form has the token that goes with a secret of the browser's."""
        given = fields.get(TOKEN_FIELD, "").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.of(secret).encode(), given)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, of which a later one of the same name counts; empty when it is too large or no form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    if (
        request.headers.get("content-type", "").partition(";")[0].strip()
        != "application/x-www-form-urlencoded"
    ):
        return {}
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="replace")
        )
    except ValueError:
        return {}


def safe_next(wanted: str | None) -> str:
    """Where to go after signing in: a path of the studio, whatever was asked for."""
    if wanted and wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable():
        return wanted
    return "/"
