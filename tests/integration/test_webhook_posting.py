"""Posting to real sockets: what is sent, what every kind of receiver makes of it, and where it never goes."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.integration.webhook_receiver import Receiver, hang_up, say, status, well
from tests.ports import free_port
from tieline.model.facts import trial_event
from tieline.model.webhook import Delivery, DeliveryState, WebhookEndpoint
from tieline.webhooks import posting
from tieline.webhooks.posting import Posted, Poster, PostResult
from tieline.webhooks.signing import verify
from tieline.webhooks.targets import TargetGuard, resolve

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Names:
    """A resolver of one's own: each question gets the next answer, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def endpoint(url: str, **fields: Any) -> WebhookEndpoint:
    known: dict[str, Any] = {
        "name": "crm",
        "account": "a",
        "url": url,
        "secret": "whsec_1",
        "allow_private": True,
    }
    return WebhookEndpoint(**(known | fields))


def delivery(to: WebhookEndpoint) -> Delivery:
    event = trial_event(to, "jo", NOW)
    return Delivery(id="dlv_1", endpoint=to.name, event=event, state=DeliveryState.WAITING, next_at=NOW)


async def post(url: str, *, names: Any = None, tls: ssl.SSLContext | None = None, private: bool = True,
               **fields: Any) -> Posted:  # fmt: skip
    guard = TargetGuard(private=private, resolve=names or resolve)
    poster = Poster(guard, tls or ssl.create_default_context())
    try:
        to = endpoint(url, **fields)
        return await poster.post(to, delivery(to), NOW)
    finally:
        await poster.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


async def test_what_is_sent_is_signed(receiver: Receiver) -> None:
    posted = await post(receiver.url)
    assert (posted.result, posted.attempt.status, posted.attempt.error) == (PostResult.DELIVERED, 200, None)
    assert posted.attempt.answer == "ok"
    (got,) = receiver.got
    assert got.line == "POST /hook?a=b HTTP/1.1"
    assert got.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Tieline-Event-Type"] == got.event["type"] == "test"
    assert got.headers["Tieline-Event-Id"] == got.event["id"]
    assert (got.headers["Tieline-Delivery-Id"], got.headers["Tieline-Attempt"]) == ("dlv_1", "1")
    assert verify(got.headers["Tieline-Signature"], got.body, "whsec_1", time.time())


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, code: int) -> None:
    async with Receiver() as elsewhere:
        receiver.answer = status(code, f"Location: {elsewhere.url}")
        posted = await post(receiver.url)
        assert (posted.result, posted.attempt.status) == (PostResult.ANSWERED, code)
        assert "redirects are not followed" in (posted.attempt.error or "")
        assert elsewhere.got == []


async def test_an_answer_that_is_no_good(receiver: Receiver) -> None:
    receiver.answer = status(503, "Retry-After: 90", body=b"try\x00 later\x1b[31m")
    posted = await post(receiver.url)
    assert (posted.result, posted.attempt.error, posted.retry_after) == (
        PostResult.ANSWERED,
        "answered 503",
        "90",
    )
    assert posted.attempt.answer == "try\ufffd later\ufffd[31m"


async def test_one_that_hangs_up(receiver: Receiver) -> None:
    receiver.answer = hang_up
    posted = await post(receiver.url)
    assert (posted.result, posted.attempt.status) == (PostResult.UNREACHABLE, None)
    assert "closed" in (posted.attempt.error or "")


async def test_one_that_speaks_something_else(receiver: Receiver) -> None:
    receiver.answer = lambda writer: say(writer, b"SIP/2.0 200 OK\r\n\r\n")
    posted = await post(receiver.url)
    assert posted.result is PostResult.UNREACHABLE


async def test_one_that_is_not_there() -> None:
    posted = await post(f"http://127.0.0.1:{free_port()}/")
    assert posted.result is PostResult.UNREACHABLE
    assert (posted.attempt.error or "").startswith("no connection")


async def test_one_that_never_answers(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TOTAL_S", 0.3)
    receiver.answer = lambda writer: say(writer, b"HTTP/1.1", b" ", pause_s=5.0)
    posted = await post(receiver.url)
    assert (posted.result, posted.attempt.status) == (PostResult.TIMED_OUT, None)
    assert posted.attempt.duration_ms >= 300


async def test_one_that_never_stops_answering(receiver: Receiver) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    receiver.answer = lambda writer: say(writer, head, *[b"x" * 4096] * 50)
    posted = await post(receiver.url)
    assert (posted.result, len(posted.attempt.answer)) == (PostResult.DELIVERED, posting.ANSWER_BYTES)


async def test_one_that_drips(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "ANSWER_S", 0.2)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    receiver.answer = lambda writer: say(writer, head, b"a", b"b", b"c", pause_s=2.0)
    posted = await post(receiver.url)
    assert (posted.result, posted.attempt.status) == (PostResult.DELIVERED, 200)


async def test_headers_without_end(receiver: Receiver) -> None:
    receiver.answer = lambda writer: say(
        writer, b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 60000 + b"\r\n"] * 20
    )
    posted = await post(receiver.url)
    assert posted.result is PostResult.UNREACHABLE


async def test_private_addresses_are_not_even_connected_to(receiver: Receiver) -> None:
    for private, allowed in ((False, True), (True, False)):
        posted = await post(receiver.url, private=private, allow_private=allowed)
        assert (posted.result, posted.attempt.status) == (PostResult.REFUSED, None)
        assert "loopback" in (posted.attempt.error or "")
    for spelling in ("127.1", "0x7f000001", "[::ffff:127.0.0.1]", "localhost"):
        posted = await post(f"http://{spelling}:{receiver.port}/", private=False)
        assert posted.result is PostResult.REFUSED
    assert receiver.connections == 0


async def test_a_name_that_changes_its_mind_gains_nothing(receiver: Receiver) -> None:
    """The name is asked for once, and what was checked is what is connected to."""
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    guard = TargetGuard(private=False, resolve=names)
    checked = await guard.addresses("rebind.example", receiver.port, allow_private=False)
    assert list(checked) == ["8.8.8.8"]
    posted = await post(f"http://rebind.example:{receiver.port}/", names=names, private=False)
    assert (posted.result, receiver.connections) == (PostResult.REFUSED, 0)
    steady = Names(["127.0.0.1"], ["127.0.0.99"])
    posted = await post(f"http://rebind.example:{receiver.port}/", names=steady)
    assert (posted.result, steady.asked) == (PostResult.DELIVERED, ["rebind.example"])
    assert receiver.got[0].headers["Host"] == f"rebind.example:{receiver.port}"


async def test_the_next_address_is_tried(receiver: Receiver) -> None:
    posted = await post(f"http://two.example:{receiver.port}/", names=Names(["127.0.0.77", "127.0.0.1"]))
    assert posted.result is PostResult.DELIVERED
    posted = await post(f"http://two.example:{free_port()}/", names=Names(["127.0.0.77", "127.0.0.1"]))
    assert posted.result is PostResult.UNREACHABLE


async def test_the_environment_has_no_say(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await post(receiver.url)).result is PostResult.DELIVERED
        assert proxy.connections == 0


@pytest.mark.parametrize("named", [True, False])
async def test_the_certificate_is_that_of_the_name(tmp_path: Path, named: bool) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", "hooks.example" if named else "other.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    seen: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    async with Receiver(tls=server) as receiver:
        posted = await post(
            f"https://hooks.example:{receiver.port}/", names=Names(["127.0.0.1"]), tls=trusting
        )
        assert seen == ["hooks.example"]
        assert posted.result is (PostResult.DELIVERED if named else PostResult.UNREACHABLE)
        assert len(receiver.got) == named


async def test_connections_are_kept_and_their_end_is_survived(receiver: Receiver) -> None:
    poster = Poster(TargetGuard(private=True), ssl.create_default_context())
    to = endpoint(receiver.url)
    send = partial(poster.post, to, delivery(to), NOW)
    assert [(await send()).result for _ in range(3)] == [PostResult.DELIVERED] * 3
    assert receiver.connections == 1
    await receiver.stop()
    assert (await send()).result is PostResult.UNREACHABLE
    await receiver.start()
    assert (await send()).result is PostResult.DELIVERED
    receiver.answer = well
    await poster.close()
