"""The bases of every record and message: frozen, slotted, and cheap to send to another process."""

from __future__ import annotations

from typing import Any, dataclass_transform

import msgspec


class KeywordOnly(msgspec.StructMeta):
    """Makes every struct below it keyword-only: msgspec itself does not hand that setting down."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> Any:
        """Create the class with `kw_only` unless it says otherwise."""
        return super().__new__(cls, name, bases, namespace, **{"kw_only": True, **config})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, metaclass=KeywordOnly, frozen=True):
    """An immutable value with typed fields. Use `msgspec.structs.replace` for a changed copy."""
