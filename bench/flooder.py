"""A flood of SIP over UDP as a program of its own, for `bench.flood`.

    python -m bench.flooder KIND HOST PORT SOURCE RATE SECONDS

KIND is `invites`, which are as any peer sends them and are followed up (ACK to what refuses them, ACK and BYE to what
answers), or `garbage`: noise, halves of messages, requests with broken lines, responses to nothing. Prints a line of
JSON: what was sent and answered, and in how many milliseconds.
"""

from __future__ import annotations

import json
import random
import re
import select
import socket
import sys
import time
from collections import Counter

_CALL = re.compile(rb"\r\nCall-ID: f(\d+)@", re.IGNORECASE)
_TO = re.compile(rb"\r\nTo:[^\r]*", re.IGNORECASE)
_CONTACT = re.compile(rb"\r\nContact:[^<\r]*<([^>\r]+)>", re.IGNORECASE)
_BODY = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
_SLICE_S = 0.002
_LAST_S = 1.0


class Flood:
    """The flood: what it sends, and what has come back."""

    def __init__(self, kind: str, target: tuple[str, int], source: str) -> None:
        self.sent = 0
        self.statuses: Counter[str] = Counter()
        self.retry_after = 0
        self._kind, self._target, self._source = kind, target, source
        self._random = random.Random(1)
        self._run = time.time_ns() // 1_000_000 % 1_000_000_000
        self._sent_at: dict[int, float] = {}
        self._took_ms: list[float] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        self._here = f"{source}:{self.socket.getsockname()[1]}"

    def _request(self, method: str, cseq: int, number: int, to: str, uri: str = "", body: str = "") -> bytes:
        uri = uri or f"sip:200@{self._target[0]}:{self._target[1]}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        branch = f"z9hG4bK{self._run}.{number}" + ("b" if method == "BYE" else "")
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self._here};branch={branch}\r\n"
            f"From: <sip:+15550123@{self._here}>;tag={number}\r\n{to}\r\n"
            f"Call-ID: f{self._run * 1_000_000 + number}@{self._source}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:flood@{self._here}>\r\nMax-Forwards: 70\r\n{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def send(self) -> None:
        """One message."""
        number = self.sent
        self.sent += 1
        if self._kind == "invites":
            data = self._request("INVITE", 1, number, "To: <sip:200@bench>", body=_BODY.format(self._source))
            self._sent_at[number] = time.perf_counter()
        else:
            data = self._garbage(number)
        self.socket.sendto(data, self._target)

    def _garbage(self, number: int) -> bytes:
        whole = self._request("INVITE", 1, number, "To: <sip:200@bench>", body=_BODY.format(self._source))
        kind = number % 5
        if kind == 0:
            return self._random.randbytes(self._random.randrange(1, 1200))
        if kind == 1:
            return whole[: self._random.randrange(20, len(whole))]
        if kind == 2:
            return whole.replace(b"\r\nVia:", b"\r\nV\x00ia").replace(b"CSeq: 1", b"CSeq: -1")
        if kind == 3:
            return whole.replace(b"INVITE sip", b"OPTIONS sip", 1)
        return whole.replace(whole.partition(b"\r\n")[0], b"SIP/2.0 200 OK", 1)

    def hear(self) -> None:
        """Take and follow up what has come."""
        while True:
            try:
                data = self.socket.recv(4096)
            except BlockingIOError:
                return
            found, to = _CALL.search(data), _TO.search(data)
            if not data.startswith(b"SIP/2.0 ") or data[8:9] == b"1" or found is None or to is None:
                continue
            number = int(found[1]) - self._run * 1_000_000
            status = data[8:11].decode()
            if b" BYE\r\n" in data:
                continue
            called = to[0].decode().strip()
            contact = _CONTACT.search(data)
            uri = contact[1].decode() if status == "200" and contact is not None else ""
            self.socket.sendto(self._request("ACK", 1, number, called, uri), self._target)
            began = self._sent_at.pop(number, None)
            if began is None:
                continue  # an answer that came again
            self._took_ms.append((time.perf_counter() - began) * 1000)
            self.statuses[status] += 1
            self.retry_after += b"\r\nRetry-After:" in data
            if status == "200":
                self.socket.sendto(self._request("BYE", 2, number, called, uri), self._target)

    def run(self, rate: float, seconds: float) -> None:
        """Send evenly in slices of 2 ms, hear in between, and for a second more."""
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds + _LAST_S:
            due = int(rate * min(passed, seconds))
            while self.sent < due:
                self.send()
            select.select([self.socket], [], [], _SLICE_S)
            self.hear()

    def told(self) -> dict[str, object]:
        """What came of it."""
        took = sorted(self._took_ms)
        return {
            "sent": self.sent,
            "statuses": dict(self.statuses),
            "retry_after": self.retry_after,
            "answer_ms_p99": round(took[int(0.99 * len(took))], 1) if took else None,
        }


def main() -> int:
    """Flood as the arguments say."""
    if len(sys.argv) != 7:
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    kind, host, port, source, rate, seconds = sys.argv[1:]
    flood = Flood(kind, (host, int(port)), source)
    flood.run(float(rate), float(seconds))
    print(json.dumps(flood.told()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
