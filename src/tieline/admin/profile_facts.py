"""Trunk profiles in words: what one should know, and what each forbids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tieline.integrations.profiles import PROFILES
from tieline.model.handoff import HandoffMethod
from tieline.model.profile import Profile
from tieline.model.record import Record
from tieline.model.trunk import Support


class ProfileFacts(Record):
    """One profile, to be shown and chosen: its dialect as names and values, what it forbids, and notes."""

    name: str
    title: str
    about: str
    dialect: Mapping[str, str]
    forbids: tuple[str, ...]
    notes: tuple[str, ...]


def profile_facts() -> Sequence[ProfileFacts]:
    """All profiles, by name."""
    return [facts_of(one) for one in PROFILES.values()]


def facts_of(profile: Profile) -> ProfileFacts:
    """One profile in words."""
    return ProfileFacts(
        name=profile.name,
        title=profile.title,
        about=" ".join(profile.about.split()),
        dialect=dict(_dialect(profile)),
        forbids=tuple(_forbids(profile)),
        notes=profile.notes,
    )


def _dialect(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "Transport", profile.transport.upper()
    yield "SRTP", profile.encryption.value
    yield "Codecs", ", ".join(profile.codecs)
    yield "Keypad", profile.dtmf.upper()
    yield "Session timer", _support(profile.session_timer, f"every {profile.session_expires_s} s")
    yield "100rel", _support(profile.reliable_provisional)
    yield "Token header", profile.token_header
    yield "Shared id from", ", ".join(profile.shared_id) or "the reservation alone"
    yield "Caller from", ", ".join((*profile.caller_number, "From"))
    if profile.context:
        yield "Also read", ", ".join(f"{one.key} from {one.header}" for one in profile.context)
    for method in HandoffMethod:
        rungs = profile.ladder.get(method, ())
        if rungs:
            yield (
                f"When {method.upper()} fails",
                ", then ".join((rung.method or method).upper() for rung in rungs),
            )


def _support(support: Support, more: str = "") -> str:
    return support.value if support is Support.OFF or not more else f"{support.value}, {more}"


def _forbids(profile: Profile) -> Iterator[str]:
    refer, limits = profile.refer, profile.headers
    if not refer.supported:
        yield "REFER is refused: hand over by INVITE or BYE"
    else:
        if not refer.uri_headers:
            yield "headers inside Refer-To are dropped"
        if not refer.custom_headers:
            yield "custom headers of a REFER are dropped"
        if not refer.tel:
            yield "tel: URIs in Refer-To are refused"
        if not refer.sends_notify:
            yield "nothing is told about how a REFER went on"
        if refer.uui_length is not None:
            yield f"User-to-User of more than {refer.uui_length} characters may not arrive"
    if not profile.bye_headers:
        yield "the headers of a BYE are read by nobody"
    if limits.count is not None:
        yield f"at most {limits.count} custom headers get through"
    if limits.value_length is not None:
        yield f"header values of more than {limits.value_length} characters do not get through"
    if limits.total_length is not None:
        yield f"custom headers of more than {limits.total_length} bytes together do not get through"
    if limits.ascii_only:
        yield "header values have to be plain ASCII"
    if limits.prefix:
        yield f"names of custom headers should begin with {limits.prefix}"
    if limits.reserved:
        yield f"header names that begin with {', '.join(limits.reserved)} are the peer's own"
