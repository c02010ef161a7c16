"""Ready-made contact centres with the names of the trunk profiles: what each sends, takes and loses.

Where a maker's documents say nothing the centre behaves as the profile of that name supposes; its notes say which
facts are not confirmed. All of them can be made rude with `behaving(centre.manners, [...])`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tieline.errors import NotFound
from tieline.testing.contact_center.steps import Answer, Manners, Need, Notify

_NO_REFER = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK")
_CLOSED = "terminated;reason=noresource"


@dataclass(frozen=True, slots=True)
class ReadyCentre:
    """`name` is the profile's; `about` says what is particular."""

    name: str
    title: str
    about: str
    manners: Manners


def _refuses(status: int) -> dict[str, object]:
    return {"refer": (Answer(status),), "allow": _NO_REFER}


_TABLE = (
    ReadyCentre(
        "generic", "Any SIP peer", "sends no header of its own, takes REFER and says how it went", Manners()
    ),
    ReadyCentre(
        "five9",
        "Five9",
        "sends X-Five9-Session-Id, X-CallANI and X-CallCampaign; refuses REFER with 405; loses custom headers after "
        "the tenth",
        Manners(header_limit=10).but(
            headers=(
                ("X-Five9-Session-Id", "{id}"),
                ("X-CallANI", "{caller}"),
                ("X-CallCampaign", "support"),
            ),
            **_refuses(405),
        ),
    ),
    ReadyCentre(
        "genesys",
        "Genesys Cloud",
        "sends x-inin-cnv; takes REFER with User-to-User inside Refer-To",
        Manners(headers=(("x-inin-cnv", "{id}"),)),
    ),
    ReadyCentre(
        "nice_cxone",
        "NICE CXone",
        "sends X-Contact-Id and X-ANI; takes REFER; reads no headers of a BYE",
        Manners(headers=(("X-Contact-Id", "{id}"), ("X-ANI", "{caller}")), reads_bye=False),
    ),
    ReadyCentre(
        "zoom",
        "Zoom Contact Center",
        "sends X-ZOOM-Call-SID and the real caller in X-ZOOM-ORIGINAL-CALLING-NUMBER; sessions of 1800 s",
        Manners(
            headers=(("X-ZOOM-Call-SID", "{id}"), ("X-ZOOM-ORIGINAL-CALLING-NUMBER", "{caller}")),
            session_expires=1800,
        ),
    ),
    ReadyCentre(
        "amazon_connect",
        "Amazon Connect",
        "sends X-Amzn-Contact-Id and User-to-User in hex; refuses REFER with 405; reads no headers of a BYE",
        Manners(reads_bye=False).but(
            headers=(("X-Amzn-Contact-Id", "{id}"), ("User-to-User", "{hex};encoding=hex")), **_refuses(405)
        ),
    ),
    ReadyCentre(
        "twilio",
        "Twilio Elastic SIP Trunking",
        "sends X-Twilio-CallSid; takes REFER to tel: and to the trunk's own domain, and answers others 403; reads no "
        "headers of a BYE",
        Manners(
            headers=(("X-Twilio-CallSid", "CA{id}"), ("X-Twilio-AccountSid", "AC0123456789abcdef")),
            reads_bye=False,
            refer=(
                Need("Refer-To", r"<?tel:|\.pstn\.twilio\.com"),
                Answer(202),
                Notify(100, 0.05),
                Notify(200, 2.0, state=_CLOSED),
            ),
        ),
    ),
    ReadyCentre(
        "agentforce",
        "Salesforce Agentforce Voice",
        "sends User-to-User in hex; refuses REFER with 603; reads no headers of a BYE",
        Manners(reads_bye=False).but(headers=(("User-to-User", "00{hex};encoding=hex"),), **_refuses(603)),
    ),
)

CENTRES: dict[str, ReadyCentre] = {each.name: each for each in _TABLE}
"""By the names of the profiles."""


def find_centre(name: str) -> ReadyCentre:
    """The ready-made centre of that name. Raises `NotFound`."""
    if name not in CENTRES:
        raise NotFound(f"no contact centre {name} (known: {', '.join(CENTRES)})")
    return CENTRES[name]
