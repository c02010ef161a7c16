"""Where browsers' audio is received: addresses and UDP ports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IcePlace:
    """`addresses` are bound and offered; `advertised` is told to the browser in their place, behind a 1:1 NAT.

    `first_port` and `last_port` bound the UDP ports, 0 takes any.
    """

    addresses: tuple[str, ...]
    advertised: str | None = None
    first_port: int = 0
    last_port: int = 0

    def ports(self) -> Iterator[int]:
        """The ports to try, in their order."""
        return iter(range(self.first_port, self.last_port + 1) if self.first_port else (0,))
