"""Contact centres, SBCs and telephones in a box: scripted SIP peers, polite and rude, for tests.

`Manners` say how a peer behaves, as data; `BEHAVIOURS` are manners with names, `CENTRES` whole contact centres.
A `Centre` is the peer without I/O; `MemoryCentre` puts it beside a `MemoryServer` in virtual time, `SocketCentre`
on real sockets.
"""

from tieline.testing.contact_center.behaviours import BEHAVIOURS, Behaviour, behaving, find_behaviour
from tieline.testing.contact_center.exchanges import PeerState
from tieline.testing.contact_center.memory import MemoryCentre
from tieline.testing.contact_center.peer import Centre
from tieline.testing.contact_center.peer_call import PeerCall
from tieline.testing.contact_center.steps import (
    Answer,
    Cancel,
    Challenge,
    HangUp,
    Manners,
    Notify,
    Press,
    Reinvite,
    Rule,
    Send,
    Sound,
    Update,
)
from tieline.testing.contact_center.timeline import Entry, Timeline

__all__ = [
    "BEHAVIOURS",
    "Answer",
    "Behaviour",
    "Cancel",
    "Centre",
    "Challenge",
    "Entry",
    "HangUp",
    "Manners",
    "MemoryCentre",
    "Notify",
    "PeerCall",
    "PeerState",
    "Press",
    "Reinvite",
    "Rule",
    "Send",
    "Sound",
    "Timeline",
    "Update",
    "behaving",
    "find_behaviour",
]
