"""A `tieline serve` whose calls all pass through Kamailio, with SIPp as the caller and as the one who is called."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.certificates import Authority
from tests.integration import sipp_caller as sipp
from tests.integration.served import HOST, Served, serving
from tests.ports import free_port

SWITCH = "127.0.0.20"
"""Kamailio's address towards the server."""

CALLEE = "127.0.0.21"
"""Where those live who are called through Kamailio."""

CONFIG = Path(__file__).parent / "kamailio" / "switch.cfg"
PROJECT = Path(__file__).parent / "projects" / "edge"
USER, PASSWORD = "tieline", "s3cret"

TLS_CONFIG = """
[server:default]
method = TLSv1.2+
certificate = {pair.certificate}
private_key = {pair.key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes

[client:default]
method = TLSv1.2+
certificate = {pair.certificate}
private_key = {pair.key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes
"""

RESOURCES = """
accounts: [{{slug: northwind}}]
projects:
  - {{slug: desk, account: northwind, path: {project}, env: sandbox, numbers: ["200"],
     handoff_api: {{shared_id_state_key: shared_id}}}}
trunks:
  - {{name: direct, account: northwind, networks: [127.0.0.1/32]}}
  - name: edge
    account: northwind
    networks: [{host}/32]
    target: {host}:{port}
    transport: {transport}
    username: {user}
    password: {password}
    encryption: refused
    {more}
api_keys:
  - {{name: reserve, account: northwind, project: desk, scopes: ["dni:reserve"], value_from_env: TEST_RESERVE_KEY}}
  - {{name: handoff, account: northwind, project: desk, scopes: ["handoff:read"], value_from_env: TEST_HANDOFF_KEY}}
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""


def taken(host: str, port: int) -> bool:
    """Whether somebody has bound the UDP port."""
    wanted = socket.inet_aton(host)[::-1].hex().upper() + f":{port:04X}"
    return any(wanted in line for line in Path("/proc/net/udp").read_text().splitlines())


@dataclass(slots=True)
class Switch:
    """Kamailio: `outer` is for callers, `inner` for the server, `behind` where it sends what the server sends."""

    folder: Path
    transport: str = "udp"
    outer: tuple[str, int] = field(default_factory=lambda: (HOST, free_port()))
    inner: tuple[str, int] = field(default_factory=lambda: (SWITCH, free_port(SWITCH)))
    behind: tuple[str, int] = field(default_factory=lambda: (CALLEE, free_port(CALLEE)))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "kamailio.log").read_text(errors="replace")

    def start(self, server: tuple[str, int] | None = None) -> None:
        """Start it, to send calls to the server (the one of the last start without any), and wait until it listens."""
        if server is not None:
            self._write(server)
        with (self.folder / "kamailio.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["kamailio", "-DD", "-E", "-m", "64", "-f", str(self.folder / "switch.cfg"), "-Y", str(self.folder),
                 *(["-A", "WITH_TLS"] if self.transport == "tls" else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        while not taken(*self.inner):
            assert self._process.poll() is None, self.log
            time.sleep(0.02)

    def _write(self, server: tuple[str, int]) -> None:
        text = CONFIG.read_text()
        shown = {name: f"{host}:{port}" for name, (host, port) in
                 {"OUTER": self.outer, "SERVER": server, "BEHIND": self.behind}.items()}  # fmt: skip
        text = text.replace("INNERHOST", SWITCH).replace("INNER", f"{SWITCH}:{self.inner[1]}")
        for word, value in {**shown, "PROTO": self.transport}.items():
            text = text.replace(word, value)
        (self.folder / "switch.cfg").write_text(text.replace("FOLDER", str(self.folder)))

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


@contextmanager
def switched(
    folder: Path, transport: str = "udp", more: str = "", settings: dict[str, dict[str, Any]] | None = None
) -> Iterator[tuple[Served, Switch]]:
    """Both, with `more` fields of the trunk between them. TLS is mutual."""
    switch = Switch(folder, transport)
    resources = RESOURCES.format(
        project=PROJECT, host=SWITCH, port=switch.inner[1], transport=transport, user=USER, password=PASSWORD,
        more=more,
    )  # fmt: skip
    port = free_port()
    given: dict[str, dict[str, Any]] = {
        "sip": {"udp_port": port, "tcp_port": port},
        "log": {"level": "debug"},
        **(settings or {}),
    }
    if transport == "tls":
        authority = Authority(folder)
        theirs, ours = authority.issue("switch", SWITCH), authority.issue("own", HOST)
        (folder / "tls.cfg").write_text(TLS_CONFIG.format(pair=theirs, ca=authority.certificate))
        trusted = str(authority.certificate)
        given["sip"] = {
            "udp_host": HOST, "udp_port": 0, "tcp_host": "", "tls_host": HOST, "tls_port": port, "tls_ca": trusted,
            "tls_client_ca": trusted, "tls_certificate": str(ours.certificate), "tls_key": str(ours.key),
        }  # fmt: skip
    switch.start((HOST, port))
    try:
        with serving(folder, given, resources=resources) as served:
            yield served, switch
    finally:
        switch.stop()


# -- steps of a dialog through a proxy ------------------------------------------------------------------------


def call(*headers: str) -> list[str]:
    """Steps: from the INVITE to the ACK."""
    ok = (
        '<recv response="200" rrs="true"><action><ereg regexp=".*" search_in="hdr" header="To:" '
        'assign_to="called"/></action></recv>'
    )
    return [
        sipp.invite(headers=headers),
        sipp.receive(100, optional=True),
        sipp.receive(180, optional=True),
        ok,
        routed("ACK", 1, repeated=False),
    ]


def routed(
    method: str,
    cseq: int,
    *headers: str,
    body: str = "",
    kind: str = "application/sdp",
    repeated: bool = True,
) -> str:
    """A step: a request of the caller's within the call, along its route set."""
    text = sipp.request(method, cseq, to="To:[$called]", headers=["[routes]", *headers], body=body, kind=kind)
    return sipp.send(text, retransmitted=repeated)


def accept(status: str = "200 OK", *headers: str, body: str = "", tag: bool = False) -> str:
    """A step: respond to the request before; `tag` for the first response of a call."""
    text = (
        f"SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]{';tag=callee[call_number]' if tag else ''}\n"
        "[last_Call-ID:]\n[last_CSeq:]\n[last_Record-Route:]\n" + "".join(f"{header}\n" for header in headers)
    )
    kind = "Content-Type: application/sdp\n" if body else ""
    return sipp.send(f"{text}{kind}Content-Length: [len]\n\n{body}", retransmitted=False)


def called(*headers: str) -> list[str]:
    """Steps of the one who is called: ring, answer, take the ACK."""
    return [
        '<recv request="INVITE" rrs="true"/>',
        accept("180 Ringing", sipp.CONTACT, tag=True),
        accept("200 OK", sipp.CONTACT, *headers, body=sipp.sdp(), tag=True),
        sipp.receive_request("ACK"),
    ]


HUNG_UP = [sipp.receive_request("BYE"), accept()]
"""Steps: the server's BYE."""
