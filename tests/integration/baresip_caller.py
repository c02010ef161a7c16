"""baresip, a softphone that is not ours, without sound card and screen: driven by its control port, read back from its
log, with what it heard in a WAV file.
"""

from __future__ import annotations

import asyncio
import json
import re
import wave
from pathlib import Path
from typing import Any

from tests.ports import free_port

MODULES = next(
    (
        path
        for path in map(Path, ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"))
        if path.is_dir()
    ),
    Path("/usr/lib/baresip/modules"),
)
CONFIG = """
poll_method epoll
sip_listen {host}:{port}
net_interface {host}
module_path {modules}
audio_source ausine,440
audio_player aubridge,nobody
audio_alert aubridge,nobody
ausrc_srate 48000
ausrc_channels 2
module g711.so
module srtp.so
module ausine.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
snd_path {folder}
"""
"""It sends a tone, and hears into `dump-*-dec.wav`."""

LOUD = 500


class Baresip:
    """Use as `async with Baresip(folder) as phone`. Events are baresip's own, by type, in order.

    `encryption` is its word for SRTP with SDES: `srtp` where the other side can, `srtp-mand` in any case. With a
    `port` it answers calls there at once; TLS is one port above, with `certificate`, a PEM file that holds the key too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        transport: str = "udp",
        host: str = "127.0.0.1",
        encryption: str = "",
        user: str = "+15557654321",
        port: int = 0,
        certificate: Path | None = None,
    ) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._control = free_port(host)
        self._host = host
        self._changed = asyncio.Event()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        config = CONFIG.format(host=host, port=port, modules=MODULES, control=self._control, folder=folder)
        if certificate is not None:
            config += f"sip_certificate {certificate}\nsip_verify_server no\n"
        (folder / "config").write_text(config)
        media = f";mediaenc={encryption}" if encryption else ""
        media += ";answermode=auto" if port else ""
        (folder / "accounts").write_text(f"<sip:{user}@{host};transport={transport}>;regint=0{media}\n")
        (folder / "contacts").touch()

    async def __aenter__(self) -> Baresip:
        """Start it and connect to its control port."""
        log = (self.folder / "baresip.log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            "baresip", "-4", "-s", "-f", str(self.folder), stdin=asyncio.subprocess.DEVNULL, stdout=log,
            stderr=asyncio.subprocess.STDOUT, env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        )  # fmt: skip
        log.close()
        try:
            async with asyncio.timeout(20):
                await self._connect()
        except BaseException:
            self._process.kill()
            await self._process.wait()
            raise
        return self

    async def _connect(self) -> None:
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(self._host, self._control)
            except OSError:
                assert self._process.returncode is None, self.log
                await asyncio.sleep(0.05)
            else:
                self._reading = asyncio.create_task(self._read(reader))
                return

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Netstrings of JSON: answers to commands, and events."""
        while True:
            length = int((await reader.readuntil(b":"))[:-1])
            message = json.loads((await reader.readexactly(length + 1))[:-1])
            if message.get("event"):
                self.events.append(message)
                self._changed.set()
            else:
                self._answers.put_nowait(message)

    async def do(self, command: str, parameters: str) -> None:
        """Carry out a command."""
        text = json.dumps({"command": command, "params": parameters, "token": "t"})
        self._writer.write(f"{len(text)}:{text},".encode())
        async with asyncio.timeout(10):
            answer = await self._answers.get()
        assert answer["ok"], (answer, self.log)

    async def happened(self, kind: str, limit_s: float = 30) -> dict[str, Any]:
        """Wait for an event of a type."""
        async with asyncio.timeout(limit_s):
            while True:
                for event in self.events:
                    if event["type"] == kind:
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def heard_speech(self) -> None:
        """Wait until what it hears has been loud, and then quiet for half a second."""
        before = self.loud_frames()
        async with asyncio.timeout(30):
            while True:
                frames = self.loud_frames()
                if any(frames[len(before) :]) and len(frames) > 25 and not any(frames[-25:]):
                    return
                await asyncio.sleep(0.1)

    def loud_frames(self) -> list[bool]:
        """For each 20 ms heard so far, whether there was sound. The file's head is not written before its end."""
        found = sorted(self.folder.glob("dump-*-dec.wav"))
        if not found:
            return []
        samples = memoryview(found[-1].read_bytes()[44:])
        frames = [samples[start : start + 320] for start in range(0, len(samples) - 319, 320)]
        return [max(map(abs, frame.cast("h"))) > LOUD for frame in frames]

    def recording(self) -> tuple[int, float]:
        """Rate and length in seconds of the finished recording, by the head of the file."""
        with wave.open(str(max(self.folder.glob("dump-*-dec.wav")))) as file:
            return file.getframerate(), file.getnframes() / file.getframerate()

    @property
    def log(self) -> str:
        """Everything that baresip printed, the SIP messages too."""
        return (self.folder / "baresip.log").read_text(errors="replace")

    def received(self, start: str) -> list[str]:
        """SIP messages in the log that begin so."""
        return re.findall(rf"^{re.escape(start)}.*?\r?\n\r?\n", self.log, re.MULTILINE | re.DOTALL)
