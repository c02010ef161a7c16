"""A server process on free loopback ports that serves one agent project, with a database that goes away with it."""

from __future__ import annotations

import json
import secrets
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any
from urllib.parse import quote

from tieline.demo.exchange import Exchange, exchange_now
from tieline.demo.process import ServerProcess
from tieline.net.addresses import free_port

ACCOUNT, PROJECT, EXTENSION = "test", "agent", "100"
CENTRE_HOST, PHONE_HOST = "127.0.0.1", "127.0.0.70"
"""Where calls come from, and where second legs go to."""


class AgentServer:
    """Serve the project in `folder`; use as a context manager, or `start` and `stop`.

    `profile` is the trunk profile that calls come under. `phones` are names of trunks that the agent's destinations
    call (`outbound_endpoint`); `phone_address` says where a scripted callee has to listen for each. `state_keys` are
    what Get Handoff shows, and `settings` are sections of the settings file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        profile: str = "generic",
        phones: Sequence[str] = (),
        state_keys: Sequence[str] | None = None,
        settings: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.project = folder.resolve()
        self.profile = profile
        self.phones = {name: (PHONE_HOST, free_port(PHONE_HOST, socket.SOCK_DGRAM)) for name in phones}
        self._state_keys = state_keys
        self._keys = {f"TIELINE_TEST_{name}_KEY": f"tl_{secrets.token_hex(24)}" for name in ("DNI", "READ")}
        self._home = Path(tempfile.mkdtemp(prefix="tieline-test-"))
        given = settings or {}
        self.process = ServerProcess(
            self._home,
            # A busy machine is no overload here: tests are to be answered, if late.
            {**given, "server": {"drain_timeout_s": 1, "max_lag_ms": 0, **given.get("server", {})}},
        )

    def __enter__(self) -> AgentServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Apply the resources and start the server. Raises `ServerFailed` with what went wrong."""
        from tieline.demo.process import ServerFailed

        resources = self._home / "resources.yaml"
        resources.write_text(json.dumps(self._resources()))  # JSON is YAML
        applied = self.process.command("apply", "-f", str(resources), env=self._keys)
        if applied.returncode:
            raise ServerFailed(f"the project cannot be served:\n{applied.stderr.strip()}")
        self.addresses = self.process.start()

    def stop(self) -> None:
        """Stop the server and remove its database."""
        self.process.stop()
        rmtree(self._home, ignore_errors=True)

    @property
    def sip(self) -> tuple[str, int]:
        """Where calls go."""
        return self.addresses.sip_udp

    @property
    def log(self) -> str:
        """The end of the server's log."""
        return self.process.log_tail(60)

    def _resources(self) -> dict[str, Any]:
        served: dict[str, Any] = {
            "slug": PROJECT, "account": ACCOUNT, "path": str(self.project), "env": "sandbox", "numbers": [EXTENSION],
        }  # fmt: skip
        if self._state_keys is not None:
            served["handoff_api"] = {"state_keys": list(self._state_keys)}
        trunks: list[dict[str, Any]] = [
            {
                "name": "centre", "account": ACCOUNT, "networks": [f"{CENTRE_HOST}/32"],
                "profile": self.profile, "encryption": "offered",
            }
        ]  # fmt: skip
        for number, (name, (host, port)) in enumerate(self.phones.items(), 1):
            trunks.append(
                {
                    "name": name, "account": ACCOUNT, "networks": [f"127.0.0.{70 + number}/32"],
                    "target": f"{host}:{port}", "transport": "udp", "encryption": "refused",
                }
            )  # fmt: skip
        names = list(self._keys)
        return {
            "accounts": [{"slug": ACCOUNT}],
            "projects": [served],
            "pools": [{"name": "main", "project": PROJECT, "numbers": ["+15550100-+15550149"], "trunks": ["centre"]}],
            "trunks": trunks,
            "api_keys": [
                {
                    "name": "reserve", "account": ACCOUNT, "project": PROJECT, "scopes": ["dni:reserve"],
                    "value_from_env": names[0],
                },
                {
                    "name": "read", "account": ACCOUNT, "project": PROJECT,
                    "scopes": ["handoff:read", "conversations:read"], "value_from_env": names[1],
                },
            ],
        }  # fmt: skip

    # -- as an HTTP client ------------------------------------------------------------------------------------

    def reserve(self, attributes: dict[str, Any]) -> str:
        """Reserve a number with attributes; the number. Raises `AssertionError` when it is refused."""
        made = self._ask("POST", "/v1/conversations/dni-reservation", 0, {"attributes": attributes})
        if made.status != 200:
            raise AssertionError(f"no number: {made.status} {made.answer}")
        return str(made.answer["dni"])

    def conversation_of(self, sip_call_id: str) -> dict[str, Any] | None:
        """The conversation of a SIP call, whole, as far as it is stored; None before there is one."""
        path = f"/v1/{ACCOUNT}/{PROJECT}/conversations"
        rows = self._ask("GET", f"{path}?limit=50", 1).answer["conversations"]
        found = next((row["id"] for row in rows if row["sip_call_id"] == sip_call_id), None)
        return None if found is None else dict(self._ask("GET", f"{path}/{found}", 1).answer)

    def handoff_of(self, conversation_id: str, wait_s: float = 10.0) -> Exchange:
        """Get Handoff by the conversation's id, waiting for the end of the call."""
        path = f"/v1/{ACCOUNT}/{PROJECT}/handoff_state?id={quote(conversation_id)}&wait={wait_s:g}"
        return self._ask("GET", path, 1)

    def _ask(self, method: str, path: str, key: int, body: Any = None) -> Exchange:
        return exchange_now(self.addresses.http, method, path, list(self._keys.values())[key], body)
