"""Dialogs as texts that outlive the process, and the BYEs that end them when the next one starts."""

from __future__ import annotations

import json

import msgspec

from tieline.errors import TielineError
from tieline.net.sip_endpoint import SipEndpoint
from tieline.observe.logging import get_logger
from tieline.sip.resume import DialogRecord

RESTARTED = 'Q.850;cause=41;text="The server restarted"'
"""The Reason of a BYE to a call that an earlier process had up (RFC 3326)."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def write_dialog(dialog: DialogRecord) -> str:
    """The dialog as text. ASCII, whatever bytes a peer put into its tags."""
    return _ENCODER.encode(msgspec.to_builtins(dialog))


def read_dialog(text: str) -> DialogRecord:
    """The opposite of `write_dialog`. Raises `ValueError`."""
    return msgspec.convert(json.loads(text), DialogRecord)


def end_dialog(endpoint: SipEndpoint, text: str) -> bool:
    """Say BYE in a dialog of an earlier process; False, with a line in the log, when that cannot be done."""
    try:
        leg_id = endpoint.stack.resume(read_dialog(text))
        endpoint.act(lambda stack, now: stack.bye(leg_id, now, reason=RESTARTED))
    except (ValueError, TielineError) as error:
        get_logger("sip").warning("a call of the previous run could not be ended", detail=str(error))
        return False
    return True
