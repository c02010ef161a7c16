"""The base of every record: frozen, keyword-only, slotted, and cheap to send to another process."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable value with typed fields. Use `msgspec.structs.replace` for a changed copy."""
