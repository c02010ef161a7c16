"""How rules that bind several resources together say that one is broken, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tieline.model.resources import Resources
from tieline.resources.reader import Draft

Names = Mapping[str, Mapping[str, Draft]]
"""The resources of the file at hand, by kind and name."""

Sees = Callable[[Resources, Any], bool]
"""Whether whoever is told of a fault may know of a resource: what they may not see is not named to them."""


Touches = Callable[[str, str], bool]
"""Whether the change at hand is about the resource of a kind and name."""


class Fault(Protocol):
    """Takes note of a broken rule."""

    def __call__(self, kind: str, name: str, field: str, message: str, item: str | None = None) -> None:
        """A field of one resource is at fault; `item` names the one of a list that is."""


def sees_all(_resources: Resources, _record: Any) -> bool:
    """Whoever has the file and the database sees everything."""
    return True


def touches_all(_kind: str, _name: str) -> bool:
    """Everything is looked at."""
    return True
