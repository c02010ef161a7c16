"""INVITE: the second leg rings, answers, is screened, joined, and ends; and everything that can cross."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handoff.parts import AT, last, rung, steps
from tieline.handoff.bridge import BRIDGE, BridgeCommand, BridgeHandoff, BridgeInput, BridgeState, Commands
from tieline.handoff.policy import Connected, Ended, HandoffFailed, HandoffPolicy, Side
from tieline.model.handoff import HandoffMethod, RingSound, SipConfig
from tieline.model.receipt import HandoffFailure, Step

C = BridgeCommand
PLAIN = SipConfig(method=HandoffMethod.INVITE, ring_timeout_s=30.0)
WHISPER = SipConfig(method=HandoffMethod.INVITE, whisper="A caller for sales.")
SCREENED = SipConfig(method=HandoffMethod.INVITE, whisper="Press 1.", accept_key="1", accept_timeout_s=15.0)


class Play:
    """A bridge whose INVITE was sent at second 100; `did` is every command so far."""

    def __init__(self, config: SipConfig = PLAIN) -> None:
        self.builder, receipt = rung(HandoffMethod.INVITE)
        self.bridge = BridgeHandoff(receipt, HandoffPolicy(alive_s=60.0), config, AT, 100.0)
        self.did: list[BridgeCommand] = [*self.bridge.start()]

    def _do(self, commands: Commands) -> Play:
        self.did += commands
        return self

    def progress(self, status: int = 180, *, has_media: bool = False) -> Play:
        return self._do(self.bridge.on_progress(status, "Phrase", AT, has_media=has_media))

    def answer(self, now: float = 110.0) -> Play:
        return self._do(self.bridge.on_answered(200, "OK", AT, now))

    def refuse(self, status: int, contact: str | None = None, *, made_here: bool = False) -> Play:
        headers = (("Reason", "Q.850;cause=17"), ("P-Asserted-Identity", "<sip:bob@x>"))
        refused = self.bridge.on_refused(
            status, "Phrase", AT, headers=headers, contact=contact, made_here=made_here
        )
        return self._do(refused)

    def whispered(self, now: float = 113.0) -> Play:
        return self._do(self.bridge.on_whisper_done(AT, now))

    def key(self, digit: str, now: float = 114.0) -> Play:
        return self._do(self.bridge.on_key(digit, AT, now))

    def caller_gone(self, now: float = 120.0) -> Play:
        return self._do(self.bridge.on_caller_gone(AT, now))

    def callee_gone(self, now: float = 120.0) -> Play:
        return self._do(self.bridge.on_callee_gone(AT, now))

    def media_failed(self, now: float = 120.0) -> Play:
        return self._do(self.bridge.on_media_failed(AT, now))

    def wait(self, now: float) -> Play:
        return self._do(self.bridge.on_deadline(AT, now))

    def state(self) -> BridgeState:
        return self.bridge.state

    def outcome(self) -> Connected | Ended | HandoffFailed | None:
        return self.bridge.outcome

    @property
    def failed(self) -> HandoffFailed:
        assert isinstance(self.bridge.outcome, HandoffFailed)
        return self.bridge.outcome


def test_it_rings_is_answered_lives_and_ends() -> None:
    play = Play().progress().progress().answer(110.0)
    assert play.did == [C.PLAY_RINGBACK, C.STOP_RINGBACK, C.JOIN]
    assert play.outcome() == Connected(since=110.0)
    assert play.bridge.next_deadline() == 170.0
    assert play.wait(169.0).bridge.next_deadline() == 170.0
    assert play.wait(170.0).bridge.next_deadline() is None
    play.callee_gone(200.5)
    assert play.did[3:] == [C.BYE_CALLER]
    assert play.outcome() == Ended(by=Side.CALLEE, duration_s=90.5)
    assert play.state() is BridgeState.ENDED
    assert steps(play.builder) == ["sent", "ringing", "answered", "alive", "done"]
    assert last(play.builder, Step.DONE).detail == "joined for 90.5 s, ended by the callee"


def test_the_callers_bye_ends_the_callees_leg() -> None:
    play = Play().answer(110.0).caller_gone(111.0)
    assert play.did[-1] is C.BYE_CALLEE
    assert play.outcome() == Ended(by=Side.CALLER, duration_s=1.0)
    assert play.callee_gone().caller_gone().wait(999.0).did[-1] is C.BYE_CALLEE


@pytest.mark.parametrize(
    ("config", "first"),
    [
        (RingSound.TONE, [C.PLAY_RINGBACK]),
        (RingSound.SILENCE, []),
        (RingSound.EARLY_MEDIA, [C.PLAY_RINGBACK]),
    ],
)
def test_what_the_caller_hears_while_it_rings(config: RingSound, first: list[BridgeCommand]) -> None:
    play = Play(SipConfig(method=HandoffMethod.INVITE, ring_sound=config))
    assert play.did == first
    play.progress(183, has_media=True).progress(183, has_media=True)
    early = [C.STOP_RINGBACK, C.JOIN_EARLY] if config is RingSound.EARLY_MEDIA else []
    assert play.did == [*first, *early]


def test_early_media_gives_way_to_the_call() -> None:
    play = Play().progress(183, has_media=True).answer()
    assert play.did == [C.PLAY_RINGBACK, C.STOP_RINGBACK, C.JOIN_EARLY, C.PART_EARLY, C.JOIN]


def test_early_media_does_not_let_the_caller_hear_the_whisper() -> None:
    play = Play(WHISPER).progress(183, has_media=True).answer()
    assert play.did[2:] == [C.JOIN_EARLY, C.PART_EARLY, C.PLAY_RINGBACK, C.PLAY_WHISPER]


def test_a_provisional_that_is_not_ringing_leaves_no_step() -> None:
    assert steps(Play().progress(101).builder) == ["sent"]


def test_the_ring_timeout_cancels() -> None:
    play = Play().progress()
    assert play.bridge.next_deadline() == 130.0
    play.wait(130.0)
    assert play.did[1:] == [C.STOP_RINGBACK, C.CANCEL]
    assert play.failed.failure is HandoffFailure.NO_ANSWER
    assert play.state() is BridgeState.CANCELLING
    play.progress().refuse(487)
    assert play.state() is BridgeState.ENDED
    assert play.failed.failure is HandoffFailure.NO_ANSWER
    assert steps(play.builder) == ["sent", "ringing", "failed"]


@pytest.mark.parametrize("config", [PLAIN, SCREENED])
def test_an_answer_that_crosses_our_cancel_is_ended(config: SipConfig) -> None:
    play = Play(config).wait(130.0).answer()
    assert play.did[-1] is C.BYE_CALLEE
    assert play.failed.failure is HandoffFailure.NO_ANSWER
    assert play.state() is BridgeState.ENDED
    assert steps(play.builder) == ["sent", "failed", "answered"]


def test_a_leg_that_goes_while_we_cancel_is_over() -> None:
    play = Play().wait(130.0).callee_gone()
    assert play.state() is BridgeState.ENDED
    assert play.failed.failure is HandoffFailure.NO_ANSWER


def test_a_caller_who_hangs_up_while_it_rings() -> None:
    play = Play().progress().caller_gone()
    assert play.did[1:] == [C.STOP_RINGBACK, C.CANCEL]
    assert play.failed.failure is HandoffFailure.CALLER_HUNG_UP
    assert play.failed.caller_gone


@pytest.mark.parametrize(
    ("status", "failure"),
    [(486, "busy"), (603, "declined"), (401, "authentication_failed"), (503, "unavailable")],
)
def test_a_refusal_gives_the_caller_back(status: int, failure: str) -> None:
    play = Play().progress().refuse(status)
    assert play.did[-1] is C.STOP_RINGBACK
    assert play.failed.failure == failure
    assert play.failed.evidence == f"{status} Phrase; Reason: Q.850;cause=17"
    assert play.state() is BridgeState.ENDED
    assert play.refuse(500).failed.failure == failure


def test_our_own_timeout_is_no_response() -> None:
    assert Play().refuse(408, made_here=True).failed.failure is HandoffFailure.NO_RESPONSE


@pytest.mark.parametrize(
    ("contact", "kept"),
    [
        ("<sip:bob@other.example.net;transport=tcp>", "; Contact host other.example.net"),
        ("<tel:+15550100>", ""),
        ("nonsense", ""),
        ("<sip:>", ""),
        (None, ""),
    ],
)
def test_a_redirect_is_not_followed_and_names_its_host_only(contact: str | None, kept: str) -> None:
    play = Play().refuse(302, contact)
    assert play.failed.failure is HandoffFailure.REDIRECTED
    assert play.failed.evidence == f"302 Phrase; Reason: Q.850;cause=17{kept}"


def test_contacts_of_other_refusals_are_not_kept() -> None:
    assert "Contact" not in str(Play().refuse(486, "<sip:bob@other.example.net>").failed.evidence)


def test_a_whisper_without_a_key_is_heard_out() -> None:
    play = Play(WHISPER).answer(110.0)
    assert play.state() is BridgeState.SCREENING
    assert play.did == [C.PLAY_RINGBACK, C.PLAY_WHISPER]
    assert play.key("1").bridge.outcome is None
    play.whispered(113.0)
    assert play.did[2:] == [C.STOP_RINGBACK, C.JOIN]
    assert play.outcome() == Connected(since=113.0)
    assert play.whispered().did[4:] == []


def test_a_whisper_that_never_ends_is_stopped() -> None:
    play = Play(WHISPER).answer(110.0)
    assert play.bridge.next_deadline() == 170.0
    assert play.wait(170.0).did[2:] == [C.STOP_WHISPER, C.STOP_RINGBACK, C.JOIN]


def test_the_key_accepts_after_the_whisper_and_during_it() -> None:
    after = Play(SCREENED).answer(110.0).whispered(113.0)
    assert after.bridge.next_deadline() == 128.0
    after.key("2").whispered()
    assert after.outcome() is None
    after.key("1", 120.0)
    assert after.did[2:] == [C.STOP_RINGBACK, C.JOIN]
    assert steps(after.builder) == ["sent", "answered", "accepted"]
    during = Play(SCREENED).answer().key("1")
    assert during.did[2:] == [C.STOP_WHISPER, C.STOP_RINGBACK, C.JOIN]
    assert during.key("1").did[5:] == []


def test_no_key_in_time_is_not_accepted() -> None:
    play = Play(SCREENED).answer(110.0).whispered(113.0).wait(128.0)
    assert play.did[2:] == [C.STOP_RINGBACK, C.BYE_CALLEE]
    assert play.failed.failure is HandoffFailure.NOT_ACCEPTED
    assert not play.failed.caller_gone


def test_a_whisper_of_a_screened_call_that_never_ends_still_waits_for_the_key() -> None:
    play = Play(SCREENED).answer(110.0).wait(170.0)
    assert play.did[2:] == [C.STOP_WHISPER]
    assert play.bridge.next_deadline() == 185.0


def test_a_key_without_a_whisper_is_waited_for_from_the_answer() -> None:
    play = Play(SipConfig(method=HandoffMethod.INVITE, accept_key="#", accept_timeout_s=10.0)).answer(110.0)
    assert play.bridge.next_deadline() == 120.0
    assert play.whispered().key("#").did[1:] == [C.STOP_RINGBACK, C.JOIN]


def test_who_goes_while_the_human_is_asked() -> None:
    human = Play(SCREENED).answer().callee_gone()
    assert human.failed.failure is HandoffFailure.NOT_ACCEPTED
    assert human.did[-1] is C.STOP_RINGBACK
    caller = Play(SCREENED).answer().caller_gone()
    assert caller.failed.failure is HandoffFailure.CALLER_HUNG_UP
    assert caller.did[-1] is C.BYE_CALLEE


def test_a_leg_that_breaks_before_it_is_answered() -> None:
    play = Play().progress().callee_gone()
    assert play.failed.failure is HandoffFailure.TRANSPORT_FAILED
    assert play.state() is BridgeState.ENDED


@pytest.mark.parametrize(
    ("play", "did", "outcome"),
    [
        (lambda: Play().progress(183), [C.STOP_RINGBACK, C.CANCEL], HandoffFailed),
        (lambda: Play(SCREENED).answer(), [C.STOP_RINGBACK, C.BYE_CALLEE], HandoffFailed),
        (lambda: Play().answer(), [C.BYE_CALLEE, C.BYE_CALLER], Ended),
    ],
)
def test_media_that_cannot_be_joined(
    play: Callable[[], Play], did: list[BridgeCommand], outcome: type[object]
) -> None:
    board = play()
    before = len(board.did)
    board.media_failed()
    assert board.did[before:] == did
    assert isinstance(board.outcome(), outcome)
    assert board.media_failed().did[before:] == did


def test_every_row_of_the_table_leads_somewhere() -> None:
    assert set(BRIDGE) == set(BridgeState)
    reached = {target for rows in BRIDGE.values() for target in rows.values()}
    assert reached == set(BridgeState) - {BridgeState.INVITING}
    assert {given for rows in BRIDGE.values() for given in rows} == set(BridgeInput)


HAPPENINGS: list[Callable[[Play, float], Play]] = [
    lambda play, now: play.progress(180),
    lambda play, now: play.progress(183, has_media=True),
    lambda play, now: play.answer(now),
    lambda play, now: play.refuse(486),
    lambda play, now: play.whispered(now),
    lambda play, now: play.key("1", now),
    lambda play, now: play.caller_gone(now),
    lambda play, now: play.callee_gone(now),
    lambda play, now: play.media_failed(now),
    lambda play, now: play.wait(now + 60.0),
]


@given(st.lists(st.sampled_from(HAPPENINGS), max_size=12), st.sampled_from([PLAIN, WHISPER, SCREENED]))
def test_whatever_happens_legs_are_left_once_and_sounds_are_stopped(
    happenings: list[Callable[[Play, float], Play]], config: SipConfig
) -> None:
    play = Play(config)
    for number, happen in enumerate(happenings):
        happen(play, 101.0 + number)
    play.caller_gone().refuse(487)
    did = play.did
    assert play.state() is BridgeState.ENDED
    assert play.outcome() is not None
    assert did.count(C.PLAY_RINGBACK) == did.count(C.STOP_RINGBACK)
    assert did.count(C.JOIN_EARLY) == did.count(C.PART_EARLY)
    assert did.count(C.JOIN) <= 1
    assert did.count(C.CANCEL) <= 1
    assert did.count(C.BYE_CALLEE) <= 1
    assert did.count(C.BYE_CALLER) <= 1


def test_a_call_that_we_end_while_it_rings_is_not_the_callers_doing() -> None:
    play = Play().progress()
    assert C.CANCEL in play.bridge.on_caller_gone(AT, 120.0, by_us=True)
    assert play.failed.failure is HandoffFailure.INTERNAL_ERROR
