"""Handoff by REFER in the running product, with SIPp as the caller's SBC: polite, rude and silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import sipp_caller as sipp
from tests.integration.rtp_end import RtpEnd
from tests.integration.served import HOST
from tests.integration.switching import (
    GENESYS,
    PATIENT,
    Switch,
    call,
    given_back,
    hang_up,
    last_failure,
    notify,
    play,
    request_of,
    respond,
    say,
    steps_of,
    switching,
)

pytestmark = pytest.mark.needs("sipp")
ACCEPTED = [sipp.receive_request("REFER"), respond("202 Accepted", sipp.CONTACT)]


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    with switching(tmp_path_factory.mktemp("server")) as running:
        yield running


async def test_a_transfer_that_works(switch: Switch, tmp_path: Path) -> None:
    """202 and NOTIFY 100, 180, 200: we say BYE, and everybody who asks is told the same."""
    steps: sipp.Steps = [
        *call("X-Go: far", "X-Code: from code", "X-Shared-Id: case-7"),
        *ACCEPTED,
        *notify(2, "100 Trying"),
        *notify(3, "180 Ringing"),
        *notify(4, "200 OK", state="terminated;reason=noresource"),
        *given_back(),
    ]
    played = await play(switch, tmp_path, steps)
    refer = request_of(played, "REFER")
    contact = played.messages[0].header("Contact").partition("@")[2].partition(";")[0]
    assert refer.header("Refer-To") == f"<sip:+15550001111@{contact}>"
    assert refer.header("X-Lead") == "from code"
    assert refer.header("X-Shared-Id") == "case-7"
    assert refer.header("Referred-By").startswith("<sip:200@")
    assert "cause=16" in played.bye.header("Reason")
    record = await switch.record(played)
    assert record["termination"] == {"reason": "handed_off", "fault": "agent", "detail": "far"}
    assert record["handoff"]["destination"] == "far"
    receipt = record["receipt"]
    assert receipt["state"] == "done"
    assert steps_of(receipt) == ["requested", "sent", "accepted", "ringing", "answered", "done"]
    assert [step["evidence"] for step in receipt["steps"][2:5]] == [
        "202 Accepted",
        "NOTIFY 180 Ringing; Subscription-State: active",
        "NOTIFY 200 OK; Subscription-State: terminated",
    ]
    found = await switch.served.handoff("case-7")
    assert found.answer["status"] == "ended_with_handoff"
    assert await switch.served.metric("tieline_handoffs_total", method="refer", result="done") >= 1


@pytest.mark.parametrize(
    ("refusal", "failure", "retry"),
    [
        ("403 Forbidden", "forbidden", "fix_settings"),
        ("405 Method Not Allowed", "not_supported", "other_method"),
        ("501 Not Implemented", "not_supported", "other_method"),
        ("603 Decline", "declined", "other_destination"),
    ],
)
async def test_a_refused_transfer_leaves_the_caller_with_the_agent(
    switch: Switch, tmp_path: Path, refusal: str, failure: str, retry: str
) -> None:
    steps: sipp.Steps = [
        *call("X-Go: far", f"X-Shared-Id: {refusal}"),
        sipp.receive_request("REFER"),
        respond(refusal),
        sipp.wait_for_cue(),
        *press(2, "7"),
        sipp.wait_for_cue(),
        *press(3, "0"),
        *given_back(),
    ]
    before = await switch.served.metric("tieline_handoff_failures_total", reason=failure)
    caller = sipp.Sipp(tmp_path, steps)
    await caller.start(switch.served.sip_udp, "200")
    try:
        await switch.spoken_again(caller)
        caller.cue()
        await switch.told(caller, "7")
        caller.cue()
        played = await caller.end()
    finally:
        caller.stop()
    assert played.status == 0, played.output
    assert (played.bye.header("X-Failed"), played.bye.header("X-Pressed")) == (failure, "7")
    record = await switch.record(played)
    first, second = record["receipts"]
    status = int(refusal.split(maxsplit=1)[0])
    assert (first["state"], last_failure(first)) == ("failed", (failure, retry, status))
    assert first["steps"][-1]["evidence"] == refusal
    assert (second["state"], steps_of(second)) == ("done", ["requested", "sent", "accepted", "done"])
    assert record["receipt"] == second
    assert [turn["utterance"] for turn in record["turns"]][1:3] == ["Nobody took the call.", "You pressed 7."]
    found = await switch.served.handoff(refusal)
    assert found.answer["data"] == {"pressed": "7", "failed": failure}
    assert await switch.served.metric("tieline_handoff_failures_total", reason=failure) == before + 1


async def test_silence_after_the_202_gives_the_caller_back(
    switch: Switch, ear: RtpEnd, tmp_path: Path
) -> None:
    """The agent is heard again, and the caller's keys count."""
    steps: sipp.Steps = [*call("X-Go: far"), *ACCEPTED, *given_back()]
    caller = sipp.Sipp(tmp_path, steps, ear.port)
    await caller.start(switch.served.sip_udp, "200")
    try:
        await switch.failed_handoff(caller)  # what is heard before is the tone of a caller who waits
        await talk(ear, "30")
        played = await caller.end()
    finally:
        caller.stop()
    assert played.status == 0, played.output
    assert (played.bye.header("X-Failed"), played.bye.header("X-Pressed")) == ("no_notify", "3")
    receipt = (await switch.record(played))["receipts"][0]
    assert (receipt["state"], receipt["steps"][-1]["detail"]) == ("failed", "accepted, then silence")


async def test_notifies_without_body_and_event(switch: Switch, tmp_path: Path) -> None:
    steps: sipp.Steps = [
        *call("X-Go: far"),
        *ACCEPTED,
        *notify(2, None, state=None, event=False),
        *notify(3, "200 OK", state=None, event=False),
        *given_back(),
        *notify(4, "200 OK", state="terminated;reason=noresource"),
    ]
    played = await play(switch, tmp_path, steps)
    receipt = (await switch.record(played))["receipt"]
    assert steps_of(receipt) == ["requested", "sent", "accepted", "answered", "done"]


async def test_the_peer_says_bye_first(switch: Switch, tmp_path: Path) -> None:
    steps: sipp.Steps = [
        *call("X-Go: far"),
        *ACCEPTED,
        *notify(2, "200 OK", state="terminated;reason=noresource"),
        *hang_up(3, "X-Disposition: moved"),
    ]
    played = await play(switch, tmp_path, steps, source=PATIENT)
    assert played.received("BYE ") == []
    record = await switch.record(played)
    assert record["termination"]["reason"] == "handed_off"
    assert steps_of(record["receipt"])[-2:] == ["answered", "done"]


async def test_the_peer_was_to_say_bye_and_does_not(switch: Switch, tmp_path: Path) -> None:
    steps: sipp.Steps = [
        *call("X-Go: far"),
        *ACCEPTED,
        *notify(2, "200 OK", state="terminated;reason=noresource"),
        *given_back(),
    ]
    played = await play(switch, tmp_path, steps, source=PATIENT)
    notified = next(one for one in played.messages if one.sent and one.start.startswith("NOTIFY"))
    assert (played.bye.at - notified.at).total_seconds() > 0.9
    assert (await switch.record(played))["receipt"]["state"] == "done"


async def test_a_bye_in_place_of_notifies_and_a_late_failure(switch: Switch, tmp_path: Path) -> None:
    """The peer took the caller over and says so by BYE; then it tells that the target was busy after all."""
    steps: sipp.Steps = [
        *call("X-Go: far"),
        *ACCEPTED,
        sipp.pause(100),
        *hang_up(2),
        sipp.pause(100),
        *notify(3, "486 Busy Here", state="terminated;reason=noresource"),
    ]
    before = await switch.served.metric("tieline_handoffs_died_young_total", method="refer")
    played = await play(switch, tmp_path, steps)
    record = await switch.record(played)
    receipt = record["receipt"]
    assert steps_of(receipt) == ["requested", "sent", "accepted", "done", "failed"]
    assert (receipt["state"], last_failure(receipt)) == ("failed", ("busy", "later", 486))
    assert await switch.served.metric("tieline_handoffs_died_young_total", method="refer") == before + 1


async def test_a_challenged_transfer(switch: Switch, tmp_path: Path) -> None:
    challenge = 'WWW-Authenticate: Digest realm="centre", nonce="47364c23432d2e131a5fb210812c", algorithm=MD5'
    check = (
        '<recv request="REFER"><action><verifyauth assign_to="right" username="agent" password="s3cret"/>'
        '</action></recv><nop hide="true" test="right" next="good"/>'
    )
    steps: sipp.Steps = [
        *call("X-Go: far"),
        sipp.receive_request("REFER"),
        respond("401 Unauthorized", challenge),
        check,
        respond("403 Forbidden"),
        '<label id="good"/>',
        respond("202 Accepted", sipp.CONTACT),
        *notify(2, "200 OK", state="terminated;reason=noresource"),
        *given_back(),
    ]
    played = await play(switch, tmp_path, steps)
    assert "password" not in played.received("REFER ")[-1].header("Authorization")
    record = await switch.record(played)
    assert steps_of(record["receipt"]) == ["requested", "sent", "accepted", "answered", "done"]
    page = await switch.served.command("calls", "show", record["id"])
    assert "Authorization: (hidden)" in page or "Digest" not in page


async def test_two_hops_on_the_way(switch: Switch, tmp_path: Path) -> None:
    far, near = "<sip:10.9.9.9;lr>", "<sip:[local_ip]:[local_port];lr;id=near>"
    steps: sipp.Steps = [
        *call("X-Go: far", routes=[near, far]),
        *ACCEPTED,
        *notify(2, "200 OK", state="terminated;reason=noresource"),
        *given_back(),
    ]
    played = await play(switch, tmp_path, steps)
    for request in (request_of(played, "REFER"), played.bye):
        routes = ",".join(request.headers("Route")).replace(" ", "").split(",")
        assert [";id=near" in route for route in routes] == [True, False]
        assert routes[1] == "<sip:10.9.9.9;lr>"
        assert request.start.split()[1].startswith("sip:sipp@")


@pytest.mark.parametrize(
    ("go", "source", "expected"),
    [
        ("inside", HOST, "<sip:queue@centre.example?X-Queue=gold>"),
        ("phone", HOST, "<tel:+15550001111>"),
        ("uui", GENESYS, "<sip:+15550001111@{peer}?User-to-User=0061422D37%3Bencoding%3Dhex>"),
    ],
)
async def test_what_stands_in_refer_to(
    switch: Switch, tmp_path: Path, go: str, source: str, expected: str
) -> None:
    steps: sipp.Steps = [
        *call(f"X-Go: {go}", "X-Note: aB-7"),
        *ACCEPTED,
        *notify(2, "200 OK", state="terminated;reason=noresource"),
        *given_back(),
    ]
    played = await play(switch, tmp_path, steps, source=source, mode="t1")
    peer = played.messages[0].header("Contact").partition("@")[2].partition(";")[0]
    refer = request_of(played, "REFER")
    assert refer.header("Refer-To") == expected.format(peer=peer)
    assert refer.headers("User-to-User") == []


async def test_without_a_function_for_it_the_next_turn_tells(
    switch: Switch, ear: RtpEnd, tmp_path: Path
) -> None:
    steps: sipp.Steps = [*call(), sipp.receive_request("REFER"), respond("603 Decline"), *given_back()]
    async with asyncio.TaskGroup() as both:
        playing = both.create_task(play(switch, tmp_path, steps, number="400", media_port=ear.port))
        both.create_task(talk(ear, "1"))
    played = playing.result()
    shown = await switch.served.command_json("calls", "show", played.messages[0].header("Call-ID"))
    assert [turn["utterance"] for turn in shown["turns"]][:2] == ["", "That was declined."]
    assert shown["termination"]["reason"] == "agent_hung_up"
    assert shown["receipt"]["state"] == "failed"


async def talk(ear: RtpEnd, keys: str) -> None:
    """Press each key after the agent has spoken."""
    for key in keys:
        await ear.speech()
        await ear.press(key)


def press(cseq: int, key: str) -> list[str]:
    """Steps: a key by INFO."""
    body = f"Signal={key}\nDuration=160\n"
    return [say("INFO", cseq, "Content-Type: application/dtmf-relay", body=body), sipp.receive(200)]
