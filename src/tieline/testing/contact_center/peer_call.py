"""One call of a scripted peer: the steps that it takes when something happens, and how it answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tieline.sip.events import Transport
from tieline.sip.message import Request
from tieline.testing.contact_center.challenge import is_proven, write_challenge
from tieline.testing.contact_center.dialog import SDP_TYPE, PeerDialog
from tieline.testing.contact_center.exchanges import GIVE_UP, T1, T2, Came, PeerState
from tieline.testing.contact_center.steps import (
    Answer,
    Cancel,
    Challenge,
    HangUp,
    Header,
    Need,
    Notify,
    Press,
    Reinvite,
    Send,
    Step,
    Update,
)
from tieline.testing.contact_center.writing import AGENT, answered_direction, write_response, write_sipfrag

_SCRIPTS = {"BYE": "bye", "CANCEL": "cancel", "REFER": "refer", "UPDATE": "update"}


class PeerCall(PeerDialog):
    """The whole call: what `PeerDialog` asks, and how requests are answered, by the steps of the manners."""

    # ------------------------------------------------------------------------------------------ verbs

    def hang_up(self, now: float, headers: Sequence[Header] = ()) -> None:
        """BYE; before the answer, CANCEL or a refusal. Nothing when the call is over."""
        if self.state is PeerState.OVER:
            return
        if self.state is PeerState.UP:
            self._over("us", now)
            self._request("BYE", now, headers)
        elif self.calling:
            self.cancel(now)
        elif self._invited is not None:
            self._answer(Answer(486), self._invited, now)

    def reinvite(self, now: float, direction: str = "sendrecv", *, offer: bool = True) -> None:
        """Renew the session by INVITE."""
        if offer:
            self._request("INVITE", now, [*self._timer_lines(), SDP_TYPE], self._sdp(direction))
        else:
            self._request("INVITE", now, self._timer_lines())

    def press(self, keys: str, now: float) -> None:
        """Press keys, in RTP or by INFO."""
        self.pressed += keys
        if self.centre.manners.sound.keys != "info":
            self.centre.on_press(self, keys)
            return
        for number, key in enumerate(keys):
            body = f"Signal={key}\r\nDuration=160\r\n".encode()
            step = Send("INFO", 0.25 * number, (("Content-Type", "application/dtmf-relay"),), body)
            self.centre.at(now + step.after, lambda at, step=step: self._do(step, None, at))  # type: ignore[misc]

    def request(self, method: str, now: float, headers: Sequence[Header] = (), body: bytes = b"") -> None:
        """Any request within the dialog."""
        self._request(method, now, headers, body)

    # ------------------------------------------------------------------------------------------ steps

    def run(self, steps: Sequence[Step], came: Came | None, now: float) -> None:
        """Take steps, each in its time."""
        for step in steps:
            if isinstance(step, Challenge):
                if came is None or not self._proven(step, came, now):
                    return
            elif isinstance(step, Need):
                if came is None or not self._met(step, came, now):
                    return
            elif step.after <= 0:
                self._do(step, came, now)
            else:
                self.centre.at(now + step.after, lambda at, step=step: self._do(step, came, at))  # type: ignore[misc]

    def _do(self, step: Step, came: Came | None, now: float) -> None:
        over = self.state is PeerState.OVER
        if isinstance(step, Answer):
            target = self._invited if step.to == "INVITE" else came
            if target is not None and (not target.final or step.fork):
                self._answer(step, target, now)
        elif isinstance(step, Notify):
            self._notify(step, now)
        elif isinstance(step, Cancel):
            self.cancel(now)
        elif over:
            return
        elif isinstance(step, HangUp):
            self.hang_up(now, step.headers)
        elif isinstance(step, Reinvite):
            self.reinvite(now, step.direction, offer=step.offer)
            self._again(step, step.every, now)
        elif isinstance(step, Update):
            if step.offer:
                self._request("UPDATE", now, [*self._timer_lines(), SDP_TYPE], self._sdp())
            else:
                self._request("UPDATE", now, self._timer_lines())
            self._again(step, step.every, now)
        elif isinstance(step, Press):
            self.press(step.keys, now)
        elif isinstance(step, Send):
            self._request(step.method, now, step.headers, step.body)

    def _again(self, step: Step, every: float | None, now: float) -> None:
        if every is not None:
            self.centre.at(now + every, lambda at: self._do(step, None, at))

    def _notify(self, step: Notify, now: float) -> None:
        headers: list[Header] = [("Event", "refer")] if step.event else []
        headers.append(("Subscription-State", step.state))
        body = b""
        if step.status is not None:
            headers.append(("Content-Type", "message/sipfrag;version=2.0"))
            body = write_sipfrag(step.status)
        self._request("NOTIFY", now, headers, body)

    def _proven(self, step: Challenge, came: Came, now: float) -> bool:
        name, asks = ("Authorization", "WWW-Authenticate")
        if step.status == 407:
            name, asks = ("Proxy-Authorization", "Proxy-Authenticate")
        manners, request = self.centre.manners, came.request
        seen = self._counts[step] = self._counts.get(step, 0) + 1
        value = request.headers.get(name)
        right = is_proven(value, request.method, step.algorithm, manners.username, manners.password)
        stale = step.stale and right and seen == 2
        if right and not stale:
            return True
        challenge = write_challenge(step.algorithm, self.centre.token(), stale=stale)
        self._respond(came, step.status, [(asks, challenge)], now=now)
        return False

    def _met(self, step: Need, came: Came, now: float) -> bool:
        if re.search(step.pattern, came.request.headers.get(step.header) or "", re.IGNORECASE):
            return True
        self._respond(came, step.status, now=now)
        return False

    # ------------------------------------------------------------------------------------------ answering

    def on_request(self, came: Came, now: float) -> None:
        """A request of this call, not a repetition."""
        request, manners = came.request, self.centre.manners
        if request.method == "INVITE":
            self._invites.append(came)
        if request.method == "INVITE" and request.to.tag is None:
            self._on_invite(came, now)
        elif request.method == "INVITE":
            if not self._too_short(came, now):
                self.run(manners.reinvite, came, now)
        elif request.method == "UPDATE" and self._too_short(came, now):
            return
        else:
            if request.method == "CANCEL":
                self.ended_by = "cancelled"
            self.run(getattr(manners, _SCRIPTS.get(request.method, "other")), came, now)
            if request.method == "BYE":
                self._sides.discard(request.to.tag or "")
                if not self._sides:
                    self._over("them", now)

    def _on_invite(self, came: Came, now: float) -> None:
        request = came.request
        self._invited = came
        self._local = f"{request.headers.get('To')};tag={self.local_tag}"
        self._remote = request.headers.get("From") or ""
        self._routes = tuple(request.headers.getall("Record-Route"))
        self._take_dialog(request)
        if not self._too_short(came, now):
            self.run(self.centre.manners.invite, came, now)

    def _too_short(self, came: Came, now: float) -> bool:
        manners = self.centre.manners
        asked = re.match(r"\d+", came.request.headers.get("Session-Expires") or "")
        if asked is None or "timer" not in manners.supported or int(asked[0]) >= manners.min_se:
            return False
        self._respond(came, 422, [("Min-SE", str(manners.min_se))], now=now)
        return True

    def _answer(self, step: Answer, came: Came, now: float) -> None:
        request = came.request
        count = self._counts[step] = self._counts.get(step, 0) + 1
        status = step.status if step.then is None or count == 1 else step.then
        lines: list[Header] = list(step.headers)
        if step.reliable:
            if "100rel" not in (request.headers.joined("Supported") or ""):
                self._respond(came, 421, [("Require", "100rel")], now=now)
                return
            self._rseq += 1
            lines += [("Require", "100rel"), ("RSeq", str(self._rseq))]
        session = request.method in {"INVITE", "UPDATE"}
        wants_sdp = request.method == "INVITE" or bool(request.body)
        body = b""
        if session and (step.sdp or (step.sdp is None and 200 <= status < 300 and wants_sdp)):
            lines.append(SDP_TYPE)
            body = self._sdp(answered_direction(request.body))
            self._take_dialog(request)
        if session and 200 <= status < 300:
            lines += self._timer_answer(request)
        if request.method == "REGISTER" and status == 200:
            lines += [("Contact", request.headers.get("Contact") or "*"), ("Expires", "60")]
        tag = f"{self.local_tag}{step.fork}"
        if request.method == "INVITE" and request.to.tag is None and status < 300:
            if status >= 200:
                self._sides.add(tag)
                self._local = f"{request.headers.get('To')};tag={tag}"
            elif status > 100:
                self.state = PeerState.RINGING
        self._respond(came, status, lines, body, tag, step.phrase, now=now)

    def _timer_answer(self, request: Request) -> list[Header]:
        asked = request.headers.get("Session-Expires")
        if asked is None or "timer" not in self.centre.manners.supported:
            return []
        refresher = "uas" if self.centre.manners.refreshes else "uac"
        value = asked if "refresher=" in asked else f"{asked};refresher={refresher}"
        return [("Session-Expires", value), ("Require", "timer")]

    def _respond(
        self, came: Came, status: int, headers: Sequence[Header] = (), body: bytes = b"", tag: str = "",
        phrase: str | None = None, *, now: float,
    ) -> None:  # fmt: skip
        request, centre = came.request, self.centre
        lines = list(headers)
        names = {name.lower() for name, _ in lines}
        if status > 100 and "contact" not in names and request.method not in {"BYE", "CANCEL"}:
            lines.insert(0, ("Contact", self._contact()))
        lines += [("Allow", ", ".join(centre.manners.allow)), *self._supported(), ("Server", AGENT)]
        data = write_response(request, status, tag or self.local_tag, lines, body, phrase)
        came.last = data
        centre.send(data, came.flow, now)
        if status < 200:
            return
        came.final = True
        if request.method != "INVITE":
            return
        side = (request.to.tag or tag) if status < 300 else ""
        came.refused = status >= 300
        if request.to.tag is None and status >= 300 and status not in {401, 407, 422}:
            self.status = status
            self._over(self.ended_by or "refused", now)
        centre.at(now + T1, lambda at: self._repeat_final(came, data, side, T1, now, at))

    def _repeat_final(
        self, came: Came, data: bytes, side: str, interval: float, since: float, now: float
    ) -> None:
        """A final response to an INVITE goes out again until its ACK has come; then we give the call up."""
        if side in came.acknowledged:
            return
        if now - since >= GIVE_UP:
            if side and self.state is not PeerState.OVER:
                self._over("silence", now)
                self._request("BYE", now)
            return
        if came.flow.transport is Transport.UDP or side:
            self.centre.send(data, came.flow, now)
        longer = min(interval * 2, T2)
        self.centre.at(now + longer, lambda at: self._repeat_final(came, data, side, longer, since, at))

    def on_ack(self, request: Request, now: float) -> None:
        """The ACK of a final response of ours."""
        invited = self._invited
        for came in self._invites:
            if came.request.cseq[0] == request.cseq[0]:
                came.acknowledged.add("" if came.refused else request.to.tag or "")
        if invited is not None and not invited.refused and self.state is not PeerState.OVER:
            if request.body:
                self._take_dialog(request)
            if self.up_at is None and invited.request.cseq[0] == request.cseq[0]:
                self._come_up(200, now)
