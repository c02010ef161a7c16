"""A Twilio API behind Prism, which holds every request and answer against Twilio's own description."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

NODE_MODULES = Path(__file__).parents[3] / ".venv" / "npm" / "node_modules"
PRISM = NODE_MODULES / ".bin" / "prism"
DESCRIPTIONS = NODE_MODULES / "@twilio-alpha" / "mcp" / "twilio-oai" / "spec" / "json"
KNOWN = ("status code", 'must match format "uri"')
"""What Prism says of Twilio's own answers, too: unset addresses are no absolute URIs, and refusals not described."""

Answer = Callable[[str, str, str, dict[str, str]], "tuple[int, Any] | None"]
"""Method, path, `Authorization` and fields to status and answer; None breaks the connection off."""


@contextmanager
def behind_prism(folder: Path, description: str, answer: Answer, begun: Callable[[], None]) -> Iterator[str]:
    """The URL of an API that answers as `answer` does, once `begun` was called; violations fail at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET", b"")

        def do_POST(self) -> None:
            self._serve("POST", self.rfile.read(int(self.headers.get("content-length") or 0)))

        def _serve(self, method: str, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            fields = dict(parse_qsl(body.decode() or query, keep_blank_values=True))
            found = answer(method, path, self.headers.get("authorization", ""), fields)
            if found is None:
                self.close_connection = True
                return
            text = json.dumps(found[1]).encode()
            self.send_response(found[0])
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    inner = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=inner.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log, node = folder / "prism.log", shutil.which("node") or "node"
    with log.open("wb") as out:
        prism = subprocess.Popen(
            [node, str(PRISM), "proxy", "-p", str(port), "-h", "127.0.0.1", str(DESCRIPTIONS / description),
             f"http://127.0.0.1:{inner.server_address[1]}"],
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, prism)
            begun()
            before = log.stat().st_size
            yield url
        finally:
            prism.terminate()
            prism.wait(10)
            inner.shutdown()
            inner.server_close()
    # What Prism has to say about a message that is not as Twilio describes it.
    told = re.sub(r"\x1b\[[0-9;]*m", "", log.read_bytes()[before:].decode(errors="replace"))
    wrong = [
        line for line in told.splitlines() if "Violation" in line and not any(one in line for one in KNOWN)
    ]
    assert wrong == []


def _wait(url: str, prism: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert prism.poll() is None, "Prism did not start"
        try:
            urllib.request.urlopen(f"{url}/", timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("Prism did not begin to serve")
