"""`tieline simulate`: a contact centre in the terminal, polite or rude, against a server that runs."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_NO,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    CommandFailed,
    JsonOption,
    console,
    examples,
    print_rows,
    run,
)

if TYPE_CHECKING:
    from tieline.testing.contact_center.peer_call import PeerCall
    from tieline.testing.contact_center.sockets import SocketCentre
    from tieline.testing.contact_center.steps import Manners


class Role(StrEnum):
    """Which end of a call is played."""

    CALLER = "caller"
    CALLEE = "callee"


class Expected(StrEnum):
    """What the server has to do for the status to be 0."""

    ANSWER = "answer"
    REFER = "refer"
    INVITE = "invite"
    BYE = "bye"
    HANGUP = "hangup"
    REFUSAL = "refusal"


EXAMPLES = examples(
    "tieline simulate --list",
    "tieline simulate --dial +15550101 --profile five9 --press 0 --expect bye",
    "tieline simulate --dial +15550101 --refer no-notify --press 0 --stay 120",
    "tieline simulate --as callee --listen 127.0.0.1:5070 --behave invite-busy",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("simulate", epilog=EXAMPLES)(simulate)


def simulate(
    listing: Annotated[
        bool, typer.Option("--list", help="List the behaviours and contact centres, and end.")
    ] = False,
    as_json: JsonOption = False,
    target: Annotated[str, typer.Option(help="Where the server takes SIP.")] = "127.0.0.1:5060",
    dial: Annotated[str | None, typer.Option(help="The number to call.")] = None,
    role: Annotated[Role, typer.Option("--as", help="Which end to play.")] = Role.CALLER,
    profile: Annotated[str, typer.Option(help="The contact centre to be.")] = "generic",
    behave: Annotated[
        list[str] | None, typer.Option("--behave", "-b", help="A behaviour of the list; repeat for more.")
    ] = None,
    refer: Annotated[str | None, typer.Option(help="Short for --behave refer-...")] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME:VALUE", help="A header of the INVITE; repeat for more."),
    ] = None,
    press: Annotated[
        list[str] | None, typer.Option(help="Keys to press after the agent has spoken; once per turn.")
    ] = None,
    caller: Annotated[str, typer.Option(help="The number that calls.")] = "+15557654321",
    listen: Annotated[str, typer.Option(help="Our own address; port 0 takes a free one.")] = "127.0.0.1:0",
    tcp: Annotated[bool, typer.Option("--tcp", help="SIP over TCP.")] = False,
    stay: Annotated[float, typer.Option(help="Hang up after so many seconds.")] = 60.0,
    calls: Annotated[int, typer.Option(min=1, max=10_000, help="How many calls to make or to take.")] = 1,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="Calls per second.")] = 1.0,
    expect: Annotated[Expected | None, typer.Option(help="Status 0 only if every call came to this.")] = None,
) -> None:
    """Play a contact centre, an SBC or a telephone, polite or rude, and show the SIP ladder.

    As a caller it dials, presses keys and answers REFER and BYE; as a callee it waits for the server's second leg.
    """
    if listing:
        _show_list(as_json=as_json)
        return
    names = [*(behave or []), *([f"refer-{refer}"] if refer else [])]
    manners = _manners(profile, names)
    if role is Role.CALLER and dial is None:
        raise CommandFailed("--dial says which number to call", EXIT_USAGE)
    play = _Play(
        manners=manners, name=profile, server=_address(target, "--target"), listen=_address(listen, "--listen"),
        number=dial or "", headers=[_header(text) for text in header or []], keys=press or [], caller=caller,
        tcp=tcp, stay_s=stay, calls=calls, rate=rate,
    )  # fmt: skip
    try:
        held = run(play.call(expect) if role is Role.CALLER else play.take(expect))
    except OSError as error:
        raise CommandFailed(
            f"no SIP at {listen} towards {target}: {error.strerror or error}", EXIT_UNAVAILABLE
        ) from None
    if not held:
        raise typer.Exit(EXIT_NO)


def _show_list(*, as_json: bool) -> None:
    from tieline.testing.contact_center import BEHAVIOURS, CENTRES

    rows = [
        {"kind": "contact centre", "name": each.name, "what it does": each.about} for each in CENTRES.values()
    ]
    rows += [
        {"kind": "behaviour", "name": each.name, "what it does": each.about} for each in BEHAVIOURS.values()
    ]
    print_rows(rows, ("kind", "name", "what it does"), as_json=as_json)


def _manners(profile: str, names: list[str]) -> Manners:
    from tieline.errors import NotFound
    from tieline.testing.contact_center import behaving, find_centre

    try:
        return behaving(find_centre(profile).manners, names)
    except NotFound as error:
        raise CommandFailed(f"{error.message}; see tieline simulate --list", EXIT_USAGE) from None


def _address(text: str, option: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise CommandFailed(f"{option} must be HOST:PORT, not {text!r}", EXIT_USAGE)
    return host.strip("[]"), int(port)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandFailed(f"--header must be NAME:VALUE, not {text!r}", EXIT_USAGE)
    return name.strip(), value.strip()


class _Play:
    """One run of the command."""

    def __init__(
        self, *, manners: Manners, name: str, server: tuple[str, int], listen: tuple[str, int], number: str,
        headers: list[tuple[str, str]], keys: list[str], caller: str, tcp: bool, stay_s: float, calls: int, rate: float,
    ) -> None:  # fmt: skip
        self._manners, self._name, self._server, self._listen, self._tcp = manners, name, server, listen, tcp
        self._number, self._headers, self._keys, self._caller = number, headers, keys, caller
        self._stay_s, self._calls, self._rate = stay_s, calls, rate
        self._out = console()

    def _make(self) -> SocketCentre:
        from tieline.sip.events import Transport
        from tieline.testing.contact_center.sockets import SocketCentre

        transport = Transport.TCP if self._tcp else Transport.UDP
        return SocketCentre(
            self._server, self._manners, name=self._name, listen=self._listen, transport=transport
        )

    async def call(self, expect: Expected | None) -> bool:
        """Make the calls; whether all came to what was expected."""
        async with self._make() as centre:
            await centre.connect()
            tasks = []
            for number in range(self._calls):
                if number:
                    await asyncio.sleep(1 / self._rate)
                tasks.append(asyncio.create_task(self._one(centre)))
            showing = asyncio.create_task(self._show(centre))
            await asyncio.gather(*tasks)
            await asyncio.sleep(0.1)  # the last answers belong into the ladder
            showing.cancel()
            return self._judge(centre, expect)

    async def _one(self, centre: SocketCentre) -> None:
        call = centre.call_number(self._number, self._headers, self._caller)

        async def turns() -> None:
            for keys in self._keys:
                await centre.audio(call).speech_ended(within_s=self._stay_s)
                centre.press(call, keys)

        pressing = asyncio.create_task(turns())
        await self._end(centre, call)
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)

    async def _end(self, centre: SocketCentre, call: PeerCall) -> None:
        from tieline.testing.contact_center import PeerState

        try:
            await centre.over(call, self._stay_s)
        except AssertionError:
            centre.hang_up(call)
        # What is told after the end (a NOTIFY, our BYE's answer) is part of the story.
        if call.state is PeerState.OVER and centre.refers:
            await asyncio.sleep(min(3.0, self._stay_s))

    async def take(self, expect: Expected | None) -> bool:
        """Wait for calls of the server's, and see each to its end."""
        async with self._make() as centre:
            host, port = centre.address
            self._out.print(f"waiting for {self._calls} call(s) at sip:{host}:{port}", markup=False)
            showing = asyncio.create_task(self._show(centre))
            try:
                await centre.until(lambda: len(centre.calls) >= self._calls, self._stay_s)
                for call in list(centre.calls):
                    await self._end(centre, call)
            except AssertionError:
                self._out.print("nobody called in time", markup=False)
            await asyncio.sleep(0.1)
            showing.cancel()
            return self._judge(centre, expect)

    async def _show(self, centre: SocketCentre) -> None:
        """Print each message as it comes."""
        shown = 0
        while True:
            entries = centre.timeline.entries
            for entry in entries[shown:]:
                at = entry.at - entries[0].at
                first = entry.data.partition(b"\r\n")[0].decode("utf-8", "backslashreplace")
                self._out.print(f"{at:+9.3f} s {'>' if entry.sent else '<'} {first}", markup=False)
            shown = len(entries)
            await asyncio.sleep(0.05)

    def _judge(self, centre: SocketCentre, expect: Expected | None) -> bool:
        """Show the ladder of what happened, and say whether it is what was expected."""
        from tieline.observe.ladder import Ladder

        if self._calls == 1:
            self._out.print(Ladder(centre.timeline.ladder_entries(centre.name)).rich(), soft_wrap=True)
        rows = [summary(centre, call) for call in centre.calls]
        print_rows(rows, ("call", "answered", "ended_by", "status", "refers", "heard_s"), as_json=False)
        if expect is None:
            return bool(rows)
        held = bool(rows) and all(came_to(centre, call, expect) for call in centre.calls)
        self._out.print(f"{'as expected' if held else 'NOT as expected'}: {expect.value}", markup=False)
        return held


def came_to(centre: SocketCentre, call: PeerCall, expect: Expected) -> bool:
    """Whether a call came to what was expected of the server."""
    answered = call.up_at is not None
    mine = [each for each in centre.timeline if each.message is not None and not each.sent and not each.lost]
    methods = {
        each.label for each in mine if each.message is not None and each.message.call_id == call.call_id
    }
    if expect is Expected.ANSWER:
        return answered
    if expect is Expected.REFUSAL:
        return not answered and call.ended_by == "refused"
    if expect is Expected.HANGUP:
        return answered and call.ended_by == "them"
    return expect.value.upper() in methods


def summary(centre: SocketCentre, call: PeerCall) -> dict[str, Any]:
    """One call in a row."""
    refers = [each for each in centre.refers if each.call_id == call.call_id]
    return {
        "call": call.call_id,
        "answered": call.up_at is not None,
        "ended_by": {"them": "the server", "us": "this side"}.get(
            call.ended_by or "", call.ended_by or "nobody"
        ),
        "status": call.status,
        "refers": len(refers),
        "heard_s": round(centre.audio(call).heard_s, 1),
    }
