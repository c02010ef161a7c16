"""One call as a zip file for somebody else: JSON to read, a capture for Wireshark, and a note on what it is."""

from __future__ import annotations

import io
import zipfile

import msgspec

from tieline.admin.call_words import ENDS, FAULTS
from tieline.admin.pcap import capture
from tieline.model.conversation import Conversation

_ABOUT = """\
Call {id}

call.json     everything that is known of the call
ladder.pcap   its SIP messages, both legs, for Wireshark or tshark; the packets around them are made up, and our own
              side is always 192.0.2.1 (2001:db8::1)

{personal}
{end}
"""


def bundle(conversation: Conversation, *, redacted: bool) -> bytes:
    """The zip file. What is not to be seen has to be taken out before; `redacted` says that it was."""
    closed = conversation.closed
    end = ENDS[closed.termination.reason] if closed is not None else None
    about = _ABOUT.format(
        id=conversation.opened.id,
        personal="Personal data were taken out."
        if redacted
        else "This holds personal data: handle it with care.",
        end="" if end is None or closed is None else f"{end.title}. {FAULTS[closed.termination.fault]}",
    )
    document = msgspec.json.format(
        msgspec.json.encode(call_document(conversation, redacted=redacted)), indent=2
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {"call.json": document, "about.txt": about.encode()}
        if closed is not None:
            files["ladder.pcap"] = capture(closed.ladder, conversation.opened.started_at)
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, conversation.opened.started_at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


def call_document(conversation: Conversation, *, redacted: bool) -> dict[str, object]:
    """The call as JSON: its record, with attributes and states as values instead of as text."""
    document = msgspec.to_builtins(conversation)
    opened = document["opened"]
    opened["attributes"] = msgspec.json.decode(opened.pop("attributes_json"))
    for turn in document["turns"]:
        turn["state"] = msgspec.json.decode(turn.pop("state_json"))
    return {"redacted": redacted, **document}
