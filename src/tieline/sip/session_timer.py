"""Session timers (RFC 4028): what is said about them, and the clock that runs for each call.

Who refreshes and what happens when nobody does is in `tieline.sip.refresh`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tieline.sip.config import PeerOptions
from tieline.sip.errors import MessageMalformed, Refused
from tieline.sip.extensions import TIMER, option_tags
from tieline.sip.grammar import parse_number
from tieline.sip.message import Request, Response
from tieline.sip.tables import LegState

if TYPE_CHECKING:
    from tieline.sip.core import Core
    from tieline.sip.leg import Leg
    from tieline.sip.timers import Timer

_LONGEST_S = 2**31 - 1
_SHORTEST_S = 4
"""A peer that answers with less than this is refreshed no more often."""
_MARGIN_S = 32.0
_MOST_RAISES = 8
"""How often the hops of one call may each want a longer interval: one that never has enough is told no."""


class Terms(NamedTuple):
    """What a message says: interval, refresher (`uac`, `uas` or empty), least interval, support of `timer`."""

    interval_s: int | None
    refresher: str
    min_se_s: int
    supported: bool


NO_TERMS = Terms(None, "", 0, False)


def _read_interval(message: Request | Response) -> tuple[int | None, str]:
    value = message.headers.get("session-expires")
    if value is None:
        return None, ""
    number, *params = value.split(";")
    given = ""
    for param in params:
        name, _, text = param.partition("=")
        if name.strip().lower() == "refresher":
            given = text.strip().lower()
    return parse_number(number.strip(), _LONGEST_S), given if given in {"uac", "uas"} else ""


def _read_min_se(message: Request | Response) -> int:
    value = message.headers.get("min-se")
    return 0 if value is None else parse_number(value.partition(";")[0].strip(), _LONGEST_S)


def read_terms(message: Request | Response) -> Terms:
    """Session-Expires, Min-SE and support of a message. Raises `MessageMalformed`."""
    interval_s, refresher = _read_interval(message)
    known = TIMER in option_tags(message, "supported") or TIMER in option_tags(message, "require")
    return Terms(interval_s, refresher, _read_min_se(message), known)


def check_terms(request: Request, options: PeerOptions) -> Terms:
    """The terms of a request. Raises `Refused` 422 when the interval is too small, `MessageMalformed`."""
    terms = read_terms(request)
    if terms.supported and terms.interval_s is not None and terms.interval_s < options.min_se_s:
        raise Refused(422, "session interval too small", f"Min-SE: {options.min_se_s}\r\n")
    return terms


class SessionClock:
    """The clock of one call. `ours`: we refresh; `agreed`: the peer takes part; `by_update`: UPDATE may be tried."""

    __slots__ = ("agreed", "by_update", "gives_up_at", "interval_s", "ours", "timer")

    def __init__(self) -> None:
        self.interval_s = 0
        self.ours = False
        self.agreed = False
        self.by_update = True
        self.gives_up_at = 0.0
        self.timer: Timer = []


class SessionTimers:
    """The clocks of all calls. `due(leg, now)` is called when one is to be refreshed, or has not been."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.due: Callable[[Leg, float], None] = lambda leg, now: None
        core.partings.append(self._stop)

    def answer_lines(self, leg: Leg, terms: Terms, now: float) -> str:
        """What our 2xx says, and starts with it (section 9)."""
        if leg.state not in {LegState.ANSWERED, LegState.CONFIRMED}:
            return ""
        options = leg.options
        interval_s = terms.interval_s
        if interval_s is None:
            if options.session_expires_s is None:
                self._stop(leg, now)
                return ""
            current_s = leg.clock.interval_s if leg.clock is not None else options.session_expires_s
            interval_s = max(current_s, terms.min_se_s)
        elif not terms.supported:
            interval_s = max(interval_s, options.min_se_s)
        refresher = (terms.refresher or "uac") if terms.supported else "uas"
        self._start(leg, interval_s, now, ours=refresher == "uas", agreed=terms.supported)
        required = f"Require: {TIMER}\r\n" if terms.supported else ""
        return f"Session-Expires: {interval_s};refresher={refresher}\r\n{required}"

    def request_lines(self, leg: Leg) -> str:
        """What our INVITE, re-INVITE or UPDATE asks for (section 7)."""
        clock = leg.clock
        least_s = max(leg.options.min_se_s, leg.min_se_s)
        if clock is not None:
            interval_s = max(clock.interval_s, least_s if leg.min_se_s else 0)
            role = ";refresher=uac" if clock.ours else ";refresher=uas"
        elif leg.options.session_expires_s is not None:
            interval_s, role = max(leg.options.session_expires_s, least_s), ""
        else:
            return ""
        return f"Session-Expires: {interval_s}{role}\r\nMin-SE: {least_s}\r\n"

    def agree(self, leg: Leg, response: Response, now: float) -> None:
        """Take what the 2xx to our INVITE, re-INVITE or UPDATE says (section 7.2).

        A peer that says nothing does not take part; if we asked we refresh all the same, to see that it is there.
        """
        try:
            terms = read_terms(response)
        except MessageMalformed:
            terms = NO_TERMS
        if terms.interval_s is not None:
            interval_s = max(terms.interval_s, _SHORTEST_S)
            self._start(leg, interval_s, now, ours=terms.refresher != "uas", agreed=True)
            return
        asked_s = leg.clock.interval_s if leg.clock is not None else leg.options.session_expires_s
        if asked_s is None:
            self._stop(leg, now)
        else:
            self._start(leg, max(asked_s, leg.min_se_s), now, ours=True, agreed=False)

    def raise_min(self, leg: Leg, response: Response | None) -> bool:
        """Note the Min-SE of a 422; False when it asks for no more than we offered, or has asked too often."""
        try:
            least_s = 0 if response is None else _read_min_se(response)
        except MessageMalformed:
            return False
        asked_s = leg.clock.interval_s if leg.clock is not None else leg.options.session_expires_s
        if least_s <= max(asked_s or 0, leg.min_se_s) or leg.min_se_raises >= _MOST_RAISES:
            return False
        leg.min_se_raises += 1
        leg.min_se_s = least_s
        return True

    def renew(self, leg: Leg, now: float) -> None:
        """Start the interval anew, as it was."""
        clock = leg.clock
        assert clock is not None
        self._start(leg, clock.interval_s, now, ours=clock.ours, agreed=clock.agreed)

    def wait(self, leg: Leg, delay_s: float, now: float) -> None:
        """Look again after so many seconds, at the latest when the clock is given up."""
        clock = leg.clock
        assert clock is not None
        at = now + delay_s
        if now < clock.gives_up_at:
            at = min(at, clock.gives_up_at)
        self._core.timers.cancel(clock.timer)
        clock.timer = self._core.timers.set(at, self._fire, leg)

    def _start(self, leg: Leg, interval_s: int, now: float, *, ours: bool, agreed: bool) -> None:
        clock = leg.clock
        if clock is None:
            clock = leg.clock = SessionClock()
        else:
            self._core.timers.cancel(clock.timer)
        clock.interval_s = interval_s
        clock.ours = ours
        clock.agreed = agreed
        # Who does not refresh leaves a little before the end, so that both do not send BYE at once (section 10).
        margin_s = 0.0 if ours else min(_MARGIN_S, interval_s / 3)
        clock.gives_up_at = now + interval_s - margin_s
        at = now + interval_s / 2 if ours else clock.gives_up_at
        clock.timer = self._core.timers.set(at, self._fire, leg)

    def _fire(self, leg: Leg, now: float) -> None:
        self.due(leg, now)

    def _stop(self, leg: Leg, _now: float) -> None:
        if leg.clock is not None:
            self._core.timers.cancel(leg.clock.timer)
            leg.clock = None
