"""What the tests of handoffs are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from tieline.handoff.plan import PLAIN_DIALECT
from tieline.handoff.receipt import ReceiptBuilder, RungReceipt
from tieline.model.handoff import HandoffMethod
from tieline.model.profile import Dialect
from tieline.model.receipt import Step

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def dialect(*, refer: dict[str, Any] | None = None, **fields: Any) -> Dialect:
    """A plain dialect with some fields changed; those that are no trunk's go to the profile."""
    own = {key: value for key, value in fields.items() if key in Dialect.__struct_fields__}
    others = {key: value for key, value in fields.items() if key not in own}
    profile = replace(PLAIN_DIALECT.profile, **others)
    profile = replace(profile, refer=replace(profile.refer, **(refer or {})))
    return replace(PLAIN_DIALECT, profile=profile, **own)


def rung(method: HandoffMethod) -> tuple[ReceiptBuilder, RungReceipt]:
    """A builder and its first rung."""
    builder = ReceiptBuilder()
    return builder, builder.rung(0, method, "sales")


def steps(builder: ReceiptBuilder) -> list[str]:
    """The steps so far, as words."""
    return [each.step.value for each in builder.receipt().steps]


def last(builder: ReceiptBuilder, step: Step) -> Any:
    """The newest step of a kind."""
    return [each for each in builder.receipt().steps if each.step is step][-1]
