"""What the other side does with a REFER or an INVITE of ours: stories for `tieline.testing.call_parts.ScriptedSip`.

A story is made for a leg and gives events with the seconds after which each comes:

    board.sip.on_refer = refuse_refer(603)
    board.sip.on_invite = answer_invite(rings_s=2.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tieline.sip.events import (
    LegAnswered,
    LegProgress,
    LegRefused,
    NotifyReceived,
    ReferCompleted,
    SipEvent,
)
from tieline.sip.message import Headers, Response

Story = Callable[[int], Sequence[tuple[float, SipEvent]]]
"""From a leg to what comes on it, each after so many seconds."""

STEP_S = 0.5
"""Seconds between two things in a row."""

ANSWER = (
    b"v=0\r\no=- 7 7 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"
    b"m=audio 42000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
"""The SDP of whoever takes a second leg."""


def accept_refer(*fragments: int | None, status: int = 202) -> Story:
    """202, then a NOTIFY for each sipfrag status (None: one without); the last one ends the subscription."""

    def story(leg_id: int) -> list[tuple[float, SipEvent]]:
        events: list[tuple[float, SipEvent]] = [(0.01, ReferCompleted(leg_id, status, "Accepted"))]
        for index, fragment in enumerate(fragments):
            last = index == len(fragments) - 1 and fragment is not None and fragment >= 200
            word = "terminated" if last else "active"
            events.append((STEP_S * (index + 1), NotifyReceived(leg_id, fragment, "Progress", word, b"")))
        return events

    return story


def refuse_refer(status: int, phrase: str = "No") -> Story:
    """A final refusal of the REFER itself."""
    return lambda leg_id: [(0.01, ReferCompleted(leg_id, status, phrase))]


def ignore(_leg_id: int) -> Sequence[tuple[float, SipEvent]]:
    """Nothing comes, ever."""
    return ()


def response(
    status: int, phrase: str = "", body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
) -> Response:
    """A response with these headers."""
    return Response(status, phrase, Headers(headers), body)


def answer_invite(*, rings_s: float = 1.0, early: bytes = b"", body: bytes = ANSWER) -> Story:
    """180 (with early media, if any), then 200 after `rings_s`."""
    return lambda leg_id: [
        (0.05, LegProgress(leg_id, response(183 if early else 180, "Ringing", early), early)),
        (rings_s, LegAnswered(leg_id, response(200, "OK", body))),
    ]


def ring_for_ever(leg_id: int) -> Sequence[tuple[float, SipEvent]]:
    """180 and nothing more."""
    return [(0.05, LegProgress(leg_id, response(180, "Ringing")))]


def refuse_invite(status: int, *headers: tuple[str, str], after_s: float = 0.5, phrase: str = "No") -> Story:
    """A final refusal."""
    refusal = response(status, phrase, headers=headers)
    return lambda leg_id: [(after_s, LegRefused(leg_id, status, refusal))]


def be_out_of_reach(leg_id: int) -> Sequence[tuple[float, SipEvent]]:
    """Our stack gives up: the transport is broken."""
    return [(0.0, LegRefused(leg_id, 503, None))]
