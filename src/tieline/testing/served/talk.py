"""One call to an agent, as a test tells it: what is heard, what is pressed, and what comes of it."""

from __future__ import annotations

import time
from typing import Any

from tieline.sip.message import Request
from tieline.testing.contact_center.exchanges import PeerState
from tieline.testing.contact_center.peer_call import PeerCall
from tieline.testing.contact_center.sockets import SocketCentre
from tieline.testing.contact_center.transfer import Transfer
from tieline.testing.served.agent_server import AgentServer
from tieline.testing.served.loop_thread import LoopThread

PAUSE_S = 0.05
SPEECH_WAIT_S = 3.0
"""How long a prompt that was recorded may take to be heard; a server without a voice is never heard."""


class Talk:
    """A call that is up. `centre` is the peer, with its `timeline`, `byes` and `refers`."""

    def __init__(self, server: AgentServer, loop: LoopThread, centre: SocketCentre, call: PeerCall) -> None:
        self.server = server
        self.centre = centre
        self.call = call
        self._loop = loop
        self._heard = 0
        self._mark_s = 0.0

    def hears(self, text: str, within_s: float = 20.0, *, to_the_end: bool = True) -> str:
        """Wait until the agent says something that holds `text` (case ignored), to its end; the whole utterance.

        Prompts are spoken in real time; without `to_the_end` this returns as soon as one has begun. Each utterance
        is heard once: the next `hears` looks at those after it. Raises `AssertionError`.
        """
        deadline = time.monotonic() + within_s
        while True:
            spoken = self.spoken
            for index in range(self._heard, len(spoken)):
                if text.casefold() in spoken[index].casefold():
                    self._heard = index + 1
                    if to_the_end:
                        self._listen(max(deadline - time.monotonic(), PAUSE_S))
                    return spoken[index]
            if time.monotonic() >= deadline:
                raise AssertionError(f"the agent did not say {text!r}; it said {spoken}\n{self.ladder}")
            time.sleep(PAUSE_S)

    def _listen(self, within_s: float) -> None:
        """Let the prompt be heard to its end."""
        audio = self.centre.audio(self.call)
        deadline = time.monotonic() + within_s
        first = time.monotonic() + SPEECH_WAIT_S
        while time.monotonic() < deadline and self.call.state is PeerState.UP:
            begun = audio.heard_s > self._mark_s
            if (begun and audio.quiet_s >= 0.4) or (not begun and time.monotonic() > first):
                break
            time.sleep(PAUSE_S)
        self._mark_s = audio.heard_s

    def press(self, keys: str) -> None:
        """Press keys, and wait until they have been sent."""
        audio = self.centre.audio(self.call)
        self._mark_s = audio.heard_s
        self._loop.call(lambda: self.centre.press(self.call, keys))
        self._loop.run(audio.keys_sent())

    def hang_up(self, **headers: str) -> None:
        """End the call from our side; `X_Reason="x"` is the header `X-Reason`."""
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self._loop.call(lambda: self.centre.hang_up(self.call, pairs))

    def ends(self, within_s: float = 30.0) -> str:
        """Wait until the call is over; who ended it: `them` is the server. Raises `AssertionError`."""
        self._loop.run(self.centre.over(self.call, within_s))
        return self.call.ended_by or ""

    # -- what the server knows --------------------------------------------------------------------------------

    @property
    def record(self) -> dict[str, Any]:
        """The conversation as the API shows it now; {} before it is stored."""
        return self.server.conversation_of(self.call.call_id) or {}

    @property
    def spoken(self) -> list[str]:
        """Everything that the agent has said so far, in order; what it says with a handoff comes last."""
        record = self.record
        said = [turn["utterance"] for turn in record.get("turns", []) if turn["utterance"]]
        plan = (record.get("outcome") or {}).get("handoff") or {}
        return [*said, *([plan["utterance"]] if plan.get("utterance") else [])]

    def handoff(self, within_s: float = 30.0) -> dict[str, Any]:
        """Wait for the end of the call; the `data` of Get Handoff. Raises `AssertionError` when there is none."""
        self.ends(within_s)
        record = self._closed()
        answer = self.server.handoff_of(record["id"])
        if answer.status != 200:
            raise AssertionError(f"no handoff state: {answer.status} {answer.answer}\n{self.ladder}")
        return dict(answer.answer["data"])

    def termination(self) -> dict[str, Any]:
        """How the call ended: `reason`, `fault`, `detail`."""
        self.ends()
        return dict(self._closed()["termination"])

    def _closed(self, within_s: float = 15.0) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while True:
            record = self.record
            if record.get("termination") is not None:
                return record
            if time.monotonic() >= deadline:
                raise AssertionError(f"the call did not end on the server:\n{self.server.log}")
            time.sleep(PAUSE_S)

    # -- what the peer knows ----------------------------------------------------------------------------------

    @property
    def bye_headers(self) -> dict[str, str]:
        """The informative headers of the server's BYE, as the peer's script sees them."""
        return self.centre.bye_headers

    @property
    def refers(self) -> list[Request]:
        """The server's REFERs."""
        return self.centre.refers

    @property
    def transfer(self) -> Transfer | None:
        """The target of the last REFER."""
        return self.centre.transfer

    @property
    def ladder(self) -> str:
        """The SIP ladder, for failure messages."""
        return self.centre.timeline.ladder(self.centre.name)
