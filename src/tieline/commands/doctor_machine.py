"""Checks of the machine: its clock, its limits, and the voice."""

from __future__ import annotations

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tieline.commands.findings import Finding
from tieline.config import Settings

MAX_OFFSET_S = 2.0
FILES_PER_CALL = 2
FILES_AT_REST = 256


def check_clock(settings: Settings) -> Iterator[Finding]:
    """Whether the clock is kept right and agrees with the database's."""
    now = datetime.now(UTC)
    if now.year < 2025:
        yield Finding("clock", "fault", f"the clock says {now:%Y-%m-%d}", "Set the clock; run an NTP client.")
        return
    from tieline.store.anchor import steady_anchor

    path = Path(settings.store.path)
    offset = (steady_anchor(path) - now).total_seconds() if path.is_file() else 0.0
    if abs(offset) > MAX_OFFSET_S:
        yield Finding(
            "clock", "advice", f"the clock was stepped by {-offset:+.1f} s since the database was opened on this boot",
            "Leases go on by the old time, so nothing is lost; find out what sets the clock.",
        )  # fmt: skip
    synchronised = _synchronised()
    if synchronised is False:
        yield Finding(
            "clock", "advice", "the clock is not synchronised", "Run an NTP client, for example chrony."
        )
    elif abs(offset) <= MAX_OFFSET_S:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC{', synchronised' if synchronised else ''}")


def _synchronised() -> bool | None:
    """What systemd says of the clock; None where it is not there to ask."""
    try:
        answer = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(answer.stdout.strip())


def check_file_limit(settings: Settings) -> Iterator[Finding]:
    """Whether we may have as many sockets open as the limits of calls and of HTTP's connections ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_AT_REST + FILES_PER_CALL * settings.server.max_calls + settings.http.max_connections
    wanted = f"{settings.server.max_calls} calls and {settings.http.max_connections} connections of HTTP"
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield Finding(
            "files", "fault", f"{hard} open files are allowed; {wanted} need about {needed}",
            "Raise the limit (`LimitNOFILE=` in the systemd unit), or lower server.max_calls or http.max_connections.",
        )  # fmt: skip
    elif soft < needed:
        yield Finding(
            "files", "advice", f"{soft} open files are allowed now; {wanted} need {needed}",
            f"Run `ulimit -n {needed}` first, or set `LimitNOFILE=` in the systemd unit.",
        )  # fmt: skip
    else:
        yield Finding("files", "ok", f"{soft} open files are allowed; about {needed} are needed")


def check_voice(settings: Settings) -> Iterator[Finding]:
    """Whether the offline voice speaks."""
    from tieline.agent.providers.offline import OfflineVoice
    from tieline.errors import TielineError

    async def speak() -> bytes:
        voice = OfflineVoice(language=settings.voice.language, variant=settings.voice.name)
        try:
            await voice.start()
            return await voice.speak("one two three")
        finally:
            await voice.stop()

    try:
        audio = asyncio.run(speak())
    except TielineError as error:
        yield Finding(
            "voice", "fault", f"the voice does not speak: {error.message}",
            "Install it with `pip install 'tieline[offline]'`, and check voice.language and voice.name.",
        )  # fmt: skip
        return
    if not any(audio):
        yield Finding("voice", "fault", "the voice is silent", "Check voice.language and voice.name.")
    else:
        yield Finding("voice", "ok", f"speaks {settings.voice.language} ({len(audio)} bytes of audio)")
