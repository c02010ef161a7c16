"""What is answered where no page can be drawn."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tieline.studio.failing import broken, unknown
from tieline.studio.parts.states import BROKEN


def request(path: str = "/studio/x", *, accept: str = "text/html", method: str = "GET") -> Request:
    headers = [(b"accept", accept.encode()), (b"host", b"example.com"), (b"cookie", b"tieline_theme=dark")]
    return Request(
        {"type": "http", "method": method, "path": path, "root_path": "/studio", "query_string": b"",
         "headers": headers, "server": ("example.com", 80), "scheme": "http"}
    )  # fmt: skip


async def test_a_defect_is_told_without_its_details() -> None:
    answer = await broken(request(), RuntimeError("secret detail"))
    body = bytes(answer.body).decode()
    assert (answer.status_code, BROKEN.split(";")[0] in body, "secret detail" in body) == (500, True, False)
    assert 'href="/studio/"' in body
    assert 'class="dark"' in body


@pytest.mark.parametrize(
    "asked",
    [
        request(accept="application/json"),
        request(method="POST"),
        request("/studio/_nicegui/x.js"),
        request(),  # nobody is signed in: the door lets none through but to sign in
    ],
)
async def test_what_is_no_page_is_refused_plainly(asked: Request) -> None:
    answer = await unknown(asked, HTTPException(404))
    assert (answer.status_code, answer.media_type) == (404, "text/plain")


async def test_a_defect_behind_what_a_page_fetches_is_plain() -> None:
    answer = await broken(request(accept="*/*"), RuntimeError("x"))
    assert (answer.status_code, bytes(answer.body)) == (500, b"internal error")


async def test_a_wrong_method_keeps_its_status() -> None:
    answer = await unknown(request(method="PUT"), HTTPException(405, headers={"allow": "GET"}))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
