"""The demonstration of handoffs: REFER is refused, the human is busy, the agent goes on, and BYE ends it.

Scripted peers play the contact centre's SBC and the human's phone; the server, the agent, SIP and RTP are real. What is
shown as it happens is what the API tells of the call meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from tieline.demo.play import find_example
from tieline.demo.process import ServerFailed
from tieline.demo.show import Screen
from tieline.testing.contact_center import Manners, behaving
from tieline.testing.contact_center.peer_call import PeerCall
from tieline.testing.contact_center.sockets import SocketCentre
from tieline.testing.served import AgentServer

EXAMPLE = "fail_over"
PHONES = "billing-phones"
POLL_S = 0.1
PATIENCE_S = 30.0
PLAIN_STEPS = ("requested", "spoken", "sent")
"""Steps of a receipt that the SIP messages tell anyhow."""


def run_fail_over() -> int:
    """Play it once; 0 when every step held."""
    screen = Screen()
    screen.title(
        "Tieline: a handoff that fails over from REFER to INVITE to BYE",
        "a real server, SIP and RTP on this machine; the SBC and the billing phone are scripted",
    )
    server = AgentServer(
        find_example(EXAMPLE), phones=[PHONES], state_keys=["handoff_reason", "failed", "call_back"]
    )
    play = FailOver(screen, server)
    try:
        screen.part("Start a server with examples/fail_over")
        server.start()
        host, port = server.sip
        play.check("the server is ready", held=True, detail=f"SIP {host}:{port}")
        asyncio.run(play.run())
    except (ServerFailed, AssertionError, TimeoutError) as error:
        play.check(str(error) or "it took too long", held=False)
        screen.line(server.log, "dim")
    except KeyboardInterrupt:
        return 130
    finally:
        server.stop()
    screen.part("All steps held" if not play.failed else f"{len(play.failed)} steps did not hold")
    return 1 if play.failed else 0


class FailOver:
    """One run: a caller at an SBC that takes no REFER, and a human whose phone is busy."""

    def __init__(self, screen: Screen, server: AgentServer) -> None:
        self.screen = screen
        self.server = server
        self.failed: list[str] = []
        self._told: set[tuple[Any, ...]] = set()
        self._record: dict[str, Any] = {}

    def check(self, text: str, held: bool, detail: str = "") -> None:
        """Show whether a step held, and remember when it did not."""
        self.screen.step(text, held, detail)
        if not held:
            self.failed.append(text)

    async def run(self) -> None:
        """Call, ask for billing, fail twice, talk on, go back."""
        sbc = SocketCentre(self.server.sip, behaving(Manners(), ["refer-603"]), name="SBC")
        phone = SocketCentre(
            self.server.sip, behaving(Manners(), ["invite-busy"]), name="billing", listen=self.server.phones[PHONES]
        )  # fmt: skip
        async with sbc, phone:
            self.screen.part("The caller asks for billing")
            call = sbc.call_number("100")
            await sbc.up(call)
            watching = asyncio.create_task(self._watch(call))
            try:
                await self._talk(sbc, phone, call)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await self._look()
            self._show_end(sbc)

    async def _talk(self, sbc: SocketCentre, phone: SocketCentre, call: PeerCall) -> None:
        audio = sbc.audio(call)
        await audio.speech_ended(within_s=PATIENCE_S)
        self._press(sbc, call, "1")
        await sbc.until(lambda: sbc.refers, PATIENCE_S)
        self.screen.part("REFER: the SBC declines it; the caller is still here")
        await phone.until(lambda: phone.calls, PATIENCE_S)
        self.check("REFER was refused, and the call is still up", call.ended_by is None)
        self.screen.part("INVITE: the billing phone itself is called; it is busy")
        await phone.over(phone.call, PATIENCE_S)
        self.check("the phone rang, and the call is still up", call.ended_by is None)
        self.screen.part("The agent is back: the caller hears why, and keys count")
        await self._said("on another call")
        await audio.speech_ended(within_s=PATIENCE_S)
        self._press(sbc, call, "1")
        await self._said("call you back")
        await audio.speech_ended(within_s=PATIENCE_S)
        self.check("the agent answered the caller's key", call.ended_by is None)
        self.screen.part("BYE: back to the contact centre, with what was agreed")
        self._press(sbc, call, "2")
        await sbc.over(call, PATIENCE_S)
        await self._said("", closed=True)
        headers = sbc.bye_headers
        given = ", ".join(f"{name}: {value}" for name, value in headers.items() if name.startswith("X-"))
        self.check("the BYE says what was agreed", headers.get("X-call-back") == "true", given)

    def _press(self, sbc: SocketCentre, call: PeerCall, keys: str) -> None:
        self.screen.spoken("caller", f"[{keys}]")
        sbc.press(call, keys)

    # -- what the API tells ------------------------------------------------------------------------------------

    async def _watch(self, call: PeerCall) -> None:
        """Show what becomes known of the call, as it does."""
        while True:
            record = await asyncio.to_thread(self.server.conversation_of, call.call_id)
            self._record = record or self._record
            for key, who, text in news(self._record):
                if key not in self._told:
                    self._told.add(key)
                    if who == "receipt":
                        self.screen.line(f" receipt  {text}", "magenta")
                    else:
                        self.screen.spoken(who, text)
            await asyncio.sleep(POLL_S)

    async def _said(self, words: str, *, closed: bool = False) -> None:
        """Wait until the agent has said something, or until the call's last write is there."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._has_said(words, closed=closed):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    def _has_said(self, words: str, *, closed: bool) -> bool:
        if closed:
            return self._record.get("termination") is not None
        return any(who == "agent" and words in text for _, who, text in news(self._record))

    async def _look(self) -> None:
        """The receipts and both legs as `tieline calls show` has them."""
        self.screen.part("The receipts, and what went over the wire on both legs")
        call_id = str(self._record["id"])
        self.screen.command(f"$ tieline calls show {call_id}")
        shown = await asyncio.to_thread(self.server.process.command, "calls", "show", call_id)
        page = shown.stdout
        self.screen.text(page[page.find("Handoff 1") :].rstrip())
        self.check("both receipts are there", "Handoff 1: failed" in page and "Handoff 2: done" in page)
        found = await asyncio.to_thread(self.server.handoff_of, call_id)
        self.screen.part("Read the outcome")
        self.screen.exchange(found)
        data = found.answer.get("data", {})
        self.check(
            "Get Handoff answers with what was agreed",
            (data.get("failed"), data.get("call_back")) == ("busy", True),
        )

    def _show_end(self, sbc: SocketCentre) -> None:
        self.check("there was one REFER and one BYE", (len(sbc.refers), len(sbc.byes)) == (1, 1))


def news(record: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], str, str]]:
    """Everything that a conversation tells so far: a key that is told once, who (`agent`, `receipt`), and the text."""
    for number, receipt in enumerate(record.get("receipts", []), 1):
        for index, step in enumerate(receipt["steps"]):
            if step["step"] not in PLAIN_STEPS:
                yield ("receipt", number, index), "receipt", line_of(step)
    said = [turn["utterance"] for turn in record.get("turns", [])]
    for index, text in enumerate(said):
        if text:
            yield ("turn", index), "agent", text
    between = (record.get("handoff") or {}).get("utterance")
    if between and between not in said:
        yield ("between", between), "agent", between


def line_of(step: dict[str, Any]) -> str:
    """A step of a receipt as a line."""
    why = f": {step['failure']}, {step['evidence']}" if step["failure"] else ""
    return f"{step['method'].upper():<7}{step['step']}{why}"
