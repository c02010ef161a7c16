"""Where one goes after signing in, what plain pages do with text of others, and names of browsers."""

from __future__ import annotations

import pytest

from tieline.studio.entry.forms import safe_next
from tieline.studio.entry.plain_page import Field, plain_page
from tieline.studio.pages.me import browser_name


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        "",
        "users",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a\r\nset-cookie: x",
        "/\x00",
    ],
)
def test_only_paths_of_the_studio_are_gone_to(wanted: str | None) -> None:
    assert safe_next(wanted) == "/"


def test_a_path_of_the_studio_is_gone_to() -> None:
    assert safe_next("/calls/1?tab=ladder") == "/calls/1?tab=ladder"


def test_text_stays_text() -> None:
    bad = "\"'><script>alert(1)</script>"
    fields = [Field(bad, bad, bad, bad, bad, bad), Field("b", bad, note=bad, fixed=True, focus=True)]
    page = plain_page(
        bad,
        bad,
        action=bad,
        fields=fields,
        hidden=[(bad, bad)],
        button=bad,
        banner=bad,
        link=(bad, bad),
        theme=bad,
    )
    body = bytes(page.body).decode()
    assert "<script" not in body
    assert "'unsafe" not in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130 Safari/537.36 Edg/130",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605 Version/17 Safari/605", "Safari on macOS"),
        ("curl/8", "curl/8"),
        ("", "unknown"),
    ],
)
def test_browsers_are_named(agent: str, name: str) -> None:
    assert browser_name(agent) == name
