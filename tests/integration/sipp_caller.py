"""SIPp, a program that is not ours, as the calling party: scenarios put together from steps, played, and read back."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from tests.integration.served import eventually
from tests.ports import free_port

OFFER = """v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 {events}
a=rtpmap:0 PCMU/8000
a=rtpmap:{events} telephone-event/8000
a=fmtp:{events} 0-15
a={direction}
"""
Steps = Sequence[str | list[str]]
"""A scenario: steps, and runs of steps."""

URI = "sip:[service]@[remote_ip]:[remote_port]"
_DIALOG = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+15557654321@[local_ip]:[local_port]>;tag=[pid]t[call_number]
{to}
Call-ID: [call_id]
CSeq: {cseq} {method}
Max-Forwards: 70
"""
CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>"
PEER = f"To: <{URI}>[peer_tag_param]"
"""The server as To, after a request of its own has come."""
CALLER_KNOWN = f"To: <{URI}>;tag=[$2]"
"""The server as To, for a called party that has used `receive_call`."""
CALLED = "<sip:[service]@[local_ip]:[local_port]>;tag=h[call_number]"
"""Who was called, in requests of their own."""
_numbers = itertools.count()


def sdp(direction: str = "sendrecv", events: int = 101) -> str:
    """A session description of SIPp's own media port."""
    return OFFER.format(direction=direction, events=events)


def request(
    method: str, cseq: int, *, uri: str = "[next_url]", to: str = "[last_To:]", headers: Sequence[str] = (),
    body: str = "", kind: str = "application/sdp",
) -> str:  # fmt: skip
    """The text of a request within the dialog, or of the first one."""
    head = _DIALOG.format(to=to, cseq=cseq, method=method) + "".join(f"{header}\n" for header in headers)
    if body:
        head += f"Content-Type: {kind}\n"
    return f"{method} {uri} SIP/2.0\n{head}Content-Length: [len]\n\n{body}"


def send(text: str, *, retransmitted: bool = True) -> str:
    """A step: send a message."""
    how = ' retrans="500"' if retransmitted else ""
    return f"<send{how}><![CDATA[\n{text}\n]]></send>"


def invite(body: str | None = None, *, headers: Sequence[str] = (), cseq: int = 1) -> str:
    """A step: the first INVITE, with an offer unless `body` is empty."""
    text = request(
        "INVITE",
        cseq,
        uri=URI,
        to=f"To: <{URI}>",
        headers=[CONTACT, *headers],
        body=sdp() if body is None else body,
    )
    return send(text)


def reinvite(cseq: int, body: str) -> str:
    """A step: a re-INVITE."""
    return send(request("INVITE", cseq, headers=[CONTACT], body=body))


def ack(cseq: int = 1, body: str = "") -> str:
    """A step: the ACK to a 200."""
    return send(request("ACK", cseq, body=body), retransmitted=False)


def receive(status: int, *, optional: bool = False, routes: bool = False) -> str:
    """A step: wait for a response; `routes` keeps its Contact and Record-Route for what follows."""
    rest = (' optional="true"' if optional else "") + (' rrs="true"' if routes else "")
    return f'<recv response="{status}"{rest}/>'


def answered() -> list[str]:
    """Steps: from the INVITE to its 200."""
    return [receive(100, optional=True), receive(180, optional=True), receive(200, routes=True)]


def receive_request(method: str, command: str = "") -> str:
    """A step: wait for a request; `command` is run by the shell the moment it is there."""
    action = f'<action><exec command="{escape(command, quote=False)}"/></action>' if command else ""
    return f'<recv request="{method}" rrs="true">{action}</recv>'


def thank() -> str:
    """A step: 200 to the request before."""
    text = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n"
    return send(text, retransmitted=False)


def respond(
    status: int, phrase: str, headers: Sequence[str] = (), body: str = "", tag: str = ";tag=h[call_number]"
) -> str:
    """A step: a response to the request before; one within a dialog adds no `tag`."""
    lines = "".join(f"{header}\n" for header in headers)
    if body:
        lines += "Content-Type: application/sdp\n"
    text = (
        f"SIP/2.0 {status} {phrase}\n[last_Via:]\n[last_Record-Route:]\n[last_From:]\n[last_To:]{tag}\n"
        f"[last_Call-ID:]\n[last_CSeq:]\n{lines}Content-Length: [len]\n\n{body}"
    )
    return send(text, retransmitted=False)


def notify(cseq: int, fragment: str, state: str) -> list[str]:
    """Steps: a NOTIFY of a REFER, and its 200."""
    text = request(
        "NOTIFY",
        cseq,
        to=PEER,
        headers=[CONTACT, "Event: refer", f"Subscription-State: {state}"],
        body=f"{fragment}\n",
        kind="message/sipfrag;version=2.0",
    )
    return [send(text), receive(200)]


def receive_call() -> list[str]:
    """Steps: wait for an INVITE, and remember the caller's tag for requests of our own."""
    tag = '<ereg regexp="tag=([^;]*)" search_in="hdr" header="From:" check_it="true" assign_to="1,2"/>'
    return [f'<recv request="INVITE" rrs="true"><action>{tag}</action></recv>', '<Reference variables="1"/>']


def called_bye() -> list[str]:
    """Steps: the called party ends the call, and the 200."""
    head = _DIALOG.replace("<sip:+15557654321@[local_ip]:[local_port]>;tag=[pid]t[call_number]", CALLED)
    text = (
        f"BYE [next_url] SIP/2.0\n{head.format(to=CALLER_KNOWN, cseq=1, method='BYE')}Content-Length: 0\n\n"
    )
    return [send(text), receive(200)]


def pause(milliseconds: int) -> str:
    """A step: wait."""
    return f'<pause milliseconds="{milliseconds}"/>'


def wait_for_cue() -> str:
    """A step: wait until the test says `Sipp.cue`, however long the machine takes to bring it that far."""
    return '<recv request="MESSAGE"/>'


def press(keys: str) -> str:
    """A step: SIPp sends keys as RTP events itself (through a raw socket)."""
    return f'<nop><action><exec play_dtmf="{keys}"/></action></nop>'


def info(cseq: int, key: str) -> str:
    """A step: a key by SIP INFO, and its 200."""
    body = f"Signal={key}\nDuration=160\n"
    return send(request("INFO", cseq, kind="application/dtmf-relay", body=body)) + receive(200)


@dataclass(frozen=True, slots=True)
class Seen:
    """One message of SIPp's own log."""

    at: datetime
    sent: bool
    text: str

    @property
    def start(self) -> str:
        """The start line."""
        return self.text.partition("\n")[0].strip()

    def headers(self, name: str) -> list[str]:
        """All values of a header."""
        return re.findall(rf"^{re.escape(name)}:[ \t]*(.*?)\s*$", self.text, re.MULTILINE | re.IGNORECASE)

    def header(self, name: str) -> str:
        """The value of a header that is there once."""
        (value,) = self.headers(name)
        return str(value)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario."""

    status: int
    messages: list[Seen]
    output: str

    def received(self, start: str) -> list[Seen]:
        """Messages from the server whose start line begins so."""
        return [one for one in self.messages if not one.sent and one.start.startswith(start)]

    def only(self, method: str) -> Seen:
        """The one request of a method from the server; one that was sent again counts once."""
        (found,) = {tuple(one.headers("Via")): one for one in self.received(f"{method} ")}.values()
        return found

    def responses(self, status: int, method: str) -> list[Seen]:
        """Responses of a status to a method."""
        found = self.received(f"SIP/2.0 {status} ")
        return [one for one in found if one.header("CSeq").endswith(f" {method}")]

    @property
    def bye(self) -> Seen:
        """The server's BYE; one that was sent again counts once."""
        found = self.received("BYE ")
        assert found, self.output
        assert len({tuple(one.headers("Via")) for one in found}) == 1
        return found[0]


class Sipp:
    """One run of SIPp against a server's address."""

    def __init__(self, folder: Path, steps: Steps, media_port: int | None = None) -> None:
        self._name = f"sipp{next(_numbers)}"
        self._folder = folder
        self._log = folder / f"{self._name}.messages"
        flat = [line for step in steps for line in ([step] if isinstance(step, str) else step)]
        if media_port is not None:  # the audio's end is not SIPp's own
            flat = [line.replace("[media_port]", str(media_port)) for line in flat]
        # SIPp takes no scenario that sets a variable and makes no use of it.
        variables = ",".join(sorted(set(re.findall(r'assign_to="(\w+)"', "".join(flat)))))
        used = f'\n<Reference variables="{variables}"/>' if variables else ""
        self._scenario = folder / f"{self._name}.xml"
        self._scenario.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="caller">\n'
            + "\n".join(flat)
            + f"{used}\n</scenario>\n"
        )

    async def start(
        self, target: tuple[str, int], number: str, *, mode: str = "u1", calls: int = 1, rate: int = 20,
        source: str = "127.0.0.1", port: int | None = None, more: Sequence[str] = (), limit_s: int = 80,
    ) -> None:  # fmt: skip
        """Start SIPp; it ends by itself when its calls are over. `mode` is SIPp's transport: u1, un, t1, tn."""
        port = port or free_port(source)
        self._address = (source, port)
        self._process = await asyncio.create_subprocess_exec(
            "sipp", f"{target[0]}:{target[1]}", "-sf", str(self._scenario), "-i", source, "-p", str(port), "-t", mode,
            "-s", number, "-m", str(calls), "-r", str(rate), "-mp", str(free_port(source)),
            "-nostdin", "-timeout", str(limit_s), "-timeout_error", "-recv_timeout", "60000", "-max_socket", "500",
            "-trace_msg", "-message_file", str(self._log), "-message_overwrite", "false", *more,
            cwd=self._folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def end(self) -> Played:
        """Wait until all calls are over."""
        output, _ = await self._process.communicate()
        return self._played(output.decode(errors="replace"))

    def stop(self) -> None:
        """End SIPp now."""
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> None:
        """Wait until SIPp has ended."""
        await self._process.wait()

    async def reached(self, start: str, *, sent: bool = False, times: int = 1) -> None:
        """Wait until so many messages have come, or were sent, whose start line begins so; repeated ones count once."""

        def seen() -> bool:
            found = [one for one in self.messages() if one.sent is sent and one.start.startswith(start)]
            return len({one.header("CSeq") for one in found}) >= times

        await eventually(seen)

    def cue(self) -> None:
        """Let the one call go on from `wait_for_cue`, where it has to be by now. Over UDP only."""
        text = (
            f"MESSAGE sip:cue SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{next(_numbers)}\r\n"
            f"From: <sip:test@127.0.0.1>;tag=test\r\nTo: <sip:cue>\r\nCSeq: 1 MESSAGE\r\n"
            f"Call-ID: {self.messages()[0].header('Call-ID')}\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as whistle:
            whistle.sendto(text.encode(), self._address)

    def messages(self) -> list[Seen]:
        """What has been logged so far."""
        return read_messages(self._log)

    def _played(self, output: str) -> Played:
        messages = self.messages()
        shown = output[-3000:] + "\n".join(one.text for one in messages[-8:])
        assert self._process.returncode is not None
        return Played(self._process.returncode, messages, shown)


async def play(
    folder: Path, steps: Steps, target: tuple[str, int], number: str, *, mode: str = "u1",
    media_port: int | None = None, calls: int = 1, source: str = "127.0.0.1",
) -> Played:  # fmt: skip
    """Play a scenario to its end; fails unless every call went as written."""
    sipp = Sipp(folder, steps, media_port)
    await sipp.start(target, number, mode=mode, calls=calls, source=source)
    try:
        played = await sipp.end()
    finally:
        sipp.stop()
    assert played.status == 0, played.output
    return played


def read_messages(log: Path) -> list[Seen]:
    """SIPp's message log, in order. A message that is still being written is left out."""
    if not log.exists():
        return []
    parts = re.split(r"^-{20,} (\S+[ \t]\S+)\s*\n", log.read_text(errors="replace"), flags=re.MULTILINE)
    found = []
    for at, rest in zip(parts[1::2], parts[2::2], strict=True):
        head, _, text = rest.partition("\n\n")
        found.append(Seen(datetime.fromisoformat(at.replace("\t", " ")), " sent " in head, text.strip("\n")))
    return found
