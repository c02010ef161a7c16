"""The caller's leg: our side of the dialog that the INVITE made, and whether anything is still owed on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tieline.calls.ports import Header, SipPort


class CallerLeg:
    """Open until somebody ends it; `over` is set once nothing is owed on it any more.

    `acknowledged` gets the body of the ACK to our 200.
    """

    def __init__(self, sip: SipPort, leg_id: int) -> None:
        loop = asyncio.get_running_loop()
        self.id = leg_id
        self.is_open = True
        self.acknowledged: asyncio.Future[bytes] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self._sip = sip

    def bye(self, headers: Sequence[Header] = (), reason: str | None = None) -> None:
        """End the leg, once; the answer to our BYE is still owed."""
        if not self.is_open:
            return
        self.is_open = False
        if not self._sip.bye(self.id, headers, reason):
            self.close()

    def reject(self, status: int, headers: Sequence[Header]) -> None:
        """Give the final answer to an INVITE that was not answered."""
        self.close()
        self._sip.reject(self.id, status, None, headers)

    def close(self) -> None:
        """The leg is over; no request of ours may follow on it."""
        self.is_open = False
        if not self.over.done():
            self.over.set_result(None)
