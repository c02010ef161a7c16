"""A handoff by INVITE: a second leg is called and joined with the caller's, and we stay in between.

The machine takes what happens on both legs and answers with what is to be done, in order. It knows nothing of SDP or
sound: its owner calls, plays and joins. A bridge that has failed may still wait for its own CANCEL to be settled; it
is over, and may be forgotten, when its state is ENDED.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tieline.handoff.awaited import AwaitedHandoff
from tieline.handoff.failures import failure_of
from tieline.handoff.policy import Connected, Ended, HandoffPolicy, Side
from tieline.handoff.receipt import RungReceipt, clean, evidence_of
from tieline.model.handoff import HandoffMethod, RingSound, SipConfig
from tieline.model.machine import Table
from tieline.model.receipt import HandoffFailure, Step
from tieline.sip.errors import MessageMalformed
from tieline.sip.grammar import parse_address


class BridgeState(StrEnum):
    """Where a bridge is. SCREENING: the human has answered and hears the whisper, or is to press the key."""

    INVITING = "inviting"
    RINGING = "ringing"
    SCREENING = "screening"
    CONNECTED = "connected"
    CANCELLING = "cancelling"
    ENDED = "ended"


class BridgeInput(StrEnum):
    """What can happen to a bridge."""

    PROGRESS = "1xx"
    ANSWERED = "2xx"
    ANSWERED_TO_SCREEN = "2xx, whisper or key wanted"
    REFUSED = "3xx-6xx"
    ACCEPTED = "whisper done or key pressed"
    CALLER_GONE = "caller gone"
    CALLEE_GONE = "callee gone"
    MEDIA_FAILED = "media cannot be joined"
    DEADLINE = "deadline"


class BridgeCommand(StrEnum):
    """What the owner of a bridge is to do, in the order given."""

    PLAY_RINGBACK = "play the ringing tone to the caller"
    STOP_RINGBACK = "stop the ringing tone"
    JOIN_EARLY = "let the caller hear the callee's early media"
    PART_EARLY = "stop the early media"
    PLAY_WHISPER = "play the whisper to the callee"
    STOP_WHISPER = "stop the whisper"
    JOIN = "join both legs"
    PART = "part both legs"
    CANCEL = "cancel the callee's leg"
    BYE_CALLEE = "end the callee's leg"
    BYE_CALLER = "end the caller's leg"


Commands = tuple[BridgeCommand, ...]

_S = BridgeState
_I = BridgeInput
_C = BridgeCommand

_BEFORE_ANSWER: dict[BridgeInput, BridgeState] = {
    _I.PROGRESS: _S.RINGING,
    _I.ANSWERED: _S.CONNECTED,
    _I.ANSWERED_TO_SCREEN: _S.SCREENING,
    _I.REFUSED: _S.ENDED,
    _I.CALLER_GONE: _S.CANCELLING,
    _I.CALLEE_GONE: _S.ENDED,
    _I.MEDIA_FAILED: _S.CANCELLING,
    _I.DEADLINE: _S.CANCELLING,
}

BRIDGE: Table[BridgeState, BridgeInput] = {
    _S.INVITING: _BEFORE_ANSWER,
    _S.RINGING: _BEFORE_ANSWER,
    _S.SCREENING: {
        _I.ACCEPTED: _S.CONNECTED,
        _I.CALLER_GONE: _S.ENDED,
        _I.CALLEE_GONE: _S.ENDED,
        _I.MEDIA_FAILED: _S.ENDED,
        _I.DEADLINE: _S.ENDED,
    },
    _S.CONNECTED: {
        _I.CALLER_GONE: _S.ENDED,
        _I.CALLEE_GONE: _S.ENDED,
        _I.MEDIA_FAILED: _S.ENDED,
    },
    _S.CANCELLING: {
        _I.ANSWERED: _S.ENDED,
        _I.ANSWERED_TO_SCREEN: _S.ENDED,
        _I.REFUSED: _S.ENDED,
        _I.CALLEE_GONE: _S.ENDED,
    },
    _S.ENDED: {},
}
"""What a state has no row for changes nothing."""


class BridgeHandoff(AwaitedHandoff[BridgeState, BridgeInput, Connected | Ended]):
    """One second leg. Made when its INVITE has been sent; call `start` for the first commands.

    `at` is aware UTC, `now` monotonic seconds. `outcome` is None until the two are joined or the rung has failed; a
    `Connected` becomes `Ended`.
    """

    def __init__(
        self, receipt: RungReceipt, policy: HandoffPolicy, config: SipConfig, at: datetime, now: float
    ) -> None:
        super().__init__(BRIDGE, BridgeState.INVITING, receipt, now + config.ring_timeout_s)
        self._policy = policy
        self._config = config
        self._connected_at = now
        self._whispering = False
        # What the caller hears of us at present: the tone, the callee's early media, or neither.
        self._ringing = False
        self._early = False
        receipt.add(Step.SENT, at)

    def start(self) -> Commands:
        """The first commands: what the caller hears from now on."""
        return self._ring()

    def on_progress(self, status: int, phrase: str, at: datetime, *, has_media: bool) -> Commands:
        """A provisional response; `has_media` when its SDP lets us hear the callee."""
        if not self._moves(BridgeInput.PROGRESS):
            return ()
        if status >= 180 and not self._receipt.has(Step.RINGING):
            self._receipt.add(Step.RINGING, at, status=status, evidence=evidence_of(status, phrase))
        if has_media and self._config.ring_sound is RingSound.EARLY_MEDIA and not self._early:
            commands = (*self._quiet(), BridgeCommand.JOIN_EARLY)
            self._early = True
            return commands
        return ()

    def on_answered(self, status: int, phrase: str, at: datetime, now: float) -> Commands:
        """The callee answered. When we had given up already, its leg is ended again."""
        screening = self._config.whisper is not None or self._config.accept_key is not None
        given_up = self.state is BridgeState.CANCELLING
        if not self._moves(BridgeInput.ANSWERED_TO_SCREEN if screening else BridgeInput.ANSWERED):
            return ()
        if given_up:
            self._receipt.add(
                Step.ANSWERED, at, status=status, detail="answered after we had given up; ended at once"
            )
            return (BridgeCommand.BYE_CALLEE,)
        self._receipt.add(Step.ANSWERED, at, status=status, evidence=evidence_of(status, phrase))
        if not screening:
            return self._connect(now)
        if self._config.whisper is None:
            self._deadline = now + self._config.accept_timeout_s
            return self._hold_on()
        self._whispering = True
        self._deadline = now + self._policy.whisper_limit_s
        return (*self._hold_on(), BridgeCommand.PLAY_WHISPER)

    def on_refused(
        self,
        status: int,
        phrase: str,
        at: datetime,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        contact: str | None = None,
        made_here: bool = False,
    ) -> Commands:
        """The INVITE failed for good. `contact` is the Contact value of a redirect; only its host is kept."""
        if not self._moves(BridgeInput.REFUSED) or self.outcome is not None:
            return ()
        evidence = evidence_of(status, phrase, headers)
        host = _host_of(contact) if contact is not None and 300 <= status < 400 else None
        if host is not None:
            evidence = clean(f"{evidence}; Contact host {host}")
        failure = failure_of(HandoffMethod.INVITE, status, made_here=made_here)
        self._fail(failure, at, status=status, evidence=evidence)
        return self._quiet()

    def on_whisper_done(self, at: datetime, now: float) -> Commands:
        """The whisper has been played to its end, or could not be played."""
        if self.state is not BridgeState.SCREENING or not self._whispering:
            return ()
        self._whispering = False
        if self._config.accept_key is not None:
            self._deadline = now + self._config.accept_timeout_s
            return ()
        self._moves(BridgeInput.ACCEPTED)
        return self._connect(now)

    def on_key(self, digit: str, at: datetime, now: float) -> Commands:
        """The callee pressed a key; only the accept key counts, also during the whisper."""
        if self.state is not BridgeState.SCREENING or digit != self._config.accept_key:
            return ()
        self._moves(BridgeInput.ACCEPTED)
        self._receipt.add(Step.ACCEPTED, at, detail="the accept key was pressed")
        stop = (BridgeCommand.STOP_WHISPER,) if self._whispering else ()
        self._whispering = False
        return (*stop, *self._connect(now))

    def on_caller_gone(self, at: datetime, now: float, *, by_us: bool = False) -> Commands:
        """The caller hung up, or their leg broke, or the call was ended from our side."""
        before = self.state
        if not self._moves(BridgeInput.CALLER_GONE):
            return ()
        if before is BridgeState.CONNECTED:
            self._end(Side.CALLER, at, now)
            return (BridgeCommand.BYE_CALLEE,)
        failure = HandoffFailure.INTERNAL_ERROR if by_us else HandoffFailure.CALLER_HUNG_UP
        self._fail(failure, at, caller_gone=True, detail="the call was ended from our side" if by_us else "")
        leave = BridgeCommand.BYE_CALLEE if before is BridgeState.SCREENING else BridgeCommand.CANCEL
        return (*self._quiet(), leave)

    def on_callee_gone(self, at: datetime, now: float) -> Commands:
        """The callee hung up, or their leg broke."""
        before = self.state
        if not self._moves(BridgeInput.CALLEE_GONE):
            return ()
        if before is BridgeState.CONNECTED:
            self._end(Side.CALLEE, at, now)
            return (BridgeCommand.BYE_CALLER,)
        if before is BridgeState.SCREENING:
            self._fail(HandoffFailure.NOT_ACCEPTED, at, detail="hung up before the two were joined")
        elif before is not BridgeState.CANCELLING:
            self._fail(HandoffFailure.TRANSPORT_FAILED, at, detail="the callee's leg broke")
        return self._quiet()

    def on_media_failed(self, at: datetime, now: float) -> Commands:
        """The callee's media cannot be used, or the two legs cannot be joined (any more)."""
        before = self.state
        if not self._moves(BridgeInput.MEDIA_FAILED):
            return ()
        if before is BridgeState.CONNECTED:
            self._end(Side.US, at, now)
            return (BridgeCommand.BYE_CALLEE, BridgeCommand.BYE_CALLER)
        self._fail(HandoffFailure.MEDIA_REFUSED, at)
        leave = BridgeCommand.BYE_CALLEE if before is BridgeState.SCREENING else BridgeCommand.CANCEL
        return (*self._quiet(), leave)

    def on_deadline(self, at: datetime, now: float) -> Commands:
        """Time has passed; nothing happens before the deadline."""
        if self._deadline is None or now < self._deadline:
            return ()
        self._deadline = None
        if self.state is BridgeState.CONNECTED:
            self._receipt.add(Step.ALIVE, at, detail=f"still connected after {self._policy.alive_s:.0f} s")
            return ()
        if self.state is BridgeState.SCREENING and self._whispering:
            return (BridgeCommand.STOP_WHISPER, *self.on_whisper_done(at, now))
        screening = self.state is BridgeState.SCREENING
        self._moves(BridgeInput.DEADLINE)
        if screening:
            self._fail(HandoffFailure.NOT_ACCEPTED, at, detail="the accept key was not pressed in time")
            return (*self._quiet(), BridgeCommand.BYE_CALLEE)
        self._fail(HandoffFailure.NO_ANSWER, at, detail=f"gave up after {self._config.ring_timeout_s:g} s")
        return (*self._quiet(), BridgeCommand.CANCEL)

    def _ring(self) -> Commands:
        if self._config.ring_sound is RingSound.SILENCE or self._ringing:
            return ()
        self._ringing = True
        return (BridgeCommand.PLAY_RINGBACK,)

    def _quiet(self) -> Commands:
        """End what the caller hears of the attempt."""
        commands: Commands = ()
        if self._ringing:
            commands = (BridgeCommand.STOP_RINGBACK,)
        if self._early:
            commands = (BridgeCommand.PART_EARLY,)
        self._ringing = self._early = False
        return commands

    def _hold_on(self) -> Commands:
        """The caller goes on hearing the tone while the human is asked; early media would let them hear the whisper."""
        if not self._early:
            return self._ring()
        return (*self._quiet(), *self._ring())

    def _connect(self, now: float) -> Commands:
        self._connected_at = now
        self._deadline = now + self._policy.alive_s
        self.outcome = Connected(since=now)
        return (*self._quiet(), BridgeCommand.JOIN)

    def _end(self, by: Side, at: datetime, now: float) -> None:
        duration_s = max(0.0, now - self._connected_at)
        self._deadline = None
        self.outcome = Ended(by=by, duration_s=duration_s)
        self._receipt.add(Step.DONE, at, detail=f"joined for {duration_s:.1f} s, ended by the {by.value}")


def _host_of(contact: str) -> str | None:
    try:
        return parse_address(contact).uri.host or None
    except MessageMalformed:
        return None
