"""A gateway leg on the switchboard in memory, with an end of RTP that only remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieline.calls.session import CallSession
from tieline.calls.text_session import TextSession
from tieline.gateway.calls import GatewayCalls, GatewayRequest, facts_of, gateway_trunk
from tieline.gateway.leg import GatewayLeg
from tieline.model.trunk import Refusal
from tieline.sdp.negotiation import LocalMedia, NegotiatedMedia
from tieline.testing.calls import PROJECT, Switchboard

Header = tuple[str, str]
HOST = "127.0.0.1"
TRUNK = gateway_trunk("studio", HOST)


class SilentEnd:
    """An end of RTP without a socket."""

    def __init__(self) -> None:
        self.local = LocalMedia(address=HOST, port=40000, session_id=1)
        self.connected: list[NegotiatedMedia] = []
        self.pressed = ""
        self.closed = False

    def connect(self, media: NegotiatedMedia) -> None:
        """Remember what was agreed."""
        self.connected.append(media)

    def press(self, digits: str) -> None:
        """Remember the keys."""
        self.pressed += digits

    def close(self) -> None:
        """Over."""
        self.closed = True


class ToldLeg(GatewayLeg):
    """A leg that remembers what it was told."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.told: list[str] = []

    def on_ringing(self) -> None:
        """Noted."""
        self.told.append("ringing")

    def on_answered(self) -> None:
        """Noted."""
        self.told.append("answered")

    def on_rejected(self, status: int, phrase: str) -> None:
        """Noted."""
        self.told.append(f"rejected {status} {phrase}")

    def on_bye(self, headers: Sequence[Header], reason: str | None) -> None:
        """Noted."""
        self.told.append(f"bye {dict(headers)}")

    def on_refer(self, refer_to: str, headers: Sequence[Header]) -> None:
        """Noted."""
        self.told.append(f"refer {refer_to}")

    def on_over(self) -> None:
        """Noted."""
        self.told.append("over")


def wanted(**fields: Any) -> GatewayRequest:
    """A call to the switchboard's project."""
    given: dict[str, Any] = {
        "trunk": TRUNK, "project": PROJECT, "channel": "webchat.polyai", "why": "placed by a test",
        "remote": ("198.51.100.7", 51000), "caller": "+15557654321", "callee": "100", **fields,
    }  # fmt: skip
    return GatewayRequest(**given)


def bring_in(
    board: Switchboard, kind: type[GatewayLeg] = ToldLeg, **fields: Any
) -> tuple[Any, CallSession | Refusal]:
    """Bring a call in; its leg, and the call or the refusal."""
    calls = GatewayCalls(board.registry, board.legs, HOST)
    request = wanted(**fields)
    leg = kind(facts_of(request), SilentEnd(), calls.tell)
    return leg, calls.bring_in(leg, request)


def bring_in_text(board: Switchboard, **fields: Any) -> tuple[ToldLeg, TextSession]:
    """Bring a call by text in; its leg and the call."""
    calls = GatewayCalls(board.registry, board.legs, HOST)
    request = wanted(**fields)
    leg = ToldLeg(facts_of(request), SilentEnd(), calls.tell)
    session = calls.bring_in(leg, request, TextSession)
    assert isinstance(session, TextSession)
    return leg, session
