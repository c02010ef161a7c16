"""Sign-in, sign-out, and the pages behind one-time links."""

from __future__ import annotations

import math
from http import HTTPStatus

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tieline.admin.errors import InvalidFields, SignedOut, SignInRefused
from tieline.admin.passwords import SHORTEST
from tieline.admin.sign_in import DEAD_LINK, OpenLink, Visitor
from tieline.errors import Conflict, NotFound, Unavailable
from tieline.model.user import LinkPurpose
from tieline.studio.app import StudioServices, services
from tieline.studio.entry.forms import TOKEN_FIELD, read_form, safe_next
from tieline.studio.entry.guard import visitor_address
from tieline.studio.entry.plain_page import Field, plain_page
from tieline.studio.entry.site import SESSION
from tieline.studio.layout import THEME_COOKIE

STALE_FORM = "This form was too old, or not meant for this browser. Please try once more."


def add_routes(app: FastAPI) -> None:
    """Put the pages on NiceGUI's application, before it answers what it does not know."""
    app.add_route("/sign-in", sign_in, methods=["GET", "POST"], include_in_schema=False)
    app.add_route("/sign-out", sign_out, methods=["POST"], include_in_schema=False)
    app.add_route("/welcome", follow_link, methods=["GET", "POST"], include_in_schema=False)
    app.add_route("/join", follow_link, methods=["GET", "POST"], include_in_schema=False)


async def sign_in(request: Request) -> Response:
    """The sign-in page, and what it sends."""
    found = services()
    wanted = safe_next(request.query_params.get("next"))
    if request.method != "POST":
        if request.scope.get(SESSION) is not None:
            return _go(request, wanted)
        return _sign_in_page(request, wanted)
    fields = await read_form(request)
    wanted = safe_next(fields.get("next"))
    email = fields.get("email", "")
    if not found.forms.is_good(request, fields):
        return _sign_in_page(request, wanted, email, STALE_FORM, 403)
    try:
        token = await found.admin.sign_in.sign_in(email, fields.get("password", ""), _visitor(request))
    except SignInRefused as error:
        return _sign_in_page(request, wanted, email, f"{error.message[0].upper()}{error.message[1:]}.", 401)
    except Unavailable as error:
        wait = math.ceil(error.retry_after_s)
        text = f"Too many attempts. Wait {wait} second{'s' if wait > 1 else ''} and try again."
        response = _sign_in_page(request, wanted, email, text, 429)
        response.headers["retry-after"] = str(wait)
        return response
    await _leave_old_session(request, found)
    return _signed_in(request, found, token, wanted)


async def sign_out(request: Request) -> Response:
    """End the session. The form's token goes with the session, so that no other page can send it."""
    found, session = services(), request.scope[SESSION]
    fields = await read_form(request)
    if not found.forms.is_of(session, fields):
        return plain_page(
            "Not signed out", STALE_FORM, status=403, link=(_path(request, "/"), "Back to the studio")
        )
    await _leave_old_session(request, found)
    response = _go(request, "/sign-in")
    response.delete_cookie(
        found.site.cookie, path="/", secure=found.site.secure, httponly=True, samesite="lax"
    )
    return response


async def follow_link(request: Request) -> Response:
    """The page behind a one-time link: set a password; the first owner also says who they are."""
    found = services()
    fields = await read_form(request) if request.method == "POST" else {}
    token = fields.get("token") or request.query_params.get("token", "")
    try:
        link = await found.admin.sign_in.open_link(token)
    except NotFound:
        return _dead_link(request)
    if request.method != "POST":
        return _link_page(request, link, token, {}, {})
    if not found.forms.is_good(request, fields):
        return _link_page(request, link, token, fields, {}, STALE_FORM, 403)
    if fields.get("password") != fields.get("again"):
        return _link_page(request, link, token, fields, {"again": "is not the same"}, status=422)
    try:
        session = await found.admin.sign_in.use_link(
            token, fields.get("password", ""), _visitor(request), email=fields.get("email", ""),
            name=fields.get("name", ""),
        )  # fmt: skip
    except InvalidFields as error:
        return _link_page(
            request, link, token, fields, {one.field: one.message for one in error.faults}, status=422
        )
    except NotFound:
        return _dead_link(request)
    except (Conflict, Unavailable) as error:
        return _link_page(request, link, token, fields, {}, error.message, 409)
    await _leave_old_session(request, found)
    return _signed_in(request, found, session, "/")


def _sign_in_page(
    request: Request, wanted: str, email: str = "", banner: str = "", status: int = HTTPStatus.OK
) -> Response:
    found = services()
    cookie, token = found.forms.give(request)
    text, host = "Welcome back.", request.headers.get("host", "").lower()
    public = found.site.public_origin
    if public is not None and found.site.secure and not public.endswith(f"//{host}") and not banner:
        text = f"Signing in works at {found.site.public_url} only, where the connection is encrypted."
    response = plain_page(
        "Sign in",
        text,
        action=_path(request, "/sign-in"),
        fields=(
            Field("email", "E-mail", "email", email[:320], "username", focus=not email),
            Field("password", "Password", "password", "", "current-password", focus=bool(email)),
        ),
        hidden=((TOKEN_FIELD, token), ("next", wanted)),
        button="Sign in",
        banner=banner,
        status=status,
        theme=_theme(request),
    )
    found.forms.set(response, cookie)
    return response


def _link_page(
    request: Request,
    link: OpenLink,
    token: str,
    given: dict[str, str],
    faults: dict[str, str],
    banner: str = "",
    status: int = HTTPStatus.OK,
) -> Response:
    found = services()
    cookie, form_token = found.forms.give(request)
    first = link.purpose is LinkPurpose.FIRST_OWNER
    titles = {
        LinkPurpose.FIRST_OWNER: (
            "Welcome",
            "You are the first here: this makes you the owner of this Tieline.",
        ),
        LinkPurpose.INVITATION: (f"Welcome, {link.name}", "Choose a password, and you are in."),
        LinkPurpose.NEW_PASSWORD: (
            "New password",
            "Choose a new password. You are signed out everywhere else.",
        ),
    }
    title, text = titles[link.purpose]
    response = plain_page(
        title,
        text,
        action=_path(request, "/welcome" if first else "/join"),
        fields=_link_fields(link, given, faults),
        hidden=((TOKEN_FIELD, form_token), ("token", token)),
        button="Create owner" if first else "Set password",
        banner=banner,
        status=status,
        theme=_theme(request),
    )
    found.forms.set(response, cookie)
    return response


def _link_fields(link: OpenLink, given: dict[str, str], faults: dict[str, str]) -> list[Field]:
    first = link.purpose is LinkPurpose.FIRST_OWNER
    fields = [Field("email", "E-mail", "email", link.email or "", "username", fixed=True)]
    if first:
        fields = [
            Field(
                "name",
                "Your name",
                "text",
                given.get("name", ""),
                "name",
                _sentence(faults, "name"),
                focus=True,
            ),
            Field("email", "E-mail", "email", given.get("email", ""), "username", _sentence(faults, "email")),
        ]
    note = f"At least {SHORTEST} characters. A few words that only you would put together do well."
    fields += [
        Field(
            "password",
            "Password",
            "password",
            "",
            "new-password",
            _sentence(faults, "password"),
            note,
            focus=not first,
        ),
        Field("again", "Once more", "password", "", "new-password", _sentence(faults, "again")),
    ]
    return fields


def _dead_link(request: Request) -> Response:
    text = f"{DEAD_LINK[0].upper()}{DEAD_LINK[1:]}."
    return plain_page(
        "This link does not work",
        text,
        status=404,
        link=(_path(request, "/sign-in"), "Go to the sign-in page"),
    )


def _sentence(faults: dict[str, str], name: str) -> str:
    fault = faults.get(name, "")
    return f"It {fault}." if fault else ""


def _signed_in(request: Request, found: StudioServices, token: str, wanted: str) -> Response:
    response = _go(request, wanted)
    longest = int(found.settings.studio.session_max_days * 86400)
    response.set_cookie(
        found.site.cookie,
        token,
        max_age=longest,
        path="/",
        secure=found.site.secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def _leave_old_session(request: Request, found: StudioServices) -> None:
    """A browser has one session: the one before ends."""
    session = request.scope.get(SESSION)
    if session is not None:
        try:
            await found.admin.sign_in.sign_out(session)
        except SignedOut:
            return


def _visitor(request: Request) -> Visitor:
    browser = request.headers.get("user-agent", "")
    address = visitor_address(services().site, request)
    return Visitor(address, "".join(one for one in browser if one.isprintable()))


def _theme(request: Request) -> str:
    return request.cookies.get(THEME_COOKIE, "")


def _path(request: Request, path: str) -> str:
    return f"{request.scope.get('root_path', '')}{path}"


def _go(request: Request, path: str) -> RedirectResponse:
    return RedirectResponse(_path(request, path), 303, {"cache-control": "no-store"})
