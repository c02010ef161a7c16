"""The SDK is loaded by whoever needs it, and our HTTP client is what it takes for one of its own."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from twilio.http import AsyncHttpClient
from twilio.rest import Client

from tieline.integrations.twilio import sdk
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.integrations.twilio.http import ApiHttpClient
from tieline.model.twilio import TwilioConnection

MAKE_SERVER = """
import asyncio, sys
import tieline.studio.app
from tieline.config import load_settings
from tieline.server import Server
async def make():
    Server(load_settings(environ={"TIELINE_STORE_PATH": sys.argv[1]}))
asyncio.run(make())
from tieline.integrations.twilio import sdk
print("twilio" in sys.modules)
sdk.load()
print("twilio.rest" in sys.modules)
"""


def test_a_server_without_a_connection_does_without(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MAKE_SERVER, str(tmp_path / "tieline.db")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout == "False\nTrue\n", ran.stderr


def test_its_classes_are_its_own() -> None:
    assert sdk.Client is Client
    with pytest.raises(AttributeError, match="not what we use"):
        _ = sdk.Nothing


def test_what_cannot_be_imported_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "twilio.rest", None)
    with pytest.raises(ImportError, match=r"twilio\.rest"):
        sdk.load()


async def test_the_first_connection_brings_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[bool] = []
    monkeypatch.setattr(sdk, "load", lambda: loaded.append(True))
    await TwilioAccounts().keep(())
    assert loaded == []
    await TwilioAccounts().keep([TwilioConnection(name="main", account="ws", account_sid="AC")])
    assert loaded == [True]


def test_our_http_client_is_asked_as_the_sdks() -> None:
    ours = inspect.signature(ApiHttpClient.request).parameters
    assert list(ours) == list(inspect.signature(AsyncHttpClient.request).parameters)
    assert ApiHttpClient().is_async
