"""SIPp as the far end of a bench: scenarios put together from steps, and SIPp played with them.

SIPp is the peer because it is not ours: what it finds wrong fails its call, and the bench with it.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

URI = "sip:[service]@[remote_ip]:[remote_port]"
PEER = f"To: <{URI}>[peer_tag_param]"
CONTACT = "Contact: <sip:bench@[local_ip]:[local_port];transport=[transport]>"
SDP = """v=0
o=bench 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
"""
_FACES = {
    # Who calls asks as itself; who was called swaps the ends of what it has received.
    True: "From: <sip:+15557654321@[local_ip]:[local_port]>;tag=[pid]t[call_number]\n{to}\n",
    False: "From: <sip:human@[local_ip]:[local_port]>;tag=[pid]t[call_number]\nTo:[$caller]\n",
}
_LAST = "[last_Via:]\n[last_From:]\n{to}\n[last_Call-ID:]\n[last_CSeq:]\n"


def sdp(port: int | None = None) -> str:
    """A session description; SIPp's own media port unless `port` says whose."""
    return SDP.format(port="[media_port]" if port is None else port)


def _message(first_line: str, head: str, headers: Sequence[str], body: str) -> str:
    head += "".join(f"{header}\n" for header in headers)
    kind = (
        "" if not body or any(header.startswith("Content-Type") for header in headers) else "application/sdp"
    )
    head += f"Content-Type: {kind}\n" if kind else ""
    return f"{first_line}\n{head}Content-Length: [len]\n\n{body}"


def request(
    method: str, cseq: int, *, uri: str = "[next_url]", to: str = PEER, headers: Sequence[str] = (),
    body: str = "", caller: bool = True, again: bool = True,
) -> str:  # fmt: skip
    """A step: send a request; `again` says whether it is repeated until something comes."""
    ends = _FACES[caller].format(to=to)
    head = f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n{ends}"
    head += f"Call-ID: [call_id]\nCSeq: {cseq} {method}\nMax-Forwards: 70\n"
    repeated = ' retrans="500"' if again else ""
    return (
        f"<send{repeated}><![CDATA[\n{_message(f'{method} {uri} SIP/2.0', head, headers, body)}\n]]></send>"
    )


def invite(port: int | None = None, headers: Sequence[str] = ()) -> str:
    """A step: the first INVITE."""
    return request("INVITE", 1, uri=URI, to=f"To: <{URI}>", headers=[CONTACT, *headers], body=sdp(port))


def ack(cseq: int = 1) -> str:
    """A step: the ACK to a 200."""
    return request("ACK", cseq, again=False)


def reply(status: str, *, headers: Sequence[str] = (), body: str = "", first: bool = False) -> str:
    """A step: answer the request before; `first` gives the To its tag."""
    head = _LAST.format(to="[last_To:];tag=[pid]t[call_number]" if first else "[last_To:]")
    again = ' retrans="500"' if first and body else ""
    return f"<send{again}><![CDATA[\n{_message(f'SIP/2.0 {status}', head, headers, body)}\n]]></send>"


def receive(status: int, *, optional: bool = False, rtd: bool = False) -> str:
    """A step: wait for a response."""
    rest = (' optional="true"' if optional else "") + (' rtd="true"' if rtd else "")
    return f'<recv response="{status}"{rest} rrs="true"/>'


def receive_request(method: str) -> str:
    """A step: wait for a request."""
    return f'<recv request="{method}"/>'


def ring_and_answer(port: int | None = None, headers: Sequence[str] = ()) -> str:
    """Steps of the called party: from the INVITE to the ACK, keeping the caller's end for requests of its own."""
    keep = '<action><ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/></action>'
    return (
        f'<recv request="INVITE" rrs="true">{keep}</recv>'
        + reply("180 Ringing", headers=[CONTACT], first=True)
        + reply("200 OK", headers=[CONTACT, *headers], body=sdp(port), first=True)
        + '<recv request="ACK"/><Reference variables="caller"/>'
    )


def answered() -> str:
    """Steps: from the INVITE to the ACK of its 200."""
    return receive(100, optional=True) + receive(180, optional=True) + receive(200, rtd=True) + ack()


def pause(seconds: float) -> str:
    """A step: wait."""
    return f'<pause milliseconds="{round(seconds * 1000)}"/>'


def write(path: Path, *steps: str) -> Path:
    """Write a scenario file."""
    listed = "\n".join(steps)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{path.stem}">\n{listed}\n</scenario>\n'
    )
    return path


class Counted(NamedTuple):
    """What SIPp counted at its end."""

    good: int
    failed: int
    resent: int


class Sipp:
    """One SIPp, started at once. `arguments` go to it as they are; files go to `folder` under `name`."""

    def __init__(self, folder: Path, name: str, core: int | None, *arguments: str) -> None:
        self.folder = folder
        self.messages = folder / f"{name}.messages"
        self._statistics = folder / f"{name}.csv"
        self._statistics.unlink(missing_ok=True)
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self.process = subprocess.Popen(
            [*pinned, "sipp", *arguments, "-nostdin", "-trace_stat", "-stf", str(self._statistics), "-fd", "1"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self) -> Counted:
        """Wait for its end and read what it counted."""
        self.process.wait()
        return self.count()

    def count(self) -> Counted:
        """The counts that it has written last."""
        with self._statistics.open() as lines:
            last = list(csv.DictReader(lines, delimiter=";"))[-1]
        return Counted(
            int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"])
        )

    def stop(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
