"""The calls at Twilio that are remembered, with room for each account of its own: nobody's calls push out another's.

A call that is running is never forgotten. Of the others those that are over go first, then those that nobody has taken
up, for anybody who has a Twilio account connected can sign as many webhooks as they like. Of a call by SIP nothing is
known here before its first handoff, so these come last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tieline.gateway.twilio_call import TwilioCall

MOST_CALLS = 5_000
"""Calls of one account that are remembered."""

MOST_TOKENS = 4
"""Tokens of one call that are good at a time: what Twilio asks for twice is answered twice."""

KEPT_S = 600.0
"""How long a call that is over is remembered, so that what is delivered late or twice is answered well."""

SWEEP_S = 5.0
"""How often what is long over is looked for."""


class CallBook:
    """Calls by their SID, and by the tokens that they may come with. Times are in monotonic seconds."""

    def __init__(self) -> None:
        self._calls: dict[str, TwilioCall] = {}
        self._of_account: dict[str, dict[str, TwilioCall]] = {}
        self._by_stream_token: dict[str, tuple[TwilioCall, float]] = {}
        self._by_sip_token: dict[str, TwilioCall] = {}
        self._tokens: dict[str, deque[str]] = {}
        self._sip_token_of: dict[str, str] = {}
        self._swept_at = float("-inf")

    def __getitem__(self, sid: str) -> TwilioCall:
        return self._calls[sid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, sid: str) -> TwilioCall | None:
        """A call that is remembered."""
        return self._calls.get(sid)

    def add(self, call: TwilioCall, now: float) -> bool:
        """Remember a call; False when its account has no room for another."""
        self._sweep(now)
        account = self._of_account.setdefault(call.connection.account, {})
        if len(account) >= MOST_CALLS and not self._make_room(account):
            return False
        self._calls[call.facts.sid] = account[call.facts.sid] = call
        return True

    def add_stream_token(self, call: TwilioCall, token: str, until: float) -> None:
        """A token that opens one stream of a call; of several the newest are good."""
        tokens = self._tokens.setdefault(call.facts.sid, deque())
        tokens.append(token)
        self._by_stream_token[token] = (call, until)
        if len(tokens) > MOST_TOKENS:
            self._by_stream_token.pop(tokens.popleft(), None)

    def take_stream_token(self, token: str, now: float) -> TwilioCall | None:
        """The call that a token is of, once, and in time."""
        call, until = self._by_stream_token.pop(token, (None, 0.0))
        return call if until >= now else None

    def add_sip_token(self, call: TwilioCall, token: str) -> None:
        """A token that the call's SIP leg bears."""
        self._sip_token_of[call.facts.sid] = token
        self._by_sip_token[token] = call

    def of_sip_token(self, token: str) -> TwilioCall | None:
        """The call that a token is of."""
        return self._by_sip_token.get(token)

    def _make_room(self, account: dict[str, TwilioCall]) -> bool:
        """Forget some of an account's calls, several at a time, so that it is seldom to be done; whether any were."""
        idle = [sid for sid, one in account.items() if not one.is_running]
        idle.sort(key=lambda sid: (not account[sid].over, sid in self._sip_token_of))
        for sid in idle[: max(1, MOST_CALLS // 10)]:
            self._forget(sid)
        return bool(idle)

    def _sweep(self, now: float) -> None:
        """Forget what is long over, and tokens that nobody has used in time."""
        if now < self._swept_at + SWEEP_S:
            return
        self._swept_at = now
        for sid in [sid for sid, one in self._calls.items() if one.over and one.since + KEPT_S < now]:
            self._forget(sid)
        for token in [token for token, held in self._by_stream_token.items() if held[1] < now]:
            del self._by_stream_token[token]

    def _forget(self, sid: str) -> None:
        call = self._calls.pop(sid)
        account = self._of_account[call.connection.account]
        del account[sid]
        if not account:
            del self._of_account[call.connection.account]
        for token in self._tokens.pop(sid, ()):
            self._by_stream_token.pop(token, None)
        self._by_sip_token.pop(self._sip_token_of.pop(sid, ""), None)
