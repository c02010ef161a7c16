"""The bases of every record and message: frozen, slotted, and cheap to send to another process."""

from __future__ import annotations

from typing import Any, ClassVar, dataclass_transform

import msgspec


class KeywordOnly(msgspec.StructMeta):
    """Makes every struct below it keyword-only: msgspec itself does not hand that setting down."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> Any:
        """Create the class with `kw_only` unless it says otherwise."""
        return super().__new__(cls, name, bases, namespace, **{"kw_only": True, **config})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, metaclass=KeywordOnly, frozen=True):
    """An immutable value with typed fields. Use `msgspec.structs.replace` for a changed copy."""


class ConfidentialRecord(Record):
    """A record of which some fields are secret: `hidden` names them. No log or traceback shows what they hold."""

    hidden: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """All fields, the secret ones masked."""
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same, for `rich`."""
        fields = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, "***" if value and name in self.hidden else value) for name, value in fields]
