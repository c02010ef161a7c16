"""`tieline trunk list --server`: what a running server says of its trunks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.unit.commands.conftest import Tieline

TRUNKS = {"sbc": {"state": "down", "registered": None}}


class Answer(BaseHTTPRequestHandler):
    """Says what the test wants it to say."""

    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body if self.path == "/health/ready" else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a server that answers as `Answer` says."""
    listener = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}/"
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize(("trunks", "state"), [(TRUNKS, "down"), ({}, "not watched")])
def test_states_are_shown(
    applied: Tieline, server: str, monkeypatch: pytest.MonkeyPatch, status: int, trunks: object, state: str
) -> None:
    monkeypatch.setattr(Answer, "status", status)
    monkeypatch.setattr(Answer, "body", json.dumps({"trunks": trunks}).encode())
    (row,) = applied("trunk", "list", "--server", server, "--json").json
    assert (row["name"], row["state"], row["registered"]) == ("sbc", state, None)
    assert state in applied("trunk", "list", "--server", server).out


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"5"])
def test_what_is_no_server_of_ours_is_said(
    applied: Tieline, server: str, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(Answer, "body", body)
    ran = applied("trunk", "list", "--server", server)
    assert ran.status == 1
    assert "does not say how trunks are" in ran.err


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:1", "http://"])
def test_what_cannot_be_asked_is_said(applied: Tieline, url: str) -> None:
    assert applied("trunk", "list", "--server", url).status == 1


def test_without_a_server_there_are_no_states(applied: Tieline) -> None:
    (row,) = applied("trunk", "list", "--json").json
    assert "state" not in row
