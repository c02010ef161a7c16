"""A transfer that Twilio carries out, as text that outlives the process."""

from __future__ import annotations

import msgspec

from tieline.calls.provider import Screening
from tieline.model.record import Record


class KeptTransfer(Record):
    """What is needed to understand what Twilio tells of it later. `sid` is the caller's call; its tries are counted."""

    connection: str
    account_sid: str
    sid: str
    attempt: int
    ring_timeout_s: float
    screening: Screening | None


class _Document(msgspec.Struct):
    twilio_transfer: KeptTransfer


def write_transfer(kept: KeptTransfer) -> str:
    """The transfer as text."""
    return msgspec.json.encode(_Document(kept)).decode()


def read_transfer(text: str) -> KeptTransfer | None:
    """The opposite of `write_transfer`; None for a text of another kind, such as a SIP dialog."""
    try:
        return msgspec.json.decode(text, type=_Document).twilio_transfer
    except msgspec.DecodeError:
        return None
