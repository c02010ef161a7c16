"""What the admin API's routes take and answer with, as far as they share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta

from tieline.admin.errors import FieldFault
from tieline.model.record import Record
from tieline.resources.diff import Change
from tieline.resources.handoff_check import HandoffRemark
from tieline.resources.plan import Issued

Fields = Mapping[str, Any]
"""A resource's fields, by the names that a resource file has for them."""

One = TypeVar("One")

Moment = Annotated[datetime, Meta(tz=True)]
"""An ISO 8601 time with its zone."""

Limit = Annotated[int, Meta(ge=1, le=500, description="At most so many.")]
Before = Annotated[Moment | None, Meta(description="Only what is older than this ISO 8601 time.")]


class Shape(Record, forbid_unknown_fields=True):
    """Base of bodies and queries: what they do not know, or cannot read, is a fault of a field (422)."""


class Filter(Record):
    """Base of queries that are not so strict: what they do not know is passed over, what they cannot read is 400."""


class DryRun(Filter):
    """Whether to try only."""

    dry_run: Annotated[bool, Meta(description="`true`: say what would change, and change nothing.")] = False


class Items(Record, Generic[One]):
    """A list."""

    items: Sequence[One]


class Altered(Record):
    """What has changed, what is to be said of handoffs, and secrets that were made: shown here and never again."""

    changes: tuple[Change, ...]
    remarks: tuple[HandoffRemark, ...] = ()
    issued: tuple[Issued, ...] = ()


class Done(Record):
    """What is answered where there is nothing to tell."""

    done: bool = True


class AdminError(Record):
    """The body of every refusal."""

    error_message: Annotated[str, Meta(description="What is wrong, in words.")]
    code: Annotated[str, Meta(description="The same for programs.")]
    faults: Annotated[
        tuple[FieldFault, ...], Meta(description="What is wrong with each field, where that is known.")
    ]
