"""What a call brought with it besides numbers: the values of `conv.context` that come from the INVITE.

Headers that the trunk's profile knows come first, then the parts of User-to-User, then every other X- header, then
whom the call was diverted from. Those of a reservation are not repeated here: they are `conv.integration_attributes`,
and come before all of these.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tieline.calls.peer_text import readable
from tieline.calls.routing import FORWARDING_HEADERS
from tieline.integrations.profiles import dialect_of
from tieline.model import number as numbers
from tieline.model.context import ContextOrigin, ContextValue
from tieline.model.profile import Profile
from tieline.model.record import Record
from tieline.model.trunk import RuleResult, Trunk
from tieline.model.uui import UUI_HEADERS, UuiFault, decode_uui, pairs_of
from tieline.sip.message import Request

MAX_VALUES = 128
"""Values of one INVITE; what is beyond is left out, and said so."""

UUI_KEY = "uui"
"""The key of User-to-User as a whole; its parts have their own names."""


class InviteContext(Record):
    """What was found: the values, best first, the shared id, and what could not be read."""

    values: tuple[ContextValue, ...] = ()
    shared_id: str | None = None
    remarks: tuple[RuleResult, ...] = ()


def read_context(request: Request, trunk: Trunk, caller: str | None, hidden: frozenset[str]) -> InviteContext:
    """The context of an INVITE. `caller` is the number that routing found; `hidden` names headers never to be shown."""
    dialect = dialect_of(trunk)
    shared_id, remarks = None, []
    values: list[ContextValue] = []
    for header in dialect.shared_id:
        value = request.headers.get(header)
        if value and value.strip() and header.casefold() not in hidden:
            shared_id = readable(value.strip())
            known = header in dialect.profile.shared_id
            values.append(_of_header("shared_id", shared_id, header, dialect.profile if known else None))
            break
    values += _of_profile(request, dialect.profile, caller, hidden)
    for name in UUI_HEADERS:
        for text in request.headers.getall(name) if name.casefold() not in hidden else ():
            found = list(_of_uui(name, readable(text)))
            values += [one for one in found if isinstance(one, ContextValue)]
            remarks += [_remark(f"{name}: {one.detail}") for one in found if isinstance(one, UuiFault)]
    values += _of_x_headers(request, hidden)
    values += _of_diversion(request, trunk, hidden)
    if len(values) > MAX_VALUES:
        remarks.append(
            _remark(f"{len(values) - MAX_VALUES} values are more than the {MAX_VALUES} that are kept")
        )
    return InviteContext(values=tuple(values[:MAX_VALUES]), shared_id=shared_id, remarks=tuple(remarks))


def _of_header(key: str, value: object, header: str, profile: Profile | None) -> ContextValue:
    origin = ContextOrigin.HEADER if profile is None else ContextOrigin.PROFILE
    return ContextValue(
        key=key, value=value, origin=origin, name=header, profile=None if profile is None else profile.name
    )


def _of_profile(
    request: Request, profile: Profile, caller: str | None, hidden: frozenset[str]
) -> Iterator[ContextValue]:
    for header in profile.caller_number:
        if caller is not None and request.headers.get(header):
            yield _of_header("caller_number", caller, header, profile)
            break
    for source in profile.context:
        value = request.headers.get(source.header)
        if value and source.header.casefold() not in hidden:
            yield _of_header(source.key, readable(value), source.header, profile)


def _of_uui(name: str, text: str) -> Iterator[ContextValue | UuiFault]:
    """What one header line holds: several fields where each says its encoding, and the parts of each."""
    fields = text.split(",") if text.lower().count("encoding=") > 1 else [text]
    for field in fields:
        read = decode_uui(field)
        if isinstance(read, UuiFault):
            yield read
            continue
        yield ContextValue(key=UUI_KEY, value=read.text, origin=ContextOrigin.UUI, name=name)
        for key, value in _parts_of(read.text).items():
            yield ContextValue(key=key, value=value, origin=ContextOrigin.UUI, name=name)


def _parts_of(text: str) -> dict[str, object]:
    """The parts of User-to-User text that is a JSON object or a list of `name=value`."""
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, object])
        except (msgspec.DecodeError, RecursionError):
            return {}
    return dict(pairs_of(text))


def _of_x_headers(request: Request, hidden: frozenset[str]) -> Iterator[ContextValue]:
    seen = {name.casefold() for name in UUI_HEADERS} | hidden
    for name, value in request.headers.items():
        folded = name.casefold()
        if folded.startswith("x-") and len(folded) > 2 and folded not in seen:
            key = folded.removeprefix("x-").replace("-", "_")
            yield ContextValue(key=key, value=readable(value), origin=ContextOrigin.HEADER, name=name)


def _of_diversion(request: Request, trunk: Trunk, hidden: frozenset[str]) -> Iterator[ContextValue]:
    """Whom the call was dialled to first (RFC 5806, RFC 7044): the headers, and the last number to divert."""
    for name in FORWARDING_HEADERS:
        value = request.headers.joined(name)
        if not value or name.casefold() in hidden:
            continue
        yield _of_header(name.lower().replace("-", "_"), readable(value), name, None)
        number = numbers.dialled(value, trunk.default_region) if name == "Diversion" else None
        if number is not None:
            yield _of_header("diverted_from", number, name, None)


def _remark(detail: str) -> RuleResult:
    return RuleResult(rule="context", held=False, detail=detail)
