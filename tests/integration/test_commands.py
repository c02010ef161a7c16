"""Commands beside a running server: it notices what they change, and they show what it does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator

import pytest

from tests.integration.served import DESK, SECRETS, Served, eventually
from tieline.softphone.phone import CallFailed, Softphone


@pytest.fixture
async def phone() -> AsyncIterator[Softphone]:
    async with Softphone() as opened:
        yield opened


def uri(served: Served, number: str) -> str:
    host, port = served.sip_udp
    return f"sip:{number}@{host}:{port}"


async def test_apply_is_noticed(served: Served, phone: Softphone) -> None:
    with pytest.raises(CallFailed) as refused:
        await phone.dial(uri(served, "201"))
    assert refused.value.status == 404
    served.resources.write_text(
        served.resources.read_text().replace('numbers: ["200"]', 'numbers: ["200", "201"]')
    )
    diff = await served.command_json("apply", "-f", str(served.resources), "--dry-run")
    assert [(one["kind"], one["name"], one["action"]) for one in diff["changes"]] == [
        ("projects", "desk", "update")
    ]
    await served.command("apply", "-f", str(served.resources))

    async def answered() -> bool:
        try:
            call = await phone.dial(uri(served, "201"), headers=[("X-Act", "leave")])
        except CallFailed:
            return False
        return (await call.ended).header("X-Destination") == "at_once"

    assert await eventually(answered)
    again = await served.command_json("apply", "-f", str(served.resources))
    assert again["changes"] == []


async def test_a_new_agent_takes_new_calls_and_the_old_one_keeps_its_own(
    served: Served, phone: Softphone
) -> None:
    """A project folder that is replaced: the call that is up ends as its own version has it."""
    newer = served.folder / "newer"
    shutil.copytree(DESK, newer)
    start = newer / "functions" / "start_function.py"
    start.write_text(start.read_text().replace("at_once", "newer"))
    turn = newer / "functions" / "turn_function.py"
    turn.write_text(turn.read_text().replace("sales", "newer_sales"))
    old_call = await phone.dial(uri(served, "200"))
    served.resources.write_text(served.resources.read_text().replace(str(DESK), str(newer)))
    await served.command("apply", "-f", str(served.resources))

    async def newer_answers() -> bool:
        call = await phone.dial(uri(served, "200"), headers=[("X-Act", "leave")])
        return (await call.ended).header("X-Destination") == "newer"

    await eventually(newer_answers)
    await old_call.press("1")
    assert (await old_call.ended).header("X-Destination") == "sales"


async def test_a_resource_file_with_mistakes_changes_nothing(served: Served) -> None:
    broken = served.folder / "broken.yaml"
    broken.write_text("accounts: [{slug: northwind}]\nprojects:\n  - slug: desk\n    numbrs: ['1']\n")
    before = await served.command("export")
    done = served.process.command("apply", "-f", str(broken))
    assert done.returncode == 3
    assert re.search(r"broken\.yaml:4.*numbrs", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert await served.command("export") == before


async def test_keys_are_made_and_revoked(served: Served) -> None:
    made = await served.command_json("keys", "create", "extra", "--scope", "dni:reserve", "--project", "desk")
    assert made["name"] == "extra"

    async def status() -> int:
        path = "/v1/conversations/dni-reservation"
        return (await served.ask("POST", path, made["secret"], {"attributes": {}})).status

    async def works() -> bool:
        return await status() == 200

    async def is_refused() -> bool:
        return await status() == 401

    await eventually(works)
    listed = await served.command_json("keys", "list")
    assert {row["name"] for row in listed} >= {"extra", "reserve", "handoff"}
    assert made["secret"] not in json.dumps(listed)
    assert made["secret"].encode() not in (served.folder / "tieline.db").read_bytes()
    await served.command("keys", "revoke", "extra")
    await eventually(is_refused)
    await served.command("keys", "revoke", "extra", status=1)


async def test_pools(served: Served) -> None:
    (row,) = await served.command_json("pool", "list")
    assert (row["name"], row["numbers"]) == ("desk", 100)
    reserved = await served.reserve(shared_id="pooled")
    shown = await served.command_json("pool", "show", "desk")
    assert shown["by_state"]["reserved"] >= 1
    states = {one["number"]: one for one in await served.command_json("pool", "numbers", "desk")}
    assert states[reserved["dni"]]["state"] == "reserved"
    free = next(number for number, one in states.items() if one["state"].startswith("free"))
    await served.command("pool", "drain", "desk", free)
    states = {one["number"]: one for one in await served.command_json("pool", "numbers", "desk")}
    assert states[free]["state"] == "draining"
    taken = [(await served.reserve(shared_id=f"drained-{i}"))["dni"] for i in range(60)]
    assert free not in taken
    assert len(set(taken)) == 60
    await served.command("pool", "enable", "desk", free)
    assert "desk" in await served.command("pool", "list")


async def test_calls(served: Served, phone: Softphone) -> None:
    reserved = await served.reserve(shared_id="listed", note="private words")
    call = await phone.dial(uri(served, reserved["dni"]))
    await call.audio.speech_ended()
    await call.press("2")
    ending = await call.ended
    call_id = str(ending.header("X-Conversation"))
    await served.handoff("listed", wait_s=10)

    async def closed() -> bool:
        row = next(row for row in await served.command_json("calls", "list") if row["id"] == call_id)
        return row["termination"] is not None

    await eventually(closed)
    page = await served.command("calls", "show", call_id)
    for expected in (
        "INVITE",
        "200 OK",
        "ACK",
        "BYE",
        "X-Destination: service",
        "Please press a key.",
        "handed_off",
    ):
        assert expected in page, page
    redacted = await served.command("calls", "show", call_id, "--redact")
    assert "private words" not in redacted
    assert "+15557654321" not in redacted
    await served.command("calls", "show", "no-such-call", status=1)
    assert reserved["reservation_id"] in json.dumps(await served.command_json("reservations", "list"))


async def test_doctor(served: Served) -> None:
    report = await served.command_json("doctor")
    assert report["ok"], report
    checks = {one["check"]: one["level"] for one in report["findings"]}
    assert {"database", "voice"} <= set(checks)
    assert "fault" not in checks.values()


async def test_secrets_are_in_no_export(served: Served) -> None:
    text = await served.command("export")
    assert not [secret for secret in SECRETS.values() if secret in text]
