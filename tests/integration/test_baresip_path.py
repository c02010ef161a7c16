"""baresip plays the whole path against `tieline serve`: dial a reserved DNI, listen, press keys, be handed back."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from tests.integration.baresip_caller import Baresip
from tests.integration.served import Served, eventually

pytestmark = pytest.mark.needs("baresip")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_whole_path(served: Served, tmp_path: Path, transport: str) -> None:
    shared_id = f"bare-{uuid.uuid4()}"
    reserved = await served.reserve(shared_id=shared_id, note="from baresip")
    host, port = served.sip(transport)
    async with Baresip(tmp_path, transport=transport) as phone:
        await phone.do("dial", f"sip:{reserved['dni']}@{host}:{port}")
        await phone.happened("CALL_ESTABLISHED")
        await phone.heard_speech()
        await phone.do("sndcode", "2")
        await phone.happened("CALL_CLOSED")
        (bye,) = set(phone.received("BYE sip:"))
    assert "\nX-Destination: service" in bye
    assert f"\nX-Shared-Id: {shared_id}" in bye
    rate, seconds = phone.recording()
    assert rate == 8000
    assert seconds > 1
    assert sum(phone.loud_frames()) > 25, "half a second of speech was heard at least"

    answer = (await served.handoff(shared_id)).answer
    assert answer["status"] == "ended_with_handoff"
    assert answer["data"] == {"handoff_to": "service", "note": "from baresip", "pressed": "2"}

    async def termination() -> dict[str, str] | None:
        """The closing write comes after the BYE has been answered."""
        ended: dict[str, str] | None = (await served.conversation(answer["id"]))["termination"]
        return ended

    assert (await eventually(termination))["reason"] == "handed_off"


async def test_it_hangs_up_first(served: Served, tmp_path: Path) -> None:
    reserved = await served.reserve(shared_id="bare-hangs-up", act="hold")
    host, port = served.sip_udp
    async with Baresip(tmp_path) as phone:
        await phone.do("dial", f"sip:{reserved['dni']}@{host}:{port}")
        await phone.happened("CALL_RTPESTAB")
        await phone.do("hangup", "")
        await phone.happened("CALL_CLOSED")
        answer = (await served.handoff("bare-hangs-up", wait_s=20)).answer
    assert answer["status"] == "ended_without_handoff"


async def test_it_is_refused(served: Served, tmp_path: Path) -> None:
    host, port = served.sip_udp
    async with Baresip(tmp_path) as phone:
        await phone.do("dial", f"sip:+15559999999@{host}:{port}")
        closed = await phone.happened("CALL_CLOSED")
    assert "404" in closed["param"]


@pytest.mark.parametrize("encryption", ["srtp", "srtp-mand"])
async def test_the_whole_path_under_srtp(served: Served, tmp_path: Path, encryption: str) -> None:
    """Where both sides may, SRTP is spoken: both hear each other, keys are read, and no key of the media is kept."""
    reserved = await served.reserve(shared_id=f"bare-{encryption}")
    host, port = served.sip_udp
    async with Baresip(tmp_path, encryption=encryption) as phone:
        await phone.do("dial", f"sip:{reserved['dni']}@{host}:{port}")
        await phone.happened("CALL_ESTABLISHED")
        await phone.heard_speech()
        await phone.do("sndcode", "2")
        await phone.happened("CALL_CLOSED")
        (bye,) = set(phone.received("BYE sip:"))
        keys = re.findall(r"inline:([\w+/=]{40})", phone.log)
    assert "\nX-Destination: service" in bye
    assert len(set(keys)) >= 2
    assert sum(phone.loud_frames()) > 25
    answer = (await served.handoff(f"bare-{encryption}", wait_s=20)).answer
    shown = await served.command("calls", "show", answer["id"], "--json")
    assert "inline:(hidden)" in shown
    kept = b"".join(path.read_bytes() for path in served.folder.rglob("*") if path.is_file())
    assert not any(key in shown or key.encode() in kept for key in keys)
