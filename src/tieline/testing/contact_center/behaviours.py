"""Every way to behave that has a name: the table behind `tieline simulate --list` and the reference page.

A behaviour changes a few fields of `Manners`; several may be laid over each other (`Manners` of a profile, then
`refer-no-notify`, then `bye-late`). Headers, rules and what is done while a call is up add up; everything else is
replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tieline.errors import NotFound
from tieline.testing.contact_center.steps import (
    Answer,
    Cancel,
    Challenge,
    HangUp,
    Manners,
    Notify,
    Press,
    Reinvite,
    Rule,
    Send,
    Sound,
    Update,
)

CLOSED = "terminated;reason=noresource"
_ADDED = ("headers", "rules", "up", "calling")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One named way to behave. The name begins with its subject (`refer`, `bye`, `invite`, ...)."""

    name: str
    about: str
    changes: dict[str, Any]

    @property
    def subject(self) -> str:
        """The word before the first hyphen."""
        return self.name.partition("-")[0]

    def over(self, manners: Manners) -> Manners:
        """`manners`, behaving so."""
        changes = dict(self.changes)
        for name in _ADDED:
            if name in changes:
                changes[name] = (*getattr(manners, name), *changes[name])
        if "sound" in changes:
            changes["sound"] = replace(manners.sound, **changes["sound"])
        return manners.but(**changes)


def _refer(name: str, about: str, *steps: Any, **more: Any) -> Behaviour:
    return Behaviour(f"refer-{name}", about, {"refer": steps, **more})


def _invite(name: str, about: str, *steps: Any, **more: Any) -> Behaviour:
    return Behaviour(f"invite-{name}", about, {"invite": steps, **more})


def _up(name: str, about: str, *steps: Any, **more: Any) -> Behaviour:
    return Behaviour(name, about, {"up": steps, **more})


_RING = Answer(180, 0.1)

_TABLE = (
    # ------------------------------------------------------------------------------------------------- REFER
    _refer(
        "polite", "202, then NOTIFY 100, 180 and 200, the last one closing the subscription",
        Answer(202), Notify(100, 0.05), Notify(180, 0.5), Notify(200, 2.0, state=CLOSED),
    ),
    _refer("no-notify", "202, and nobody ever says how it went", Answer(202)),
    _refer(
        "silence", "202, then deaf: no NOTIFY, and nothing is answered any more",
        Answer(202), bye=(), other=(), reinvite=(), update=(),
    ),
    _refer(
        "notify-no-body", "202, NOTIFYs without a body, the last one closing the subscription",
        Answer(202), Notify(None, 0.05), Notify(None, 1.0, state=CLOSED),
    ),
    _refer(
        "notify-no-event", "202, NOTIFY 100 and 200 without an Event header",
        Answer(202), Notify(100, 0.05, event=False), Notify(200, 1.0, event=False, state=CLOSED),
    ),
    _refer(
        "notify-before-202", "the NOTIFY 100 overtakes the 202",
        Notify(100), Answer(202, 0.05), Notify(200, 1.0, state=CLOSED),
    ),
    _refer(
        "notify-after-bye", "202, BYE, and only then NOTIFY 200",
        Answer(202), Notify(100, 0.05), HangUp(0.5), Notify(200, 1.0, state=CLOSED),
    ),
    _refer("bye-after-202", "202 and BYE at once, no NOTIFY", Answer(202), HangUp(0.02)),
    _refer(
        "late-bye", "polite, and the peer's own BYE six seconds after the NOTIFY 200",
        Answer(202), Notify(100, 0.05), Notify(200, 1.0, state=CLOSED), HangUp(7.0),
    ),
    _refer(
        "target-busy", "202, NOTIFY 100, then NOTIFY 486: the target was busy",
        Answer(202), Notify(100, 0.05), Notify(486, 1.0, state=CLOSED),
    ),
    _refer(
        "target-unavailable", "202, NOTIFY 100, then NOTIFY 503",
        Answer(202), Notify(100, 0.05), Notify(503, 1.0, state=CLOSED),
    ),
    *(
        _refer(str(status), f"refused with {status}", Answer(status))
        for status in (403, 405, 481, 501, 503, 603)
    ),
    _refer("no-response", "not answered at all"),
    _refer(
        "digest", "challenged with 401 (MD5), then polite",
        Challenge(401, "MD5"), Answer(202), Notify(100, 0.05), Notify(200, 1.0, state=CLOSED),
    ),
    _refer(
        "digest-sha256", "challenged with 401 (SHA-256), then polite",
        Challenge(401, "SHA-256"), Answer(202), Notify(100, 0.05), Notify(200, 1.0, state=CLOSED),
    ),
    _refer(
        "digest-stale", "challenged with 407, and once more because the nonce is stale, then polite",
        Challenge(407, "MD5", stale=True), Answer(202), Notify(200, 1.0, state=CLOSED),
    ),
    # --------------------------------------------------------------------------------------------------- BYE
    Behaviour("bye-late", "a BYE is answered after three seconds", {"bye": (Answer(200, 3.0),)}),
    Behaviour("bye-unanswered", "a BYE is never answered", {"bye": ()}),
    Behaviour("bye-481", "a BYE is answered 481", {"bye": (Answer(481),)}),
    Behaviour("bye-crossing", "a BYE is met by a BYE of the peer's", {"bye": (Send("BYE"), Answer(200, 0.01))}),
    _up(
        "bye-with-headers", "hangs up after 30 s with X-Disposition and Reason",
        HangUp(30.0, (("X-Disposition", "agent-ended"), ("Reason", 'Q.850;cause=16;text="Normal clearing"'))),
    ),
    _up("bye-at-once", "hangs up the moment the call is up", HangUp()),
    # ------------------------------------------------------------------------------------------- as the caller
    Behaviour("ack-lost", "the first ACK is lost", {"rules": (Rule("drop", "out", "ACK"),)}),
    Behaviour("ack-late", "the ACK comes after three seconds", {"ack_after": 3.0}),
    Behaviour("ack-never", "the ACK never comes", {"ack_after": None}),
    Behaviour("call-cancelled", "gives up half a second after calling", {"calling": (Cancel(0.5),)}),
    Behaviour("call-cancelled-at-once", "gives up as soon as it has called", {"calling": (Cancel(),)}),
    Behaviour(
        "call-answer-lost", "the first 200 to its INVITE is lost", {"rules": (Rule("drop", "in", "200 INVITE"),)}
    ),
    Behaviour("call-doubled", "its INVITE arrives twice", {"rules": (Rule("double", "out", "INVITE"),)}),
    # ---------------------------------------------------------------------------------- within a running call
    _up("reinvite-hold", "hold after one second, resume after three", Reinvite(1.0, "sendonly"), Reinvite(3.0)),
    _up("reinvite-inactive", "hold by `inactive`, resumed two seconds later",
        Reinvite(1.0, "inactive"), Reinvite(3.0)),
    _up("reinvite-at-once", "a re-INVITE with the ACK still warm", Reinvite()),
    _up("reinvite-no-offer", "a re-INVITE without SDP after one second", Reinvite(1.0, offer=False)),
    _up("reinvite-twice", "two re-INVITEs, the second before the first is done", Reinvite(1.0), Reinvite(1.0)),
    Behaviour("reinvite-with-bye", "answers a BYE, but a re-INVITE goes out first",
              {"bye": (Reinvite(), Answer(200, 0.01))}),
    Behaviour("reinvite-491", "our re-INVITE is answered 491, once; the next one 200",
              {"reinvite": (Answer(491, then=200),)}),
    Behaviour("reinvite-glare", "our re-INVITE crosses one of the peer's, and is answered 491",
              {"reinvite": (Reinvite(), Answer(491, then=200))}),
    Behaviour("reinvite-refused", "our re-INVITE is answered 488", {"reinvite": (Answer(488),)}),
    Behaviour("reinvite-481", "our re-INVITE is answered 481: the peer has lost the call",
              {"reinvite": (Answer(481),)}),
    Behaviour("update-405", "UPDATE is refused with 405 and not in Allow", {
        "update": (Answer(405),),
        "allow": ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "REFER", "NOTIFY")}),
    _up("update-offer", "an UPDATE with SDP after one second", Update(1.0, offer=True)),
    # ------------------------------------------------------------------------------------------ session timers
    Behaviour("timer-none", "knows nothing of session timers", {"supported": ("100rel",)}),
    Behaviour("timer-short", "asks for a session of 30 s; takes 422 with Min-SE and asks again",
              {"session_expires": 30}),
    _up("timer-refresh-update", "a session of 90 s, refreshed by the peer's UPDATE every 45 s",
        Update(45.0, every=45.0), session_expires=90, refreshes=True),
    _up("timer-refresh-reinvite", "a session of 90 s, refreshed by the peer's re-INVITE every 45 s",
        Reinvite(45.0, every=45.0), session_expires=90, refreshes=True),
    Behaviour("timer-lapsed", "a session of 90 s that the peer promises to refresh, and never does",
              {"session_expires": 90, "refreshes": True}),
    Behaviour("timer-422", "as callee, takes no session shorter than an hour (422)", {"min_se": 3600}),
    # ------------------------------------------------------------------------------------------- as the callee
    _invite("polite", "180, then 200 after a second", _RING, Answer(200, 1.0)),
    _invite("at-once", "200 at once, nothing before it", Answer(200)),
    _invite("no-answer", "rings for ever", _RING),
    _invite("no-response", "says nothing at all"),
    _invite("trying-only", "100 and no more", Answer(100)),
    _invite("busy", "180, then 486", _RING, Answer(486, 1.0)),
    _invite("declined", "180, then 603", _RING, Answer(603, 1.0)),
    _invite("not-found", "404", Answer(404)),
    _invite("unavailable", "503 with Retry-After", Answer(503, headers=(("Retry-After", "30"),))),
    _invite("not-acceptable", "488: no codec in common", Answer(488)),
    _invite("moved", "302 to another address", Answer(302, headers=(("Contact", "<sip:elsewhere@192.0.2.99>"),))),
    _invite("early-media", "183 with SDP, then 200", Answer(183, 0.1, sdp=True), Answer(200, 2.0)),
    _invite("forked-ringing", "two 180s with different tags, one 200",
            Answer(180, 0.1, fork="a"), Answer(180, 0.2, fork="b"), Answer(200, 1.0, fork="b")),
    _invite("forked-answers", "two 200s with different tags",
            Answer(180, 0.1, fork="a"), Answer(180, 0.1, fork="b"),
            Answer(200, 1.0, fork="a"), Answer(200, 1.05, fork="b")),
    _invite("reliable", "180 by RFC 3262, which wants a PRACK", Answer(180, 0.1, reliable=True), Answer(200, 2.0)),
    _invite("digest", "challenged with 401 (MD5), then polite",
            Challenge(401, "MD5"), _RING, Answer(200, 1.0)),
    _invite("digest-proxy", "challenged with 407 (SHA-256), then polite",
            Challenge(407, "SHA-256"), _RING, Answer(200, 1.0)),
    Behaviour("cancel-race", "a CANCEL meets the 200 that was on its way", {
        "invite": (_RING,), "cancel": (Answer(200, to="INVITE"), Answer(200))}),
    Behaviour("cancel-ignored", "a CANCEL is answered, the INVITE not ended", {
        "invite": (_RING,), "cancel": (Answer(200),)}),
    # --------------------------------------------------------------------------------------------------- sound
    Behaviour("dtmf-no-marker", "digits in RTP without the marker bit", {"sound": {"marker": False}}),
    Behaviour("dtmf-info", "digits by SIP INFO", {"sound": {"keys": "info", "events": False}}),
    Behaviour("sound-nothing", "sends no RTP at all: one-way audio", {"sound": {"sends": "nothing"}}),
    Behaviour("sound-tone", "sends a tone", {"sound": {"sends": "tone"}}),
    Behaviour("sound-echo", "sends back what it hears", {"sound": {"sends": "echo"}}),
    Behaviour("sound-private-address", "its SDP names an address of its own network",
              {"sound": {"address": "10.11.12.13"}}),
    Behaviour("sound-other-port", "sends from a port that its SDP does not name", {"sound": {"other_port": True}}),
    # ------------------------------------------------------------------------------------- within the dialog
    _up("odd-method", "a method that nobody knows, after one second", Send("FROBNICATE", 1.0)),
    _up("odd-refer", "a REFER of the peer's, after one second",
        Send("REFER", 1.0, (("Refer-To", "<sip:elsewhere@192.0.2.99>"),))),
    _up("odd-notify", "a NOTIFY that nobody subscribed to, after one second", Notify(200, 1.0, state=CLOSED)),
    _up("odd-keys", "presses a key that is none and an old-fashioned flash", Press("5", 1.0), Send(
        "INFO", 1.5, (("Content-Type", "application/hook-flash"),), b"signal=hf\r\n")),
)  # fmt: skip

BEHAVIOURS: dict[str, Behaviour] = {each.name: each for each in _TABLE}
"""By name, in the order in which they are listed."""

SUBJECTS: dict[str, str] = {
    "refer": "What it makes of our REFER",
    "bye": "Ending the call",
    "ack": "When it has called us: the ACK",
    "call": "When it calls us: the INVITE",
    "reinvite": "Renewing the session by INVITE, its own or ours",
    "update": "UPDATE (RFC 3311)",
    "timer": "Session timers (RFC 4028)",
    "invite": "When we call it: its answer to our INVITE",
    "cancel": "When we call it: its answer to our CANCEL",
    "dtmf": "Keypad digits",
    "sound": "RTP (on real sockets only)",
    "odd": "Things that have no place in a call",
}
"""The subjects in the order of the reference page, with their headings."""


def find_behaviour(name: str) -> Behaviour:
    """The behaviour of that name. Raises `NotFound`, naming the near ones."""
    found = BEHAVIOURS.get(name)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, BEHAVIOURS, n=3)
        raise NotFound(f"no behaviour {name}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    return found


def behaving(manners: Manners, names: Iterable[str]) -> Manners:
    """`manners` with the named behaviours laid over it, in order. Raises `NotFound`."""
    for name in names:
        manners = find_behaviour(name).over(manners)
    return manners


__all__ = ["BEHAVIOURS", "SUBJECTS", "Behaviour", "Sound", "behaving", "find_behaviour"]
