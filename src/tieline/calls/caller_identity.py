"""Who is calling: read from an INVITE, and shown on a second leg (RFC 3323, RFC 3325).

A caller who withholds the number stays anonymous to whoever is called next, also where a trunk that is trusted has told
us the number. Only another trusted trunk (`assert_identity`) learns it, marked as private.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote

from tieline.model import number as numbers
from tieline.model.trunk import AssertIdentity, CallerSource, Trunk
from tieline.sip.message import Request

Header = tuple[str, str]

ANONYMOUS = "<sip:anonymous@anonymous.invalid>"
"""The From of a call whose caller withholds the number (RFC 3323 section 4.1.1.3)."""

_SOURCES = {CallerSource.PAI: "P-Asserted-Identity", CallerSource.RPID: "Remote-Party-ID"}
_PRIVATE = frozenset({"id", "user", "header"})
_PRIVACY = "Privacy"


class ShownCaller(NamedTuple):
    """What a second leg says of the caller: the value of From, without a tag, and further headers."""

    from_: str
    headers: tuple[Header, ...] = ()


def asserted_caller(request: Request, trunk: Trunk) -> tuple[str, str] | None:
    """The caller's number in the header that the trunk is trusted to fill, with the header's name; None without one."""
    header = _SOURCES.get(trunk.caller_from)
    for value in request.headers.getall(header) if header is not None else ():
        # One may be a SIP URI and the other a tel URI of the same caller.
        for part in value.split(","):
            found = numbers.caller(part, trunk.default_region)
            if found is not None and header is not None:
                return found, header
    return None


def is_withheld(request: Request, trunk: Trunk) -> bool:
    """Whether the caller wants nobody to be shown the number: by Privacy, an anonymous From, or Remote-Party-ID."""
    asked = request.headers.joined(_PRIVACY) or ""
    if not _PRIVATE.isdisjoint(asked.replace(",", ";").replace(" ", "").lower().split(";")):
        return True
    party = (request.headers.get("Remote-Party-ID") or "").replace(" ", "").replace('"', "").lower()
    if trunk.caller_from is CallerSource.RPID and (";privacy=full" in party or ";privacy=uri" in party):
        return True
    return numbers.is_anonymous(request.headers.get("From") or "")


def shown_caller(
    caller: str | None,
    instead: str | None,
    trunk: Trunk,
    host: str,
    *,
    withheld: bool,
    given: Collection[str] = (),
) -> ShownCaller:
    """What a second leg over `trunk` says of the caller: `instead` where that is to be shown, else the caller's number.

    `host` is our own address. Headers whose names, in lower case, are among `given` are left to whoever gave them.
    """
    number = instead or caller
    if not number:
        return ShownCaller(ANONYMOUS)
    hidden = withheld and not instead
    address = _address(number, host)
    headers: list[Header] = []
    if trunk.assert_identity is AssertIdentity.PAI:
        headers.append(("P-Asserted-Identity", address))
        if hidden:
            headers.append((_PRIVACY, "id"))
    elif trunk.assert_identity is AssertIdentity.RPID:
        privacy = "full" if hidden else "off"
        headers.append(("Remote-Party-ID", f"{address};party=calling;screen=yes;privacy={privacy}"))
    kept = tuple([header for header in headers if header[0].lower() not in given])
    return ShownCaller(ANONYMOUS if hidden else address, kept)


def _address(number: str, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"<sip:{quote(number, safe='+*-_.!~()&=$,')}@{shown}>"
