"""Phone numbers in one canonical form, whatever way they were written, dialled or signalled.

Canonical means E.164 (`+` and 5 to 15 digits) where the text allows it, and bare digits (an extension, a short
number, the tail of a number that a trunk cut off) where it does not. Numbers are never judged "valid": test and
fictional ranges, and those newer than the metadata, must work too.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from types import ModuleType
from urllib.parse import unquote

from tieline.errors import InvalidInput

MAX_TEXT = 256
"""Longer texts are not numbers and are not looked at."""

MAX_RANGE = 200_000
"""The most numbers one range may stand for."""

_LEAST_INTERNATIONAL = 8
"""Fewest digits after `00` for it to be the international prefix and not part of an extension."""

_CACHED = 16_384
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_DIGITS = re.compile(r"[0-9]{1,20}")
_SEPARATORS = re.compile(r"[\s().\-/\u2010-\u2015\u00a0\u200b-\u200e]+")
_RANGE = re.compile(r"(\+[^+]*[0-9][^+]*?)\s*-\s*(\+[^+]*)")
_SCHEMES = frozenset({"sip", "sips", "tel"})
_ANONYMOUS = frozenset(
    {"", "anonymous", "unavailable", "restricted", "private", "unknown", "withheld", "blocked", "asserted"}
)
_WANTED = frozenset({"anonymous", "restricted", "private", "withheld", "blocked"})
_ANONYMOUS_HOST = "anonymous.invalid"


@cache
def _metadata() -> ModuleType:
    """The numbering plans, loaded when the first national number asks for them (it takes tens of ms)."""
    import phonenumbers

    return phonenumbers


@lru_cache(maxsize=_CACHED)
def canonical(raw: str, default_region: str | None = None) -> str | None:
    """Bring a written number into canonical form; None when it is not a number.

    `default_region` (ISO 3166 alpha-2) completes national numbers. `0044...` is read as `+44...`; eleven digits
    or more without `+` are read as international; what cannot be completed stays bare digits.
    """
    if _E164.fullmatch(raw):
        return raw
    if len(raw) > MAX_TEXT:
        return None
    text = raw if raw.isascii() else _to_ascii_digits(raw)
    text = _SEPARATORS.sub("", text.replace("(0)", ""))
    if text.startswith("00") and len(text) >= 2 + _LEAST_INTERNATIONAL:
        text = "+" + text[2:]
    if text.startswith("+"):
        return text if _E164.fullmatch(text) else None
    if not _DIGITS.fullmatch(text):
        return None
    return _complete(text, default_region) or text


def _complete(digits: str, region: str | None) -> str | None:
    """Bare digits as E.164: by the region's numbering plan, else as an international number without its `+`."""
    plan = _metadata()
    attempts: list[tuple[str, str | None]] = [] if region is None else [(digits, region.upper())]
    if len(digits) >= 11 and not digits.startswith("0"):
        attempts.append(("+" + digits, None))
    for text, home in attempts:
        try:
            parsed = plan.parse(text, home)
        except plan.NumberParseException:
            continue
        if plan.is_possible_number_with_reason(parsed) == plan.ValidationResult.IS_POSSIBLE:
            return str(plan.format_number(parsed, plan.PhoneNumberFormat.E164))
    return None


def _to_ascii_digits(text: str) -> str:
    """Full-width and other scripts' digits as ASCII; everything else as it is."""
    decimals = (unicodedata.decimal(char, None) for char in text)
    folded = (char if value is None else str(value) for char, value in zip(text, decimals, strict=True))
    return "".join(folded).replace("\uff0b", "+")


@lru_cache(maxsize=_CACHED)
def dialled(text: str, default_region: str | None = None) -> str | None:
    """The number in a SIP or tel URI (RFC 3261 section 19.1, RFC 3966), a name-addr or plain text.

    Parameters, a password, escapes and visual separators are seen through; a tel URI's `phone-context` that is a
    prefix completes a local number. None when the user part is not a number.
    """
    user, _, context = _split_address(text)
    if user is None:
        return None
    if context is not None and not user.startswith("+"):
        return canonical(context + user, default_region)
    return canonical(user, default_region)


@lru_cache(maxsize=_CACHED)
def caller(text: str, default_region: str | None = None) -> str | None:
    """The caller's number in a From or P-Asserted-Identity value; None when it is withheld or unreadable.

    The forms of RFC 3323 (`anonymous@anonymous.invalid`) and the words that networks use instead all give None.
    """
    user, host, _ = _split_address(text)
    if user is None or host == _ANONYMOUS_HOST or user.lower() in _ANONYMOUS:
        return None
    return dialled(text, default_region)


def is_anonymous(text: str) -> bool:
    """Whether an address says that its owner wants to be nobody, which is more than having no number."""
    user, host, _ = _split_address(text)
    return host == _ANONYMOUS_HOST or (user or "").lower() in _WANTED


def _split_address(text: str) -> tuple[str | None, str, str | None]:
    """The user part, the host and the prefix in `phone-context` of an address; user None when there is none."""
    if len(text) > MAX_TEXT:
        return None, "", None
    address = text[text.find("<") + 1 :].partition(">")[0].strip()
    scheme, colon, rest = address.partition(":")
    scheme = scheme.strip().lower()
    if not colon or scheme not in _SCHEMES:
        scheme, rest = "", address
    user, at, host = rest.rpartition("@")
    if not at:
        user, host = rest, ""
        if scheme.startswith("sip"):
            return None, rest.partition(";")[0].lower(), None
    user, *parameters = user.split(";")
    context = None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "phone-context" and value.startswith("+"):
            context = value
    user = unquote(user.partition(":")[0]).strip()
    return user, host.partition(";")[0].partition(":")[0].strip().lower(), context


def expand(text: str, default_region: str | None = None) -> tuple[str, ...]:
    """The numbers that one entry of a pool's list stands for: a number, or a range `+15550100000-+15550100099`.

    Raises `InvalidInput` for anything else, for a range that runs backwards or changes its length, and for one of
    more than `MAX_RANGE` numbers.
    """
    ends = _RANGE.fullmatch(text.strip())
    if ends is None:
        number = canonical(text, default_region)
        if number is None:
            raise InvalidInput(f"not a phone number: {text[:64]!r}", number=text[:64])
        return (number,)
    first, last = canonical(ends[1], default_region), canonical(ends[2], default_region)
    if first is None or last is None:
        raise InvalidInput(f"a range needs a phone number at both ends: {text[:64]!r}", number=text[:64])
    if len(first) != len(last) or int(last) < int(first):
        raise InvalidInput(f"the range {first}-{last} does not run upwards in one length", number=text[:64])
    count = int(last) - int(first) + 1
    if count > MAX_RANGE:
        raise InvalidInput(f"the range {first}-{last} has {count} numbers; {MAX_RANGE} are the limit")
    return tuple(f"+{value}" for value in range(int(first), int(last) + 1))
