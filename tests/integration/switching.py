"""What the tests of handoffs share: a server whose agent hands over as the caller's headers ask, and the steps with
which SIPp plays the caller's SBC and the human on a second trunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration import sipp_caller as sipp
from tests.integration.served import HOST, Served, eventually, serving
from tests.integration.sipp_caller import Played, Seen, Sipp
from tests.ports import free_port

PATIENT, GENESYS, HUMAN, SECURE = "127.0.0.12", "127.0.0.13", "127.0.0.14", "127.0.0.15"
"""Addresses of trunks: one that says BYE first, one with the dialect of Genesys, and those of humans."""

PROJECTS = Path(__file__).parent / "projects"
PASSWORD = "s3cret"

RESOURCES = """
accounts: [{{slug: northwind}}]
projects:
  - slug: desk
    account: northwind
    path: {projects}/switch
    env: sandbox
    numbers: ["200"]
    handoff_api: {{state_keys: [pressed, failed]}}
  - {{slug: plain, account: northwind, path: {projects}/plain, env: sandbox, numbers: ["400"]}}
trunks:
{callers}
  - name: humans
    account: northwind
    networks: [127.0.0.14/32]
    target: 127.0.0.14:{human}
    transport: udp
    encryption: offered
    alive_s: 1
    username: agent
    password: {{value_from_env: TEST_TRUNK_PASSWORD}}
  - name: secure
    account: northwind
    networks: [127.0.0.15/32]
    target: 127.0.0.15:{secure}
    transport: tls
    tls_name: human.example
    encryption: required
    alive_s: 1
api_keys:
  - {{name: handoff, account: northwind, project: desk, scopes: ["handoff:read"], value_from_env: TEST_HANDOFF_KEY}}
  - {{name: records, account: northwind, scopes: ["conversations:read"], value_from_env: TEST_RECORDS_KEY}}
"""

CALLER = """  - name: {name}
    account: northwind
    networks: [{network}/32]
    profile: {profile}
    first_bye: {first}
    encryption: refused
    notify_timeout_s: 1
    bye_wait_s: 1
    alive_s: 1
    username: agent
    password: {{value_from_env: TEST_TRUNK_PASSWORD}}
"""
CALLERS = (
    ("main", HOST, "generic", "us"),
    ("patient", PATIENT, "generic", "peer"),
    ("genesys", GENESYS, "genesys", "us"),
)


class Switch:
    """The server with the ports at which it looks for humans."""

    def __init__(self, served: Served, human_port: int, secure_port: int) -> None:
        self.served = served
        self.human_port = human_port
        self.secure_port = secure_port

    async def failed_handoff(self, caller: Sipp) -> None:
        """Wait until a handoff of the call has failed."""
        await self._until(caller, lambda call: any(one["state"] == "failed" for one in call["receipts"]))

    async def spoken_again(self, caller: Sipp) -> None:
        """Wait until the agent has been run on a handoff that failed: keys are its own from then on."""
        await self._until(
            caller, lambda call: any(turn["channel"] == "handoff_failed" for turn in call["turns"])
        )

    async def told(self, caller: Sipp, keys: str) -> None:
        """Wait until the agent has been run on the keys."""
        await self._until(caller, lambda call: any(turn["user_input"] == keys for turn in call["turns"]))

    async def alive(self, caller: Sipp) -> None:
        """Wait until the call's bridge has proved to be alive."""
        await self._until(caller, lambda call: any("alive" in steps_of(one) for one in call["receipts"]))

    async def _until(self, caller: Sipp, is_so: Callable[[dict[str, Any]], bool]) -> None:
        await caller.reached("ACK ", sent=True)  # the call is stored before it is answered

        async def found() -> bool:
            call = (await self.served.calls())[caller.messages()[0].header("Call-ID")]
            return is_so(await self.served.conversation(call["id"]))

        await eventually(found)

    async def record(self, played: Played) -> dict[str, Any]:
        """The conversation of the caller that SIPp played, once it is closed."""
        call = await self.served.ended_call(played.messages[0].header("Call-ID"))
        return await self.served.conversation(call["id"])


@contextmanager
def switching(folder: Path, settings: dict[str, dict[str, Any]] | None = None) -> Iterator[Switch]:
    """The server of these tests, with its log at every level."""
    human, secure = free_port(HUMAN), free_port(SECURE)
    callers = "".join(
        CALLER.format(name=name, network=network, profile=profile, first=first)
        for name, network, profile, first in CALLERS
    )
    resources = RESOURCES.format(projects=PROJECTS, callers=callers, human=human, secure=secure)
    with serving(folder, {"log": {"level": "debug"}, **(settings or {})}, resources=resources) as served:
        yield Switch(served, human, secure)


# -- the caller -----------------------------------------------------------------------------------------------

_DIALOG = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: {us}
To:[$called]
Call-ID: [call_id]
CSeq: {cseq} {method}
Max-Forwards: 70
"""
_CALLER = "<sip:+15557654321@[local_ip]:[local_port]>;tag=[pid]t[call_number]"


def call(*headers: str, routes: Sequence[str] = ()) -> list[str]:
    """Steps: from the INVITE to the ACK; `headers` tell the agent what to do."""
    recorded = [f"Record-Route: {', '.join(routes)}"] if routes else []
    answered = (
        '<recv response="200" rrs="true"><action><ereg regexp=".*" search_in="hdr" header="To:" '
        'assign_to="called"/></action></recv>'
    )
    return [
        sipp.invite(headers=[*headers, *recorded]),
        sipp.receive(100, optional=True),
        sipp.receive(180, optional=True),
        answered,
        sipp.ack(),
    ]


def say(method: str, cseq: int, *headers: str, body: str = "") -> str:
    """A step: a request of the caller's within the call."""
    text = f"{method} [next_url] SIP/2.0\n" + _DIALOG.format(us=_CALLER, cseq=cseq, method=method)
    text += "".join(f"{header}\n" for header in headers) + f"Content-Length: [len]\n\n{body}"
    return sipp.send(text)


def notify(cseq: int, status: str | None, *, state: str | None = "active", event: bool = True) -> list[str]:
    """Steps: a NOTIFY with the sipfrag `status`, or with no body, and its 200."""
    headers = [sipp.CONTACT]
    if event:
        headers.append("Event: refer")
    if state is not None:
        headers.append(f"Subscription-State: {state}")
    if status is not None:
        headers.append("Content-Type: message/sipfrag;version=2.0")
    return [say("NOTIFY", cseq, *headers, body=f"SIP/2.0 {status}\n" if status else ""), sipp.receive(200)]


def hang_up(cseq: int, *headers: str) -> list[str]:
    """Steps: the caller's BYE and its 200."""
    return [say("BYE", cseq, *headers), sipp.receive(200)]


def respond(status: str, *headers: str, body: str = "", tag: str = "") -> str:
    """A step: a response to the request before; `tag` completes the To of an INVITE's."""
    to = f"[last_To:];tag={tag}" if tag else "[last_To:]"
    text = f"SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n{to}\n[last_Call-ID:]\n[last_CSeq:]\n[last_Record-Route:]\n"
    text += "".join(f"{header}\n" for header in headers)
    if body:
        text += "Content-Type: application/sdp\n"
    return sipp.send(f"{text}Content-Length: [len]\n\n{body}", retransmitted=False)


def keep(method: str) -> str:
    """A step: wait for a request that is answered only after others: `respond_kept`."""
    kept = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{name}:" assign_to="kept_{name.lower()}"/>'
        for name in ("Via", "From", "To", "CSeq")
    )
    return f'<recv request="{method}" rrs="true"><action>{kept}</action></recv>'


def respond_kept(status: str, *headers: str, body: str = "", tag: str = "") -> str:
    """A step: a response to the request that `keep` has waited for."""
    text = respond(status, *headers, body=body, tag=tag)
    for name in ("Via", "From", "To", "CSeq"):
        text = text.replace(f"[last_{name}:]", f"{name}:[$kept_{name.lower()}]")
    return text


def given_back() -> list[str]:
    """Steps: the server's BYE and our 200."""
    return [sipp.receive_request("BYE"), sipp.thank()]


# -- the human ------------------------------------------------------------------------------------------------

TAG = "human[call_number]"
RINGING = respond("180 Ringing", sipp.CONTACT, tag=TAG)
EARLY = respond("183 Session Progress", sipp.CONTACT, body=sipp.sdp(), tag=TAG)


def called() -> str:
    """A step: wait for the server's INVITE."""
    return '<recv request="INVITE" rrs="true"/>'


def answer(body: str | None = None, *, kept: bool = False) -> list[str]:
    """Steps: 200 and the ACK; who is who is kept for requests of the human's. `kept` after `keep("INVITE")`."""
    acknowledged = (
        '<recv request="ACK"><action>'
        '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="called"/>'
        '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="human"/></action></recv>'
    )
    text = (respond_kept if kept else respond)(
        "200 OK", sipp.CONTACT, body=sipp.sdp() if body is None else body, tag=TAG
    )
    return [text.replace("<send>", '<send retrans="500">'), acknowledged]


def human_says(method: str, cseq: int, *headers: str, body: str = "") -> str:
    """A step: a request of the human's within the call."""
    text = f"{method} [next_url] SIP/2.0\n" + _DIALOG.format(us="[$human]", cseq=cseq, method=method)
    text += "".join(f"{header}\n" for header in headers) + f"Content-Length: [len]\n\n{body}"
    return sipp.send(text)


def cancelled() -> list[str]:
    """Steps: the server's CANCEL, its 200, the 487 to the INVITE, and its ACK."""
    both = (
        "SIP/2.0 {status}\n{via}\n[last_From:]\n[last_To:];tag=" + TAG + "\n[last_Call-ID:]\n"
        "CSeq: [last_cseq_number] {method}\nContent-Length: 0\n\n"
    )
    return [
        sipp.receive_request("CANCEL"),
        sipp.send(both.format(status="200 OK", via="[last_Via:]", method="CANCEL"), retransmitted=False),
        sipp.send(
            both.format(status="487 Request Terminated", via="[last_Via:]", method="INVITE"),
            retransmitted=False,
        ),
        sipp.receive_request("ACK"),
    ]


async def play(
    switch: Switch, folder: Path, steps: sipp.Steps, *, number: str = "200", source: str = HOST,
    media_port: int | None = None, mode: str = "u1",
) -> Played:  # fmt: skip
    """SIPp calls."""
    target = switch.served.sip("udp" if mode.startswith("u") else "tcp")
    return await sipp.play(folder, steps, target, number, mode=mode, source=source, media_port=media_port)


class Human:
    """SIPp as the human: `async with Human(...)` listens; it is done when the scenario has been played."""

    def __init__(
        self, switch: Switch, folder: Path, steps: sipp.Steps, media_port: int | None = None
    ) -> None:
        self._switch = switch
        self.sipp = Sipp(folder, steps, media_port)

    async def __aenter__(self) -> Human:
        await self.sipp.start(
            self._switch.served.sip_udp, "human", source=HUMAN, port=self._switch.human_port
        )
        await listening(HUMAN, self._switch.human_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sipp.stop()
        await self.sipp.ended()

    async def played(self) -> Played:
        """What came of it; fails unless the call went as written."""
        played = await self.sipp.end()
        assert played.status == 0, played.output
        return played


async def listening(host: str, port: int) -> None:
    """Wait until somebody has bound the UDP port."""
    wanted = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X} "
    bound = Path("/proc/net/udp")
    await eventually(lambda: wanted in bound.read_text())


# -- what is read back ----------------------------------------------------------------------------------------


def steps_of(receipt: dict[str, Any]) -> list[str]:
    """A receipt's steps, each with its rung where that is not the first."""
    return [f"{each['step']}{each['rung'] or ''}" for each in receipt["steps"]]


def last_failure(receipt: dict[str, Any]) -> tuple[str, str, int | None]:
    """Reason, advice and status of the last failed step."""
    step = [each for each in receipt["steps"] if each["step"] == "failed"][-1]
    return step["failure"], step["retry"], step["status"]


def request_of(played: Played, method: str) -> Seen:
    """The first request of a method that the server sent."""
    return played.received(f"{method} ")[0]
