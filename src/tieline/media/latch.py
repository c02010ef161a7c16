"""Symmetric RTP: where a leg's audio comes from, and so where ours goes.

Peers behind address translation announce addresses that cannot be reached, so we answer to where packets come
from. That must not let a stranger take the call over:

- A source is ranked by how well it matches the address announced in SDP: 2 the same host and port, 1 the same
  host, 0 any other. A better ranked source takes over at any time.
- Otherwise a new source is let in only with the SSRC of the present one (a peer that moved; a stranger would have
  to guess 32 bits), or when the present one has been silent for `RELATCH_AFTER_S`.
- An address newly announced by a re-INVITE starts over.

Packets from anywhere else are discarded, and counted.
"""

from __future__ import annotations

from typing import Any, Final

RELATCH_AFTER_S: Final = 2.0

Address = tuple[Any, ...]
"""A socket address: (host, port), with IPv6 (host, port, flow, scope)."""


class SourceLatch:
    """The present source of one leg. `target` is where to send: the source, or the announced address before it."""

    __slots__ = ("_announced", "_rank", "source", "ssrc", "target")

    def __init__(self) -> None:
        self.source: Address | None = None
        self.target: Address | None = None
        self.ssrc = -1
        self._announced: Address | None = None
        self._rank = 0

    def announce(self, remote: Address) -> None:
        """Take the address from SDP; the same one again changes nothing."""
        if self._announced is not None and remote[:2] == self._announced[:2]:
            return
        self._announced = self.target = remote
        self.source = None
        self.ssrc = -1
        self._rank = 0

    def admit(self, source: Address, ssrc: int, silent_s: float) -> bool:
        """Whether a packet counts; `silent_s` is how long ago the present source was last heard."""
        if source != self.source:
            rank = self._rank_of(source)
            no_better = self.source is not None and rank <= self._rank
            if no_better and ssrc != self.ssrc and silent_s < RELATCH_AFTER_S:
                return False
            self.source = self.target = source
            self._rank = rank
        self.ssrc = ssrc
        return True

    def _rank_of(self, source: Address) -> int:
        announced = self._announced
        if announced is None or source[0] != announced[0]:
            return 0
        return 2 if source[1] == announced[1] else 1
