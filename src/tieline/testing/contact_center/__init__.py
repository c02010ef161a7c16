"""Contact centres, SBCs and telephones in a box: scripted SIP peers, polite and rude, for tests.

`Manners` say how a peer behaves, as data; `BEHAVIOURS` are manners with names, `CENTRES` whole contact centres.
A `Centre` is the peer without I/O; `MemoryCentre` puts it beside a `MemoryServer` in virtual time, `SocketCentre`
on real sockets.
"""

from tieline.testing.contact_center.behaviours import BEHAVIOURS, Behaviour, behaving, find_behaviour
from tieline.testing.contact_center.centres import CENTRES, ReadyCentre, find_centre
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
    Need,
    Notify,
    Press,
    Reinvite,
    Rule,
    Send,
    Sound,
    Update,
)
from tieline.testing.contact_center.timeline import Entry, Timeline
from tieline.testing.contact_center.transfer import Transfer

__all__ = [
    "BEHAVIOURS",
    "CENTRES",
    "Answer",
    "Behaviour",
    "Cancel",
    "Centre",
    "Challenge",
    "Entry",
    "HangUp",
    "Manners",
    "MemoryCentre",
    "Need",
    "Notify",
    "PeerCall",
    "PeerState",
    "Press",
    "ReadyCentre",
    "Reinvite",
    "Rule",
    "Send",
    "Sound",
    "Timeline",
    "Transfer",
    "Update",
    "behaving",
    "find_behaviour",
    "find_centre",
]
