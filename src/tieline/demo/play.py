"""The demonstration itself: each step of the path for real, checked, and shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tieline.demo.exchange import Exchange, exchange
from tieline.demo.process import Addresses, ServerFailed, ServerProcess
from tieline.demo.show import Screen
from tieline.softphone.phone import CallFailed, Ending, PhoneCall, Softphone
from tieline.softphone.trace import ladder_entries

CALLER = "+15557654321"
ATTRIBUTES = {
    "shared_id": "case-2041",
    "ani": CALLER,
    "customer": {"first_name": "Maria", "tier": "gold"},
    "previous_calls": ["2026-11-02", "2026-11-19"],
}
TURNS = ("2", "7301", "7310")
"""What the caller presses: order status, then two numbers of orders that nobody has."""

LISTEN_TIMEOUT_S = 40.0


class StepFailed(Exception):
    """A step of the path did not hold; the text says which and why."""


@dataclass(slots=True)
class Story:
    """What the demonstration knows as it goes along."""

    screen: Screen
    server: ServerProcess
    example: Path
    addresses: Addresses = field(default_factory=lambda: Addresses("", ("", 0), None))
    reserve_key: str = ""
    handoff_key: str = ""
    failed: list[str] = field(default_factory=list)

    def check(self, text: str, held: bool, detail: str = "") -> None:
        """Show whether a step held, and remember when it did not."""
        self.screen.step(text, held, detail)
        if not held:
            self.failed.append(text)


def run_demo(*, once: bool = False) -> int:
    """Play the demonstration; 0 when every step held. Without `once` the server keeps running until Ctrl-C."""
    example = find_example("front_desk")
    folder = Path(tempfile.mkdtemp(prefix="tieline-demo-"))
    server = ServerProcess(folder)
    story = Story(screen=Screen(), server=server, example=example)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server must not outlive us
    try:
        asyncio.run(play(story))
        if not story.failed and not once:
            keep_serving(story)
    except (StepFailed, ServerFailed, CallFailed) as error:
        story.failed.append(str(error))
        story.screen.step(str(error), held=False)
        story.screen.line(server.log_tail(), "dim")
    except KeyboardInterrupt:
        story.screen.line("stopped", "dim")
        return 0 if not once else 130
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if story.failed else 0


def find_example(name: str) -> Path:
    """The example project, beside the sources or installed with the package."""
    package = Path(__file__).resolve().parents[1]
    for base in (package.parents[1] / "examples", package / "examples"):
        if (base / name / "project.yaml").is_file():
            return base / name
    raise ServerFailed(f"the example {name} is not installed")


async def play(story: Story) -> None:
    """The whole path once."""
    screen = story.screen
    screen.title(
        "Tieline: one call from reservation to outcome", "a real server, SIP, RTP and SQLite on this machine"
    )
    await start(story)
    reserved = await reserve(story)
    call, ending = await place_call(story, str(reserved["dni"]))
    await show_call(story, call, ending)
    await fetch_outcome(story)
    screen.part("All steps held" if not story.failed else f"{len(story.failed)} steps did not hold")


async def start(story: Story) -> None:
    """Start the server and apply the example's resources, as `tieline` commands."""
    screen, server = story.screen, story.server
    screen.part("Start a server, and tell it about a project, its numbers and its trunk")
    resources = story.example / "resources.yaml"
    screen.command(f"$ tieline apply -f {shown_path(resources)}")
    applied = await asyncio.to_thread(server.command, "apply", "-f", str(resources), "--json")
    if applied.returncode:
        raise StepFailed(f"tieline apply failed: {applied.stderr.strip()}")
    issued = {one["name"]: one["secret"] for one in read_json(applied.stdout)["issued"]}
    story.reserve_key = issued["front-desk-reserve"]
    story.handoff_key = issued["front-desk-handoff"]
    screen.command("$ tieline serve")
    story.addresses = await asyncio.to_thread(server.start)
    host, port = story.addresses.sip_udp
    story.check("the server is ready", held=True, detail=f"HTTP {story.addresses.http}, SIP {host}:{port}")


async def reserve(story: Story) -> dict[str, Any]:
    """Reserve a DNI with attributes."""
    story.screen.part("Reserve a number that carries the caller's context")
    made = await exchange(
        story.addresses.http,
        "POST",
        "/v1/conversations/dni-reservation",
        story.reserve_key,
        {"attributes": ATTRIBUTES},
    )
    story.screen.exchange(made)
    story.check("a number is reserved", made.status == 200 and "dni" in made.answer)
    if made.status != 200:
        raise StepFailed("no number, no call")
    answer: dict[str, Any] = made.answer
    return answer


async def place_call(story: Story, dni: str) -> tuple[PhoneCall, Ending]:
    """Dial the number, listen, press keys, until the agent hands us back. Each stop is checked."""
    host, port = story.addresses.sip_udp
    uri = f"sip:{dni}@{host}:{port}"
    story.screen.part("Dial it, listen, press keys")
    async with Softphone() as phone:
        story.screen.line(f"calling {uri} as {CALLER}", "dim")
        call = await phone.dial(uri, caller=CALLER)
        story.check("the call was answered", held=True)
        ending = await converse(story, call)
        story.check("the agent handed the call back by BYE", ending.by == "them")
        await asyncio.sleep(0.1)  # our 200 to the BYE belongs into the ladder
        story.screen.part("What went over the wire")
        story.screen.ladder(ladder_entries(call.trace))
        custom = [name for name, _ in ending.headers if name.lower().startswith("x-")]
        story.check("the BYE carries custom headers", bool(custom), ", ".join(custom))
        return call, ending


async def converse(story: Story, call: PhoneCall) -> Ending:
    """Press the keys, each after the agent has spoken, and listen until the agent ends the call."""
    try:
        async with asyncio.timeout(LISTEN_TIMEOUT_S):
            for keys in TURNS:
                before = call.audio.heard_s
                await first_of(call.audio.speech_ended(), call.ended)
                heard = call.audio.heard_s - before
                story.check(
                    f"heard {heard:.1f} s of speech, pressing {keys}", heard > 0.5 and not call.ended.done()
                )
                await call.press(keys)
            before = call.audio.heard_s
            ending = await call.ended
    except TimeoutError:
        raise StepFailed("the call did not end as it should") from None
    heard = call.audio.heard_s - before
    story.check(f"heard {heard:.1f} s of goodbye, to its end", heard > 0.5)
    return ending


async def first_of(wanted: Coroutine[Any, Any, None], end: asyncio.Future[Ending]) -> None:
    """Wait for something of the call, or for its end."""
    task = asyncio.ensure_future(wanted)
    end.add_done_callback(lambda _: task.cancel())
    await asyncio.gather(task, return_exceptions=True)


async def show_call(story: Story, call: PhoneCall, ending: Ending) -> None:
    """What was said, as the server recorded it, beside what the caller's ear got."""
    story.screen.part("What the caller heard and pressed")
    shown = await asyncio.to_thread(story.server.command, "calls", "list", "--json")
    listed = read_json(shown.stdout)
    call_id = (listed if isinstance(listed, list) else listed["calls"])[0]["id"]
    record = read_json(
        (await asyncio.to_thread(story.server.command, "calls", "show", call_id, "--json")).stdout
    )
    for turn in record["turns"]:
        if turn["channel"] == "keypad":
            story.screen.spoken("caller", f"[{turn['user_input']}]")
        if turn["utterance"]:
            story.screen.spoken("agent", turn["utterance"])
    plan = (record.get("outcome") or {}).get("handoff") or {}
    if plan.get("utterance"):
        story.screen.spoken("agent", plan["utterance"])
    greeting = record["turns"][0]["utterance"]
    story.check("the greeting knew the caller's name", ATTRIBUTES["customer"]["first_name"] in greeting)  # type: ignore[index]
    story.screen.line(
        f"{call.audio.heard_s:.1f} s of speech in {call.audio.packets_received} RTP packets", "dim"
    )


async def fetch_outcome(story: Story) -> Exchange:
    """Get Handoff, by the shared id that the client chose."""
    story.screen.part("Read the outcome")
    found = await exchange(
        story.addresses.http,
        "GET",
        f"/v1/northwind/front-desk/handoff_state?shared_id={quote(str(ATTRIBUTES['shared_id']))}",
        story.handoff_key,
    )
    story.screen.exchange(found)
    data = found.answer.get("data", {}) if found.status == 200 else {}
    story.check("Get Handoff answers with what the agent stored", data.get("handoff_to") == "orders")
    story.check("the shared id came back", (found.answer or {}).get("shared_id") == ATTRIBUTES["shared_id"])
    return found


def keep_serving(story: Story) -> None:
    """Say what can be tried by hand, and wait for Ctrl-C."""
    screen = story.screen
    host, port = story.addresses.sip_udp
    screen.part("Your turn: the server is still running (Ctrl-C ends it)")
    link = story.server.owner_link()
    if link is not None:
        screen.line("open the studio and become its owner; the call above is under Conversations:")
        screen.command(link)
        screen.line(f"the link works once; then sign in at {story.addresses.http}/studio", "dim")
    screen.line("reserve a number:")
    screen.command(
        f"curl -s {story.addresses.http}/v1/conversations/dni-reservation \\\n"
        f"  -H 'x-api-key: {story.reserve_key}' -H 'Content-Type: application/json' \\\n"
        """  -d '{"attributes": {"shared_id": "case-2042", "customer": {"first_name": "Sam"}}}'"""
    )
    screen.line("call it (put the number in), or use any softphone:")
    screen.command(f"{command_name()} phone sip:+15550101@{host}:{port} --press 1")
    screen.line("read the outcome:")
    screen.command(
        f"curl -s '{story.addresses.http}/v1/northwind/front-desk/handoff_state?shared_id=case-2042' \\\n"
        f"  -H 'x-api-key: {story.handoff_key}'"
    )
    screen.line("look at calls:")
    screen.command(f"{command_name()} calls list --config {story.server.config}")
    with contextlib.suppress(KeyboardInterrupt):
        story.server.wait()


def command_name() -> str:
    """How a person in this shell calls `tieline`."""
    return "tieline" if shutil.which("tieline") else shown_path(Path(sys.executable).parent / "tieline")


def shown_path(path: Path) -> str:
    """A path as a person here would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_json(text: str) -> Any:
    """Output of a `--json` command. Raises `StepFailed` when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        raise StepFailed(f"expected JSON, got: {text[:200]!r}") from None
