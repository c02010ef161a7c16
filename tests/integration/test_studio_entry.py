"""The studio's door, with real requests and sockets: nothing without a session, and nothing from other sites."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tieline.demo.process import ServerProcess
from tieline.model.user import RIGHTS, Role
from tieline.studio import pages
from tieline.studio.entry.site import COOKIE
from tieline.studio.menu import PAGES, PageInfo
from tieline.testing.signed_in import SignedIn, sign_in_to

PASSWORD = "tall green horse"
HTML = {"accept": "text/html"}
SOCKET = "/studio/_nicegui_ws/socket.io/?EIO=4&transport=websocket"

pages.register()
STUDIO_PAGES = sorted(PAGES.values(), key=lambda one: one.path)


@dataclass
class Studio:
    """A served studio with an owner."""

    process: ServerProcess
    http: str
    owner: SignedIn

    def sign_in(self, **options: Any) -> SignedIn:
        return sign_in_to(self.process.folder / "tieline.db", **options)

    @contextlib.asynccontextmanager
    async def client(self, token: str | None = None, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        cookies = {} if token is None else {COOKIE: token}
        async with httpx.AsyncClient(
            base_url=self.http, cookies=cookies, headers=headers, timeout=30
        ) as client:
            yield client

    def socket(self, token: str | None, origin: str | None = None) -> Any:
        headers = {} if token is None else {"Cookie": f"{COOKIE}={token}"}
        return websockets.connect(
            self.http.replace("http", "ws") + SOCKET,
            additional_headers=headers,
            origin=origin or self.http,  # type: ignore[arg-type]
            open_timeout=30,
        )


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    process = ServerProcess(folder, {"server": {"drain_timeout_s": 1, "max_lag_ms": 0}})
    try:
        addresses = process.start()
        yield Studio(process, addresses.http, sign_in_to(folder / "tieline.db"))
    finally:
        process.stop()
    assert "Traceback" not in process.log.read_text()


def path_of(info: PageInfo) -> str:
    return "/studio" + re.sub(r"\{[^}]*\}", "x", info.path)


def bad_tokens(studio: Studio) -> dict[str, str | None]:
    """Tokens of sessions that are none, by what is wrong with them."""
    expired = studio.sign_in(email="expired@example.com", role=Role.OPERATOR, lasts=timedelta(seconds=-1))
    disabled = studio.sign_in(email="disabled@example.com", role=Role.OPERATOR)
    assert studio.process.command("user", "disable", "disabled@example.com").returncode == 0
    return {
        "none": None,
        "empty": "",
        "made up": "x" * 43,
        "expired": expired.token,
        "disabled": disabled.token,
    }


async def test_no_page_without_a_session(studio: Studio) -> None:
    tokens = await asyncio.to_thread(bad_tokens, studio)
    assert len(STUDIO_PAGES) > 3
    for token in tokens.values():
        async with studio.client(token) as client:
            for info in STUDIO_PAGES:
                path = path_of(info)
                seen = await client.get(path, headers=HTML)
                assert seen.status_code == 303, path
                assert seen.headers["location"].startswith("/studio/sign-in")
                assert (await client.get(path)).status_code == 401
                assert (await client.post(path)).status_code in {401, 405}


async def test_nothing_else_without_a_session(studio: Studio) -> None:
    async with studio.client() as client:
        page = await client.get("/studio/", headers={**HTML, "cookie": f"{COOKIE}={studio.owner.token}"})
        assert page.status_code == 200
        files = sorted(set(re.findall(r"/studio/(?:_nicegui|assets)[^\"')\s]+", page.text)))
        assert len(files) > 10
        for path in [*files, "/studio/nothing", "/studio/favicon.ico", "/studio/%2e%2e/metrics"]:
            assert (await client.get(path)).status_code == 401, path


async def test_no_socket_without_a_session_or_from_elsewhere(studio: Studio) -> None:
    for token in (await asyncio.to_thread(bad_tokens, studio)).values():
        with pytest.raises(websockets.InvalidStatus) as refused:
            await studio.socket(token)
        assert refused.value.response.status_code == 403
    for origin in ("http://evil.example", "null", studio.http.replace("http", "https"), f"{studio.http}0"):
        with pytest.raises(websockets.InvalidStatus):
            await studio.socket(studio.owner.token, origin)
    headers = {"Cookie": f"{COOKIE}={studio.owner.token}"}
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(studio.http.replace("http", "ws") + SOCKET, additional_headers=headers)
    async with studio.socket(studio.owner.token) as socket:
        assert str(await socket.recv()).startswith("0")
    async with studio.client(studio.owner.token) as client:
        polled = await client.get(SOCKET.replace("transport=websocket", "transport=polling"))
        assert polled.status_code == 403


async def test_pages_of_other_roles(studio: Studio) -> None:
    for role in (Role.READ_ONLY, Role.OPERATOR, Role.BUILDER):
        person = await asyncio.to_thread(
            studio.sign_in, email=f"{role.value}@example.com", role=role, personal_data=False
        )
        async with studio.client(person.token) as client:
            for info in STUDIO_PAGES:
                status = (await client.get(path_of(info), headers=HTML)).status_code
                if info.right not in RIGHTS[role]:
                    assert status == 403, (role, info.path)
                else:
                    assert status in {200, 404, 403}, (role, info.path)


async def test_every_answer_keeps_the_browser_from_others(studio: Studio) -> None:
    async with studio.client(studio.owner.token) as client:
        for path in (
            "/studio/",
            "/studio/sign-in",
            "/studio/welcome?token=x",
            "/studio/assets/theme.css",
            "/studio/none",
        ):
            answer = await client.get(path, headers=HTML)
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "http:" not in policy
            assert "https:" not in policy
            assert "*" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"


async def form(client: httpx.AsyncClient, path: str) -> str:
    """The token of a page's form; its cookie stays with the client."""
    page = await client.get(path, headers=HTML)
    assert page.status_code == 200
    found = re.search(r'name="form_token" value="(\w+)"', page.text)
    assert found is not None
    return found[1]


async def test_no_redirect_names_the_host_that_was_asked(studio: Studio) -> None:
    """It may be a stranger's, and behind a proxy it would be by plain HTTP, with cookies or a key."""
    async with studio.client(studio.owner.token, **HTML, host="evil.example") as client:
        for path in (
            "/studio",
            "/studio/projects/",
            "/openapi.json/",
            "/health/live/",
            "/v1/",
            "/studio//evil.example",
        ):
            answer = await client.get(path)
            assert "evil.example" not in answer.headers.get("location", "").removeprefix("/studio"), path
            assert answer.status_code == (307 if path == "/studio" else 404), path


async def test_bodies_are_bounded(studio: Studio) -> None:
    """Files are kept on the disk as they come in, so that one too long is refused by what is said of its length."""
    name, token = studio.owner.cookie
    reader, writer = await asyncio.open_connection(*studio.http.removeprefix("http://").split(":"))
    head = f"POST /studio/_nicegui/client/x/upload/1 HTTP/1.1\r\nHost: x\r\nCookie: {name}={token}\r\n"
    writer.write(f"{head}Content-Length: {11 << 20}\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()


async def test_forms_of_other_sites_are_refused(studio: Studio) -> None:
    fields = {"email": "x@example.com", "password": PASSWORD}
    async with studio.client() as client:
        token = await form(client, "/studio/sign-in")
        for headers in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
        ):
            sent = await client.post("/studio/sign-in", data={**fields, "form_token": token}, headers=headers)
            assert sent.status_code == 403
        for wrong in ("", "x", "0" * 64):
            sent = await client.post("/studio/sign-in", data={**fields, "form_token": wrong})
            assert sent.status_code == 403
        client.cookies.clear()
        sent = await client.post("/studio/sign-in", data={**fields, "form_token": token})
        assert sent.status_code == 403
        sent = await client.post("/studio/sign-in", content=b"x" * 100_000)
        assert sent.status_code == 403
    async with studio.client(studio.owner.token) as client:
        assert (await client.post("/studio/sign-out", data={"form_token": "0" * 64})).status_code == 403
        assert (await client.get("/studio/", headers=HTML)).status_code == 200


async def join(studio: Studio, email: str, **fields: str) -> httpx.Response:
    """Follow an invitation to the end."""
    made = await asyncio.to_thread(studio.process.command, "user", "invite", email, "--json")
    link = re.search(r"token=([\w-]+)", made.stdout)
    assert link is not None, made.stderr
    async with studio.client() as client:
        token = await form(client, f"/studio/join?token={link[1]}")
        sent = {"form_token": token, "token": link[1], "password": PASSWORD, "again": PASSWORD, **fields}
        answer = await client.post("/studio/join", data=sent)
        assert (await client.post("/studio/join", data=sent)).status_code == (
            404 if answer.is_redirect else 422
        )
        return answer


async def test_joining_signing_in_and_out(studio: Studio) -> None:
    answer = await join(studio, "ada@example.com")
    assert (answer.status_code, answer.headers["location"]) == (303, "/studio/")
    cookie = answer.headers["set-cookie"]
    assert re.search(r"tieline_session=[\w-]{43}; HttpOnly; Max-Age=2592000; Path=/; SameSite=lax", cookie)
    async with studio.client() as client:
        token = await form(client, "/studio/sign-in?next=//evil.example/")
        fields = {
            "form_token": token,
            "email": "Ada@example.com",
            "password": PASSWORD,
            "next": "//evil.example/",
        }
        entered = await client.post("/studio/sign-in", data=fields)
        assert (entered.status_code, entered.headers["location"]) == (303, "/studio/")
        session = client.cookies[COOKIE]
        assert session not in _stored(studio)
        async with studio.socket(session) as socket:
            page = await client.get("/studio/", headers=HTML)
            sign_out = re.search(r"form_token[^}]*?\"value\":\"(\w{64})\"", page.text)
            assert sign_out is not None
            left = await client.post("/studio/sign-out", data={"form_token": sign_out[1]})
            assert (left.status_code, left.headers["location"]) == (303, "/studio/sign-in")
            await _closed(socket)
        assert (
            await client.get("/studio/", headers={**HTML, "cookie": f"{COOKIE}={session}"})
        ).status_code == 303


@pytest.mark.parametrize(
    "fields",
    [{"password": "short", "again": "short"}, {"again": "tall green horses"}, {"password": "", "again": ""}],
)
async def test_passwords_that_are_not_taken(studio: Studio, fields: dict[str, str]) -> None:
    answer = await join(studio, f"p{len(fields['again'])}@example.com", **fields)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert PASSWORD not in answer.text


async def test_a_disabled_person_is_out_within_seconds(studio: Studio) -> None:
    person = await asyncio.to_thread(studio.sign_in, email="bob@example.com", role=Role.OPERATOR)
    async with studio.socket(person.token) as socket:
        await asyncio.to_thread(studio.process.command, "user", "disable", "bob@example.com")
        await _closed(socket)


async def test_attempts_are_limited(studio: Studio) -> None:
    async with studio.client() as client:
        token = await form(client, "/studio/sign-in")
        statuses = []
        for attempt in range(12):
            fields = {"form_token": token, "email": f"nobody{attempt}@example.com", "password": "<script>"}
            answer = await client.post("/studio/sign-in", data=fields)
            statuses.append(answer.status_code)
            assert "<script>" not in answer.text
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
        assert statuses[0] == 401
        assert statuses[-1] == 429


async def test_the_first_owner_is_made_once(tmp_path: Path) -> None:
    process = ServerProcess(
        tmp_path, {"server": {"drain_timeout_s": 1, "public_url": "https://tieline.example"}}
    )
    try:
        addresses = await asyncio.to_thread(process.start)
        async with httpx.AsyncClient(base_url=addresses.http, timeout=30) as client:
            link = await _welcome_link(process)
            page = await client.get(link)
            token = re.search(r'name="form_token" value="(\w+)"', page.text)
            cookie = page.headers["set-cookie"]
            assert token is not None
            assert cookie.startswith("__Host-tieline_form=")
            assert "; Secure" in cookie
            fields = {
                "form_token": token[1], "token": link.partition("=")[2], "email": "ada@example.com", "name": "Ada",
                "password": PASSWORD, "again": PASSWORD,
            }  # fmt: skip
            headers = {"cookie": cookie.partition(";")[0], "origin": "https://tieline.example"}
            first = await client.post("/studio/welcome", data=fields, headers=headers)
            assert first.status_code == 303
            session = first.headers["set-cookie"]
            assert re.match(r"__Host-tieline_session=[\w-]{43}; .*; Path=/; SameSite=lax; Secure", session)
            assert (await client.post("/studio/welcome", data=fields, headers=headers)).status_code == 404
            plain = session.replace("__Host-", "").partition(";")[0]
            assert (await client.get("/studio/", headers={"cookie": plain})).status_code == 401
            good = {"cookie": session.partition(";")[0]}
            assert (await client.get("/studio/", headers=good)).status_code == 200
            foreign = {**headers, "origin": addresses.http}
            assert (await client.post("/studio/sign-in", data={}, headers=foreign)).status_code == 403
    finally:
        await asyncio.to_thread(process.stop)
    await asyncio.to_thread(process.start)
    await asyncio.to_thread(process.stop)
    assert process.log.read_text().count("welcome?token=") == 1


async def _welcome_link(process: ServerProcess) -> str:
    """The path that the server prints at its first start."""
    async with asyncio.timeout(10):
        while True:
            link = re.search(
                r"https://tieline\.example(/studio/welcome\?token=[\w-]+)", process.log.read_text()
            )
            if link is not None:
                return link[1]
            await asyncio.sleep(0.02)


async def _closed(socket: Any) -> None:
    """Read until the server closes the socket, with the word to the page before."""
    async with asyncio.timeout(20):
        heard = [str(message) async for message in _messages(socket)]
    assert socket.close_code == 4401
    assert "reload" in heard[-1]


async def _messages(socket: Any) -> AsyncIterator[str]:
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            yield await socket.recv()


def _stored(studio: Studio) -> str:
    """All that the store knows of sessions."""
    with contextlib.closing(sqlite3.connect(studio.process.folder / "tieline.db")) as connection:
        return repr(connection.execute("SELECT * FROM user_sessions").fetchall())
