"""A trunk profile: the dialect of one make of contact centre or carrier, as data."""

from __future__ import annotations

from enum import StrEnum

from tieline.model.handoff import HandoffMethod, Rung
from tieline.model.record import Record
from tieline.model.trunk import Encryption, FirstBye, Support, Transport

DEFAULT_TOKEN_HEADER = "X-PolyAi-Auth-Token"
"""The header that carries a SIP token, where neither trunk nor profile say otherwise."""


class UuiEncoding(StrEnum):
    """How User-to-User data is written (RFC 7433 and its predecessors)."""

    HEX = "hex"
    ASCII = "ascii"


class DtmfMethod(StrEnum):
    """How a peer sends keypad digits."""

    RFC4733 = "rfc4733"
    INFO = "info"


class ReferDialect(Record):
    """What becomes of a REFER. `uri_headers` says whether headers inside Refer-To arrive, `tel` whether tel: URIs do.

    `uui` is the encoding in which User-to-User is put into Refer-To, None where it is not wanted; `uui_length` the
    longest text that is known to arrive in it, in characters.
    """

    supported: bool = True
    uri_headers: bool = True
    custom_headers: bool = True
    tel: bool = True
    referred_by: bool = True
    uui: UuiEncoding | None = None
    uui_length: int | None = None
    sends_notify: bool = True


class HeaderLimits(Record):
    """What custom headers get through: how many, how long, which characters, which names. None: no limit known.

    `reserved` are beginnings of names that the peer keeps for itself, in lower case.
    """

    count: int | None = None
    value_length: int | None = None
    total_length: int | None = None
    ascii_only: bool = True
    prefix: str | None = "X-"
    reserved: tuple[str, ...] = ()


class ContextSource(Record):
    """One thing the profile reads out of an INVITE: `key` of the context, from `header`."""

    key: str
    header: str


class Profile(Record):
    """One dialect. `shared_id`, `caller_number` and `context` name the headers they are filled from, best first.

    `places_calls` says that the peer itself calls numbers and SIP URIs for handoffs, INVITEs without a trunk of their
    own included. `bye_headers` says whether the headers of our BYE are read; `notes` what else one should know, and
    what of all this is not confirmed.
    """

    name: str
    title: str
    about: str
    token_header: str = DEFAULT_TOKEN_HEADER
    shared_id: tuple[str, ...] = ()
    caller_number: tuple[str, ...] = ()
    context: tuple[ContextSource, ...] = ()
    refer: ReferDialect = ReferDialect()
    headers: HeaderLimits = HeaderLimits()
    bye_headers: bool = True
    places_calls: bool = False
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    dtmf: DtmfMethod = DtmfMethod.RFC4733
    transport: Transport = Transport.UDP
    encryption: Encryption = Encryption.OFFERED
    session_timer: Support = Support.SUPPORTED
    session_expires_s: int = 1800
    reliable_provisional: Support = Support.SUPPORTED
    first_bye: FirstBye = FirstBye.US
    bye_wait_s: float = 5.0
    notify_timeout_s: float = 32.0
    alive_s: float = 60.0
    ladder: dict[HandoffMethod, tuple[Rung, ...]] = {}
    notes: tuple[str, ...] = ()


class Dialect(Record):
    """What holds on one trunk: its profile with the trunk's own settings laid over it.

    `shared_id` names the headers that are looked at for it, best first.
    """

    profile: Profile
    token_header: str = DEFAULT_TOKEN_HEADER
    shared_id: tuple[str, ...] = ()
    refer_domain: str | None
    transport: Transport
    encryption: Encryption
    session_timer: Support
    session_expires_s: int
    reliable_provisional: Support
    first_bye: FirstBye
    bye_wait_s: float
    notify_timeout_s: float
    alive_s: float
    max_headers: int | None
