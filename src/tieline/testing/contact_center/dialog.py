"""The asking half of a scripted peer's call: its dialog, its requests, and what it makes of their responses."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieline.sip.events import Flow, Transport
from tieline.sip.message import Request, Response
from tieline.testing.contact_center.challenge import answer_challenge
from tieline.testing.contact_center.exchanges import Asked, Came, PeerState
from tieline.testing.contact_center.steps import Header, Reinvite, Step
from tieline.testing.contact_center.writing import (
    AGENT,
    answered_direction,
    bracketed,
    write_message,
    write_sdp,
)

if TYPE_CHECKING:
    from tieline.testing.contact_center.peer import Centre

SDP_TYPE = ("Content-Type", "application/sdp")


class PeerDialog(ABC):
    """A call that the peer made or took. `status` is the final answer to its INVITE, `ended_by` who ended it.

    `remote_rtp` is where the other side's SDP wants sound, `remote_events` its payload type for digits. `ended_by`
    is `us`, `them`, `refused`, `cancelled` or `silence`, None while the call goes on. `pressed` are keys so far.
    """

    def __init__(self, centre: Centre, call_id: str, flow: Flow) -> None:
        self.centre = centre
        self.call_id = call_id
        self.flow = flow
        self.state = PeerState.CALLING
        self.status: int | None = None
        self.ended_by: str | None = None
        self.outside = False
        self.calling = False
        self.up_at: float | None = None
        self.over_at: float | None = None
        self.remote_rtp: tuple[str, int] | None = None
        self.remote_events: int | None = None
        self.pressed = ""
        self.local_tag = centre.token()
        self._local = ""
        self._remote = ""
        self._target = ""
        self._routes: tuple[str, ...] = ()
        self._cseq = 0
        self._sdp_version = 0
        self._invite: Asked | None = None
        self._invited: Came | None = None
        self._invites: list[Came] = []
        self._sides: set[str] = set()
        self._acks: dict[int, bytes] = {}
        self._counts: dict[Step, int] = {}
        self._nonces: dict[str, int] = {}
        self._rseq = 0

    @abstractmethod
    def run(self, steps: Sequence[Step], came: Came | None, now: float) -> None:
        """Take steps, each in its time."""

    def dial(self, number: str, caller: str, headers: Sequence[Header], now: float) -> None:
        """Our INVITE."""
        host, port = self.centre.server
        self.calling = True
        self._target = f"sip:{number}@{bracketed(host)}:{port}"
        self._local = f"<sip:{caller}@{bracketed(self.centre.address[0])}>;tag={self.local_tag}"
        self._remote = f"<{self._target}>"
        manners = self.centre.manners
        name = self.call_id.partition("-")[0]
        filled = {"{id}": name, "{hex}": name.encode().hex(), "{caller}": caller}
        lines = [(key, _fill(value, filled)) for key, value in headers]
        lines += self._timer_lines()
        self._invite = self._request("INVITE", now, [*lines, SDP_TYPE], self._sdp(), initial=True)
        self.run(manners.calling, None, now)

    def cancel(self, now: float) -> None:
        """CANCEL, as long as our INVITE has no final answer."""
        invite = self._invite
        if invite is None or invite.done:
            return
        head = invite.data.decode("utf-8", "surrogateescape").split("\r\n")
        kept = ("Via:", "From:", "To:", "Call-ID:", "Max-Forwards:", "Route:")
        pairs = [line.partition(": ") for line in head if line.startswith(kept)]
        headers = [(name, value) for name, _, value in pairs]
        data = write_message(f"CANCEL {self._target} SIP/2.0", [*headers, ("CSeq", f"{invite.cseq} CANCEL")])
        self.ended_by = "cancelled"
        self.centre.send(data, self.flow, now)

    def _take_dialog(self, message: Request | Response) -> None:
        """The other side's Contact and SDP."""
        contact = message.contact
        if contact is not None:
            self._target = contact.uri_text
        found = re.search(rb"^m=audio (\d+)", message.body, re.MULTILINE)
        host = re.search(rb"^c=IN IP[46] (\S+)", message.body, re.MULTILINE)
        if found and host and found[1] != b"0":
            self.remote_rtp = (host[1].decode("latin-1"), int(found[1]))
            events = re.search(
                rb"^a=rtpmap:(\d+) telephone-event", message.body, re.MULTILINE | re.IGNORECASE
            )
            self.remote_events = int(events[1]) if events else None

    def _timer_lines(self) -> list[Header]:
        manners = self.centre.manners
        if manners.session_expires is None:
            return []
        promise = ";refresher=uac" if manners.refreshes else ""
        return [("Session-Expires", f"{manners.session_expires}{promise}")]

    def _come_up(self, status: int, now: float) -> None:
        self.status = status
        self.state = PeerState.UP
        self.up_at = now
        self.centre.on_change(self)
        self.run(self.centre.manners.up, None, now)

    def _over(self, by: str, now: float) -> None:
        if self.state is PeerState.OVER:
            return
        self.state = PeerState.OVER
        self.ended_by = by
        self.over_at = now
        self.centre.on_change(self)

    # ------------------------------------------------------------------------------------------ asking

    def _contact(self) -> str:
        host, port = self.centre.address
        over = "" if self.centre.transport is Transport.UDP else ";transport=tcp"
        return f"<sip:centre@{bracketed(host)}:{port}{over}>"

    def _supported(self) -> list[Header]:
        tags = self.centre.manners.supported
        return [("Supported", ", ".join(tags))] if tags else []

    def _sdp(self, direction: str = "sendrecv") -> bytes:
        self._sdp_version += 1
        sound = self.centre.manners.sound
        host, port = self.centre.rtp(self)
        return write_sdp(sound.address or host, port, self._sdp_version, direction, events=sound.events)

    def _request(
        self, method: str, now: float, headers: Sequence[Header] = (), body: bytes = b"", *,
        initial: bool = False, tried: frozenset[str] = frozenset(),
    ) -> Asked:  # fmt: skip
        """Send a request and keep it until it is answered."""
        centre = self.centre
        self._cseq += 1
        branch = f"z9hG4bK{centre.token()}"
        lines = self._head(branch, f"{self._cseq} {method}")
        if method in {"INVITE", "UPDATE", "NOTIFY", "REFER"}:
            lines.append(("Contact", self._contact()))
        if method in {"INVITE", "UPDATE"}:
            lines += [("Allow", ", ".join(centre.manners.allow)), *self._supported()]
        if initial and centre.manners.require:
            lines.append(("Require", ", ".join(centre.manners.require)))
        lines += [("User-Agent", AGENT), *headers]
        data = write_message(f"{method} {self._target} SIP/2.0", lines, body)
        asked = Asked(
            method, self._cseq, branch, data, self.flow, tuple(headers), body, initial, now, tried=tried
        )
        centre.ask(self, asked, now)
        return asked

    def _head(self, branch: str, cseq: str) -> list[Header]:
        host, port = self.centre.address
        via = f"SIP/2.0/{self.centre.transport.value} {bracketed(host)}:{port};branch={branch};rport"
        return [
            ("Via", via),
            ("Max-Forwards", "70"),
            *(("Route", value) for value in self._routes),
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.call_id),
            ("CSeq", cseq),
        ]

    def on_silence(self, asked: Asked, now: float) -> None:
        """Nobody answered a request of ours."""
        if asked.initial:
            self.status = 408
            self._over("silence", now)

    def on_response(self, asked: Asked, response: Response, now: float) -> None:
        """A response to a request of ours, repetitions included."""
        if response.status < 200:
            self._on_provisional(asked, response, now)
            return
        again, asked.done = asked.done, True
        if asked.method == "INVITE":
            self._on_invite_final(asked, response, now, again=again)
        elif not again:
            self._retry(asked, response, now)

    def _on_provisional(self, asked: Asked, response: Response, now: float) -> None:
        if asked.method == "INVITE":
            asked.repeats = False
            asked.started = now + 180.0  # ringing may last
        if not asked.initial or self.state is PeerState.OVER:
            return
        if response.status > 100:
            self.state = PeerState.RINGING
        rseq = response.headers.get("RSeq")
        if rseq is not None and "100rel" in self.centre.manners.supported:
            self._remote = response.headers.get("To") or self._remote
            self._take_dialog(response)
            self._request("PRACK", now, [("RAck", f"{rseq} {asked.cseq} INVITE")])

    def _on_invite_final(self, asked: Asked, response: Response, now: float, *, again: bool) -> None:
        if response.status >= 300:
            self._acknowledge_refusal(asked, response, now)
            if not again and not self._retry(asked, response, now) and asked.initial:
                self.status = response.status
                self._over(self.ended_by or "refused", now)
            return
        if again:
            if asked.cseq in self._acks:
                self.centre.send(self._acks[asked.cseq], self.flow, now)
            return
        if asked.initial:
            self._remote = response.headers.get("To") or ""
            self._routes = tuple(reversed(response.headers.getall("Record-Route")))
            self._obey_refresher(response, now)
        self._take_dialog(response)
        after = self.centre.manners.ack_after if asked.initial else 0.0
        if after == 0.0:
            self._acknowledge(asked, response, now)
        elif after is not None:
            self.centre.at(now + after, lambda at: self._acknowledge(asked, response, at))

    def _obey_refresher(self, response: Response, now: float) -> None:
        """Refresh the session at half its time where the answer says that we have to, and we made no promise."""
        found = re.match(r"(\d+)\s*;.*refresher\s*=\s*uac", response.headers.get("Session-Expires") or "")
        if found and not self.centre.manners.refreshes:
            half = int(found[1]) / 2
            self.centre.at(now + half, lambda at: self.run((Reinvite(every=half),), None, at))

    def _acknowledge(self, asked: Asked, response: Response, now: float) -> None:
        """ACK a 2xx, with our answer where the offer was theirs."""
        lines = self._head(f"z9hG4bK{self.centre.token()}", f"{asked.cseq} ACK")
        late = bool(response.body) and not asked.body
        body = self._sdp(answered_direction(response.body)) if late else b""
        lines += [SDP_TYPE] if late else []
        data = self._acks[asked.cseq] = write_message(f"ACK {self._target} SIP/2.0", lines, body)
        self.centre.send(data, self.flow, now)
        if not asked.initial or self.state is PeerState.OVER:
            return
        if self.ended_by == "cancelled":  # the answer crossed our CANCEL
            self._over("cancelled", now)
            self._request("BYE", now)
            return
        self._come_up(response.status, now)

    def _acknowledge_refusal(self, asked: Asked, response: Response, now: float) -> None:
        lines = self._head(asked.branch, f"{asked.cseq} ACK")
        lines = [(name, response.headers.get("To") or "" if name == "To" else value) for name, value in lines]
        uri = asked.data.split(b" ", 2)[1].decode("utf-8", "surrogateescape")
        self.centre.send(write_message(f"ACK {uri} SIP/2.0", lines), self.flow, now)

    def _retry(self, asked: Asked, response: Response, now: float) -> bool:
        """Ask again where the answer says how: with credentials, a longer session, or after glare. Each once."""
        status, headers, manners = response.status, list(asked.headers), self.centre.manners
        word = "auth" if status in {401, 407} else str(status)
        if word in asked.tried or (self.state is PeerState.OVER and asked.method != "BYE"):
            return False
        tried = asked.tried | {word}
        if word == "auth":
            name, asks = ("Proxy-Authorization", "Proxy-Authenticate") if status == 407 else (
                "Authorization", "WWW-Authenticate")  # fmt: skip
            challenge = response.headers.get(asks) or ""
            value = answer_challenge(
                challenge, asked.method, self._target, manners.username, manners.password
            )
            headers.append((name, value))
        elif status == 422:
            least = response.headers.get("Min-SE") or "1800"
            headers = [(n, v) for n, v in headers if n not in {"Session-Expires", "Min-SE"}]
            headers += [("Session-Expires", least), ("Min-SE", least)]
        elif status == 491:
            wait = 2.5 if self.calling else 1.0
            self.centre.at(now + wait, lambda at: self._retry_now(asked, headers, tried, at))
            return True
        else:
            return False
        self._retry_now(asked, headers, tried, now)
        return True

    def _retry_now(self, asked: Asked, headers: Sequence[Header], tried: frozenset[str], now: float) -> None:
        if self.state is PeerState.OVER and asked.method != "BYE":
            return
        made = self._request(asked.method, now, headers, asked.body, initial=asked.initial, tried=tried)
        if asked.initial:
            self._invite = made


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
