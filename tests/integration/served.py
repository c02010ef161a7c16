"""A `tieline serve` of its own process with the resources that these tests call, and what a client asks of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload
from urllib.parse import quote, urlsplit

from tests.ports import rtp_ports
from tieline.admin.resources import ResourceAdmin, ResourceRules
from tieline.admin.trail import AuditTrail
from tieline.clock import SystemClock
from tieline.config import load_settings
from tieline.demo.exchange import Exchange, exchange
from tieline.demo.process import ServerProcess
from tieline.model.principal import COMMAND_LINE
from tieline.store.anchor import steady_anchor
from tieline.store.seal import seal_of
from tieline.store.sqlite import SqliteStore
from tieline.wiring import check_folder

Found = TypeVar("Found")

HOST = "127.0.0.1"
STRANGER = "127.0.0.2"
GUARDED = "127.0.0.3"
NARROW = "127.0.0.4"
PACED = "127.0.0.5"
"""Addresses that calls come from: the main trunk's, nobody's, and those of trunks with a token or a limit."""

SECRETS = {
    "TEST_RESERVE_KEY": "tl_reserve-0123456789abcdef0123456789abcdef",
    "TEST_HANDOFF_KEY": "tl_handoff-0123456789abcdef0123456789abcdef",
    "TEST_RECORDS_KEY": "tl_records-0123456789abcdef0123456789abcdef",
    "TEST_TRUNK_PASSWORD": "s3cret",
    "TEST_TOKEN": "tlt_token-0123456789abcdef0123456789abcdef",
}
TOKEN = SECRETS["TEST_TOKEN"]

RESOURCES = """
accounts: [{{slug: northwind}}]
projects:
  - slug: desk
    account: northwind
    path: {desk}
    env: sandbox
    numbers: ["200"]
    fallback_handoff: rescue
    handoff_api: {{state_keys: [handoff_to, note, pressed]}}
  - {{slug: silent, account: northwind, answer_only: true, numbers: ["300"]}}
pools:
  - {{name: desk, project: desk, numbers: ["{numbers}"], trunks: [main], ttl_s: 180}}
trunks:
  - {{name: main, account: northwind, networks: [127.0.0.1/32], encryption: offered}}
  - {{name: guarded, account: northwind, networks: [127.0.0.3/32], require_token: true}}
  - {{name: narrow, account: northwind, networks: [127.0.0.4/32], max_calls: 1}}
  - {{name: paced, account: northwind, networks: [127.0.0.5/32], max_cps: 1}}
sip_tokens:
  - {{name: token, project: desk, value_from_env: TEST_TOKEN}}
api_keys:
  - {{name: reserve, account: northwind, project: desk, scopes: ["dni:reserve"], value_from_env: TEST_RESERVE_KEY}}
  - {{name: handoff, account: northwind, project: desk, scopes: ["handoff:read"], value_from_env: TEST_HANDOFF_KEY}}
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""
DESK = Path(__file__).parent / "projects" / "desk"
SOON_S = 40.0
"""How long anything that should follow may take on a busy machine."""


class Served:
    """A server in a folder: started, stopped and killed at will; asked over HTTP and by command."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, dict[str, Any]] | None = None,
        numbers: str = "+15550100-+15550199",
        resources: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # Calls that a test leaves behind shall not keep the next one waiting, and a busy machine is no overload.
        given = settings or {}
        first_port, last_port = rtp_ports()
        self.process = ServerProcess(
            folder,
            {
                **given,
                "server": {"drain_timeout_s": 1, "max_lag_ms": 0, **given.get("server", {})},
                "rtp": {"port_first": first_port, "port_last": last_port, **given.get("rtp", {})},
                # These tests look at no page; a server without the studio starts in half the time.
                "studio": {"enabled": False, **given.get("studio", {})},
            },
        )
        self.resources = folder / "resources.yaml"
        self.resources.write_text(resources or RESOURCES.format(desk=DESK, numbers=numbers))

    def apply(self) -> None:
        """Make the database hold what the resource file says, as `tieline apply` does, but without a process."""
        with ThreadPoolExecutor(1) as aside:  # a test's own event loop may be running here
            aside.submit(asyncio.run, self._apply()).result()

    async def _apply(self) -> None:
        settings = load_settings(self.process.config)
        path = self.folder / settings.store.path
        clock = SystemClock(steady_anchor(path))
        store = SqliteStore(path, seal=seal_of(path, settings.store.key_file))
        await store.open(clock.utc())
        rules = ResourceRules(
            check_project=check_folder, folder=self.folder, environ={**os.environ, **SECRETS}
        )
        try:
            admin = ResourceAdmin(store, clock, AuditTrail(store, clock), rules)
            await admin.apply(
                COMMAND_LINE, self.resources.read_text(), file=self.resources, prune=False, dry_run=False
            )
        finally:
            await store.close()

    def start(self) -> None:
        """Start the server and remember where it is."""
        self.addresses = self.process.start()

    @property
    def sip_udp(self) -> tuple[str, int]:
        """SIP over UDP."""
        return self.addresses.sip_udp

    def sip(self, transport: str) -> tuple[str, int]:
        """SIP over `udp` or `tcp`."""
        if transport == "udp":
            return self.addresses.sip_udp
        assert self.addresses.sip_tcp is not None
        return self.addresses.sip_tcp

    # -- as an HTTP client ------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, key: str = "", body: Any = None) -> Exchange:
        """One HTTP request."""
        return await exchange(self.addresses.http, method, path, key, body)

    async def reserve(self, **attributes: Any) -> dict[str, Any]:
        """Reserve a DNI; the answer."""
        made = await self.ask(
            "POST",
            "/v1/conversations/dni-reservation",
            SECRETS["TEST_RESERVE_KEY"],
            {"attributes": attributes},
        )
        assert made.status == 200, made.answer
        answer: dict[str, Any] = made.answer
        return answer

    def handoff_path(self, shared_id: str) -> str:
        """Where Get Handoff answers for a shared id."""
        return f"/v1/northwind/desk/handoff_state?shared_id={quote(shared_id)}"

    async def handoff(self, shared_id: str, wait_s: float = 0) -> Exchange:
        """Get Handoff."""
        wait = f"&wait={wait_s:g}" if wait_s else ""
        return await self.ask("GET", self.handoff_path(shared_id) + wait, SECRETS["TEST_HANDOFF_KEY"])

    async def conversation(self, conversation_id: str) -> dict[str, Any]:
        """One conversation, whole."""
        path = f"/v1/northwind/desk/conversations/{conversation_id}"
        found = await self.ask("GET", path, SECRETS["TEST_RECORDS_KEY"])
        assert found.status == 200, found.answer
        answer: dict[str, Any] = found.answer
        return answer

    async def calls(self, project: str = "desk") -> dict[str, dict[str, Any]]:
        """All conversations of a project by the SIP Call-ID, read page by page."""
        found: dict[str, dict[str, Any]] = {}
        before = ""
        while True:
            path = f"/v1/northwind/{project}/conversations?limit=200{before}"
            rows = (await self.ask("GET", path, SECRETS["TEST_RECORDS_KEY"])).answer["conversations"]
            if not rows:
                return found
            found |= {row["sip_call_id"]: row for row in rows}
            before = f"&before={quote(rows[-1]['started_at'])}"

    async def ended_call(self, sip_call_id: str, project: str = "desk") -> dict[str, Any]:
        """The conversation of a SIP call, once its last write is there."""

        async def find() -> dict[str, Any] | None:
            call = (await self.calls(project)).get(sip_call_id)
            return call if call is not None and call["termination"] is not None else None

        return await eventually(find)

    async def metric(self, name: str, **labels: str) -> float:
        """The present value of one metric."""
        shown = await asyncio.to_thread(fetch_text, f"{self.addresses.http}/metrics")
        wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
        line = next(line for line in shown.splitlines() if line.startswith(f"{name}{wanted} "))
        return float(line.rpartition(" ")[2])

    # -- as an operator ---------------------------------------------------------------------------------------

    async def command(self, *words: str, status: int = 0) -> str:
        """Run a command with this server's settings; what it printed."""
        done = await asyncio.to_thread(self.process.command, *words, env=SECRETS)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    async def command_json(self, *words: str, status: int = 0) -> Any:
        """Run a command with `--json`."""
        return json.loads(await self.command(*words, "--json", status=status))

    async def refusal(self, sip_call_id: str) -> dict[str, Any]:
        """The record of a refused INVITE, as `tieline calls refused` has it."""

        async def find() -> dict[str, Any] | None:
            rows = await self.command_json("calls", "refused", "--limit", "1000")
            return next((row for row in rows if row["sip_call_id"] == sip_call_id), None)

        return await eventually(find)


@contextmanager
def serving(
    folder: Path,
    settings: dict[str, dict[str, Any]] | None = None,
    numbers: str = "+15550100-+15550199",
    resources: str = "",
) -> Iterator[Served]:
    """A server with the resources of these tests, or with those given, stopped at the end."""
    served = Served(folder, settings, numbers, resources)
    served.apply()
    try:
        served.start()
        yield served
    finally:
        served.process.stop()
        log = served.process.log.read_text(errors="replace") if served.process.log.exists() else ""
    assert "Traceback" not in log, log


@overload
async def eventually(find: Callable[[], Awaitable[Found | None]], within_s: float = SOON_S) -> Found: ...
@overload
async def eventually(find: Callable[[], Found | None], within_s: float = SOON_S) -> Found: ...
async def eventually(find: Callable[[], Any], within_s: float = SOON_S) -> Any:
    """What `find` (perhaps a coroutine function) gives once that is true; fails when it never is."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        given = find()
        found = await given if isinstance(given, Awaitable) else given
        if found:
            return found
        assert asyncio.get_running_loop().time() < deadline, "it did not come to pass in time"
        await asyncio.sleep(0.05)


def fetch_text(url: str) -> str:
    """The body of a GET."""
    import http.client

    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=SOON_S)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def children(pid: int) -> set[int]:
    """All processes below `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    grown = {pid}
    while grown:
        grown = {child for child, parent in parents.items() if parent in grown} - found
        found |= grown
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    found = set()
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            found.add(pid)
    return found


def may_send_raw() -> bool:
    """Whether this user may open raw sockets, as SIPp does to send audio."""
    import socket

    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()
    except OSError:
        return False
    return os.geteuid() == 0
