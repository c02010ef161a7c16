"""The reference page of the trunk profiles, from their data."""

from __future__ import annotations

from collections.abc import Iterator

from tieline.integrations.profiles import PROFILES
from tieline.model.profile import Profile
from tools.gen_docs import page
from tools.pages_operation import table

INTRO = """\
A profile is the dialect of one make of contact centre or carrier: what its headers are called, what it makes of a
transfer, how much gets through. A trunk names one (`profile: genesys`), and whatever the trunk says itself wins over
it. The shared id, the caller's real number and the [context](conv.md#context) of a call are filled by it, and
`tieline handoff check` goes by it.

Profiles are data, in `src/tieline/integrations/profiles/`, one TOML file each. They hold what public documentation
says and what is known from practice; a note says what could not be confirmed. Put one right by changing its file, or
on one trunk by the trunk's own settings. `tieline profile list` and `tieline profile show NAME` print them."""


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def _number(value: int | None, unit: str = "") -> str:
    return "no limit known" if value is None else f"{value}{unit}"


def _rows(one: Profile) -> Iterator[tuple[str, str]]:
    refer, limits = one.refer, one.headers
    yield "token header", f"`{one.token_header}`"
    yield "shared id", _names(one.shared_id)
    yield "caller's real number", _names(one.caller_number)
    yield "context", ", ".join(f"`{source.key}` from `{source.header}`" for source in one.context) or "-"
    yield "carries out REFER", _yes(refer.supported)
    if refer.supported:
        yield "custom headers on REFER", _yes(refer.custom_headers)
        yield "headers inside Refer-To", _yes(refer.uri_headers)
        yield "`tel:` in Refer-To", _yes(refer.tel)
        yield "tells how it went (NOTIFY)", _yes(refer.sends_notify)
    if refer.uui is not None:
        longest = "" if refer.uui_length is None else f", at most {refer.uui_length} characters"
        yield "User-to-User", f"{refer.uui}{longest}"
    yield "makes the calls of handoffs itself", _yes(one.places_calls)
    yield "reads the headers of our BYE", _yes(one.bye_headers)
    yield "custom headers, at most", _number(limits.count)
    yield "longest header value", _number(limits.value_length, " characters")
    yield "all headers together", _number(limits.total_length, " characters")
    yield "only ASCII", _yes(limits.ascii_only)
    yield "names begin with", f"`{limits.prefix}`" if limits.prefix else "-"
    if limits.reserved:
        yield "names that are its own", _names(tuple(f"{start}*" for start in limits.reserved))
    yield "codecs, keypad", f"{', '.join(one.codecs)}; {one.dtmf}"
    yield "transport, SRTP", f"{one.transport}, {one.encryption}"
    yield (
        "session timer, 100rel",
        f"{one.session_timer} ({one.session_expires_s} s), {one.reliable_provisional}",
    )
    yield "after a REFER that succeeded", f"BYE from {one.first_bye}, waited for {one.bye_wait_s:g} s"
    yield "NOTIFY waited for, alive after", f"{one.notify_timeout_s:g} s, {one.alive_s:g} s"
    for method, rungs in sorted(one.ladder.items()):
        yield f"after `{method}` failed", ", then ".join(f"`{rung.method}`" for rung in rungs)


@page("reference/profiles.md")
def profiles_page() -> str:
    """Every profile with everything it says."""
    parts = ["# Trunk profiles", INTRO]
    for one in PROFILES.values():
        parts += [
            f"## {one.name}",
            f"**{one.title}.** {' '.join(one.about.split())}",
            table(("what", "how"), _rows(one)),
        ]
        parts.append("\n".join(f"- {note}" for note in one.notes))
    return "\n\n".join(parts)
