"""Calls that are placed in the studio, with a browser that does as told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.gateway.gateway_parts import HOST, wanted
from tieline.agent.messages import Run, TurnResult
from tieline.errors import InvalidInput, NotFound, Unavailable
from tieline.gateway import studio_calls
from tieline.gateway.calls import GatewayCalls
from tieline.gateway.ice_place import IcePlace
from tieline.gateway.studio_calls import CONNECT_S, StudioCall, StudioCalls, StudioCallState, are_keys
from tieline.gateway.studio_leg import TransferAnswer
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, SipConfig
from tieline.model.receipt import ReceiptState
from tieline.sdp.negotiation import LocalMedia, NegotiatedMedia
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle

FAR = Destination(
    name="far",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="+15550001111"),
    fallback=(),
)


class FakeBrowser:
    """Stands in for `BrowserAudio`; the last one made is `last`."""

    last: FakeBrowser

    def __init__(
        self,
        place: IcePlace,
        on_audio: Callable[[bytes], None],
        on_up: Callable[[], None],
        on_gone: Callable[[bool], None],
    ) -> None:
        self.place = place
        self.hear = on_audio
        self.come_up = on_up
        self.go = on_gone
        self.heard: list[bytes] = []
        self.is_closed = False
        FakeBrowser.last = self

    async def accept(self, offer: str, client: str) -> str:
        """An answer, unless the offer is bad."""
        if offer == "bad":
            raise InvalidInput("no audio that we know")
        return f"answer to {offer} from {client}"

    def send(self, pcmu: bytes) -> None:
        """Heard."""
        self.heard.append(pcmu)

    def close(self) -> None:
        """Over."""
        self.is_closed = True

    async def closed(self) -> None:
        """At once."""


class FakeEnd:
    """Stands in for `RtpEnd`."""

    def __init__(self, host: str, on_audio: Callable[[bytes], None]) -> None:
        self.local = LocalMedia(address=host, port=40000, session_id=1)
        self.to_browser = on_audio
        self.fed = b""
        self.pressed = ""
        self.is_closed = False

    def connect(self, media: NegotiatedMedia) -> None:
        """Nothing."""

    def feed(self, pcmu: bytes) -> None:
        """Remembered."""
        self.fed += pcmu

    def press(self, digits: str) -> None:
        """Remembered."""
        self.pressed += digits

    def close(self) -> None:
        """Over."""
        self.is_closed = True


class Module:
    """What is imported when the first call by microphone is placed."""

    BrowserAudio = FakeBrowser


@pytest.fixture(autouse=True)
def browser(monkeypatch: pytest.MonkeyPatch) -> None:
    async def to_thread(load: Callable[..., Any], *names: str) -> Any:
        assert names == ("tieline.gateway.webrtc",)
        return Module

    monkeypatch.setattr(studio_calls, "RtpEnd", FakeEnd)
    monkeypatch.setattr(asyncio, "to_thread", to_thread)


def studio(board: Switchboard, limit: int = 2) -> StudioCalls:
    """The studio's calls on a switchboard."""
    calls = GatewayCalls(board.registry, board.legs, HOST)
    return StudioCalls(calls, limit, lambda: IcePlace((HOST,)))


async def dial(
    calls: StudioCalls, transfers: TransferAnswer = TransferAnswer.ACCEPT
) -> tuple[StudioCall, FakeBrowser]:
    """A call by microphone whose audio has not come about yet."""
    call, answer = await calls.place_voice(wanted(), "u", "offer", transfers)
    assert answer == "answer to offer from 198.51.100.7"
    assert call.state == "connecting"
    return call, FakeBrowser.last


def play(
    story: Callable[[Switchboard, StudioCalls], Awaitable[None]], **parts: Any
) -> tuple[Switchboard, Conversation | None]:
    """Play a story and give the stored call, if there is one."""

    async def whole(board: Switchboard) -> None:
        calls = studio(board)
        await story(board, calls)
        await board.idle()
        await elapse(1.0)
        await calls.close()
        assert calls.up == ()

    board = play_calls(whole, **parts)
    found = run_virtual(board.conversations())
    return board, found[0] if found else None


def ended(conversation: Conversation | None) -> TerminationReason:
    """How the call ended."""
    assert conversation is not None
    assert conversation.closed is not None
    return conversation.closed.termination.reason


def test_the_call_begins_when_the_browsers_audio_is_there() -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        call, browser = await dial(calls)
        await elapse(5.0)
        assert board.registry.sessions() == []
        browser.come_up()
        browser.come_up()
        await board.hear("Welcome.")
        assert [each.state for each in calls.up] == [StudioCallState.TALKING]
        assert call.call_id == board.registry.sessions()[0].call_id
        leg: Any = call
        browser.hear(b"\x10" * 160)
        assert leg._rtp.fed == b"\x10" * 160
        leg._rtp.to_browser(b"\x20" * 160)
        assert browser.heard == [b"\x20" * 160]
        call.press("1#")
        assert leg._rtp.pressed == "1#"
        with pytest.raises(NotFound):
            call.type_text("hello")
        assert call.planned == ()
        board.press("1#")
        await board.idle()
        assert call.state is StudioCallState.ENDED
        closed = [browser.is_closed]
        await elapse(1.0)
        assert [*closed, browser.is_closed] == [False, True]
        assert calls.get(call.id) is call

    _, found = play(story)
    assert ended(found) is TerminationReason.AGENT_HUNG_UP


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("closed", TerminationReason.CALLER_HUNG_UP),
        ("broken", TerminationReason.TRANSPORT_FAILED),
        ("hang up", TerminationReason.CALLER_HUNG_UP),
        ("page gone", TerminationReason.CALLER_HUNG_UP),
        ("server stops", TerminationReason.CALLER_HUNG_UP),
    ],
)
def test_whoever_goes_the_call_ends_and_says_why(how: str, reason: TerminationReason) -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        call, browser = await dial(calls)
        browser.come_up()
        await board.hear("Welcome.")
        if how == "hang up":
            call.hang_up()
        elif how == "page gone":
            call.lose()
        elif how == "server stops":
            await calls.close()
        else:
            browser.go(how == "closed")

    _, found = play(story)
    assert ended(found) is reason
    assert found is not None
    assert found.closed is not None
    if how in {"closed", "page gone"}:
        assert "browser was closed" in found.closed.termination.detail


@pytest.mark.parametrize("how", ["too late", "broken", "hang up", "page gone", "bad offer"])
def test_what_never_became_a_call_says_why(how: str) -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        if how == "bad offer":
            with pytest.raises(InvalidInput):
                await calls.place_voice(wanted(), "u", "bad", TransferAnswer.ACCEPT)
            assert calls.up == ()
            return
        call, browser = await dial(calls)
        if how == "too late":
            await elapse(CONNECT_S + 1)
        elif how == "broken":
            browser.go(False)
        elif how == "hang up":
            call.hang_up()
        else:
            call.lose()
        assert call.state is StudioCallState.ENDED
        assert call.failure
        call.hang_up()
        browser.come_up()
        browser.go(True)

    board, found = play(story)
    assert found is None
    assert board.journal == []


def test_no_more_than_the_limit_are_up_at_one_time() -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        first = calls.place_text(wanted(), "u")
        await dial(calls)
        with pytest.raises(Unavailable, match="2 test calls"):
            calls.place_text(wanted(), "u")
        with pytest.raises(Unavailable):
            await dial(calls)
        first.hang_up()
        await board.idle()
        calls.place_text(wanted(), "u").hang_up()
        with pytest.raises(NotFound):
            calls.get("nobody")

    play(story)


def test_a_refused_call_has_its_refusal() -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        board.admission.draining = True
        call = calls.place_text(wanted(), "u")
        assert call.refusal is not None
        assert call.refusal.status == 503
        assert call.state is StudioCallState.ENDED
        call.press("1")
        call.type_text("hello")
        assert call.planned == ()
        with pytest.raises(InvalidInput):
            calls.place_text(wanted(headers=(("From", "x"),)), "u")
        with pytest.raises(InvalidInput):
            calls.place_text(wanted(headers=(("Refer-To", "x"),)), "u")

    play(story)


def test_a_text_call_takes_lines_and_keys_and_shows_what_was_planned() -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        call = calls.place_text(wanted(), "u")
        await settle()
        call.press("12#")
        await settle()
        call.type_text("human")
        await board.idle()
        assert [plan.route for plan in call.planned] == ["+15550001111"]
        assert call.state is StudioCallState.ENDED
        call.lose()

    def answer(run: Run) -> TurnResult:
        wants = run.user_input == "human"
        return reply(run, "Well.", handoff={"destination": "default"} if wants else None)

    board, found = play(story, agent=ScriptedAgent(turn=answer, destinations=(FAR,)))
    assert [run.user_input for run in board.agent.runs][1:3] == ["12", "human"]
    assert ended(found) is TerminationReason.HANDED_OFF


@pytest.mark.parametrize(
    ("transfers", "state"),
    [
        (TransferAnswer.ACCEPT, ReceiptState.DONE),
        (TransferAnswer.REFUSE, ReceiptState.FAILED),
        (TransferAnswer.IGNORE, ReceiptState.FAILED),
    ],
)
def test_a_transfer_is_answered_as_was_chosen(transfers: TransferAnswer, state: ReceiptState) -> None:
    async def story(board: Switchboard, calls: StudioCalls) -> None:
        _, browser = await dial(calls, transfers)
        browser.come_up()
        await board.hear("Welcome.")
        board.press("1#")
        await board.idle()

    def ask(run: Run) -> TurnResult:
        return reply(run, "Passing you on.", handoff={"destination": "default"})

    _, found = play(story, agent=ScriptedAgent(turn=ask, destinations=(FAR,)))
    assert found is not None
    assert found.receipts[0].state is state


def test_keys_are_those_of_a_telephone() -> None:
    assert are_keys("0123456789*#")
    assert not are_keys("")
    assert not are_keys("12x")


def test_only_so_many_that_are_over_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio_calls, "KEPT", 1)

    async def story(board: Switchboard, calls: StudioCalls) -> None:
        board.admission.draining = True
        first = calls.place_text(wanted(), "u")
        second = calls.place_text(wanted(), "u")
        assert calls.get(second.id) is second
        with pytest.raises(NotFound):
            calls.get(first.id)

    play(story)
