"""`tieline phone`: a call from the command line."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer import echo

from tieline.errors import TielineError
from tieline.observe.ladder import Ladder
from tieline.softphone.phone import CallFailed, PhoneCall, Softphone
from tieline.softphone.trace import ladder_entries


def main(arguments: Sequence[str]) -> int:
    """Place the call that the arguments describe; 0 when it was answered, 1 when not, 2 for bad arguments."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return asyncio.run(_call(options))
    except TielineError as error:
        echo(f"tieline phone: {error.message}", err=True)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tieline phone",
        description="Call a SIP URI, listen until the agent stops speaking, press keys, and show the SIP ladder.",
        epilog="Example: tieline phone sip:+15550100001@127.0.0.1:5060 --press 1 --press 42# --save heard.wav",
    )
    parser.add_argument(
        "uri", help="whom to call, like sip:+15550100001@127.0.0.1:5060 (;transport=tcp for TCP)"
    )
    parser.add_argument("--caller", default="+15557654321", help="the number that calls (%(default)s)")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="a header of the INVITE"
    )
    parser.add_argument(
        "--press", action="append", default=[], metavar="KEYS",
        help="keys to press after the agent has spoken; once per turn",
    )  # fmt: skip
    parser.add_argument("--save", type=Path, metavar="FILE", help="write what was heard as a WAV file")
    parser.add_argument(
        "--stay", type=float, default=20.0, metavar="S", help="hang up after so long (%(default)s s)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="our own address (%(default)s)")
    return parser


async def _call(options: argparse.Namespace) -> int:
    headers = [_header(text) for text in options.header]
    async with Softphone(options.host) as phone:
        echo(f"calling {options.uri} ...")
        try:
            call = await phone.dial(options.uri, caller=options.caller, headers=headers)
        except CallFailed as error:
            echo(f"{error.message}" + (f" (Retry-After: {error.retry_after})" if error.retry_after else ""))
            return 1
        echo("answered")
        await _talk(call, options)
        ending = call.ended.result()
        echo(f"ended by {ending.by}; heard {call.audio.heard_s:.1f} s of sound\n")
        echo(Ladder(ladder_entries(call.trace)).plain())
        if options.save is not None:
            call.audio.save(options.save)
            echo(f"\nwritten: {options.save}")
    return 0


async def _talk(call: PhoneCall, options: argparse.Namespace) -> None:
    """Press the keys turn by turn, wait for the agent to end the call, and hang up when it does not."""

    async def turns() -> None:
        for keys in options.press:
            await call.audio.speech_ended()
            echo(f"pressing {keys}")
            await call.press(keys)

    pressing = asyncio.ensure_future(turns())
    await asyncio.wait({call.ended}, timeout=options.stay)
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)
    await call.hang_up()


def _header(text: str) -> Any:
    name, colon, value = text.partition(":")
    if not colon:
        raise CallArgument(f"--header wants NAME:VALUE, not {text!r}")
    return name.strip(), value.strip()


class CallArgument(TielineError):
    """An argument that makes no call."""

    code = "argument"
