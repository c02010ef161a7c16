"""A server of its own process, started on free loopback ports with a database that goes away with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0

LOOPBACK: dict[str, dict[str, Any]] = {
    "server": {"max_calls": 100},
    "http": {"host": "127.0.0.1", "port": 0},
    "sip": {"udp_host": "127.0.0.1", "udp_port": 0, "tcp_host": "127.0.0.1", "tcp_port": 0},
    "rtp": {"bind_host": "127.0.0.1", "port_first": 20000, "port_last": 29999},
    "store": {"path": "tieline.db"},
}
"""Settings of a server that nobody else can reach and that gets in nobody's way."""


class ServerFailed(Exception):
    """The server did not start; the text holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server is reached."""

    http: str
    sip_udp: tuple[str, int]
    sip_tcp: tuple[str, int] | None
    sip_tls: tuple[str, int] | None = None


class ServerProcess:
    """`tieline serve` in a folder: its settings, database and log are the folder's `tieline.toml`, `.db`, `.log`.

    `module` is what Python runs as the server; the benches put a program of theirs around it.
    """

    def __init__(
        self, folder: Path, settings: dict[str, dict[str, Any]] | None = None, *, module: str = "tieline"
    ) -> None:
        self.folder = folder
        self.module = module
        self.config = folder / "tieline.toml"
        self.log = folder / "tieline.log"
        self._ready = folder / "ready.json"
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._write_settings()

    def _write_settings(self) -> None:
        sections = {name: {**LOOPBACK.get(name, {}), **self._settings.get(name, {})} for name in
                    [*LOOPBACK, *(name for name in self._settings if name not in LOOPBACK)]}  # fmt: skip
        lines: list[str] = []
        for name, values in sections.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
        self.config.write_text("\n".join(lines))

    def command(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a `tieline` command with this server's settings; its output is captured."""
        return subprocess.run(
            [sys.executable, "-m", "tieline", *words, "--config", str(self.config)],
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self) -> Addresses:
        """Start the server and wait until it takes calls. Raises `ServerFailed`."""
        self._ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, "serve", "--config", str(self.config),
                 "--ready-file", str(self._ready)],
                cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._ready.exists():
                return _read_addresses(self._ready)
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise ServerFailed(f"the server did not start:\n{self.log_tail()}")

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise ServerFailed("the server is not running")
        return self._process.pid

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        return (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
        )

    def owner_link(self) -> str | None:
        """The link on the server's console with which the first person becomes the studio's owner."""
        found = re.findall(r"^\s*(https?://\S+/welcome\?token=\S+)$", self.log_tail(200), re.MULTILINE)
        return found[-1] if found else None

    def stop(self) -> int | None:
        """SIGTERM, then wait for the drain; the exit status, or None when it had to be killed."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def wait(self) -> None:
        """Wait until the server ends."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _read_addresses(path: Path) -> Addresses:
    found = json.loads(path.read_text())
    udp, tcp, tls = found["sip_udp"], found.get("sip_tcp"), found.get("sip_tls")
    return Addresses(
        http=found["http"],
        sip_udp=(udp[0], udp[1]),
        sip_tcp=(tcp[0], tcp[1]) if tcp is not None else None,
        sip_tls=(tls[0], tls[1]) if tls is not None else None,
    )
