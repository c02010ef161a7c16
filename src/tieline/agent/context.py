"""`conv.context`: everything that is known of a call from its start, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tieline.model.context import ContextValue, of_reservation


class CallContext(Mapping[str, Any]):
    """A read-only mapping of keys to values. Of several values with one key it gives the one from the best source.

    `sources` lists all values, best first, each with `key`, `value`, `origin`, `name` and `profile`.
    """

    def __init__(self, values: Sequence[Mapping[str, Any]], attributes: Mapping[str, Any]) -> None:
        of_invite = msgspec.convert(values, tuple[ContextValue, ...])
        self.sources: tuple[ContextValue, ...] = (*of_reservation(attributes), *of_invite)
        self._best: dict[str, ContextValue] = {}
        for one in self.sources:
            self._best.setdefault(one.key, one)

    def __getitem__(self, key: str) -> Any:
        return self._best[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._best)

    def __len__(self) -> int:
        return len(self._best)

    def source(self, key: str) -> ContextValue | None:
        """Where the value of `key` came from; None when there is no such key."""
        return self._best.get(key)

    def __repr__(self) -> str:
        return f"CallContext({ {key: one.value for key, one in self._best.items()} })"
