"""What becomes of a destination's custom headers, by one method and on one trunk, as far as it is known beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tieline.handoff.headers import (
    MAX_HEADERS,
    limit_fault,
    name_fault,
    size_of,
    value_fault,
    variables_of,
)
from tieline.handoff.plan import limits_of
from tieline.handoff.target import UUI_HEADER
from tieline.model.handoff import HandoffMethod, SipHeader
from tieline.model.profile import Dialect

CALL_VARIABLES = frozenset({"caller_number", "callee_number", "conversation_id", "shared_id"})
"""Variables that come from the call; all others only the agent's state can give."""

STANDARD = frozenset({"reason", UUI_HEADER.casefold()})
"""Names that need no prefix: what they mean is known."""


def lacks_prefix(name: str, prefix: str | None) -> bool:
    """Whether a name may get lost on the way, for it neither begins as custom names should nor has a known meaning."""
    folded = name.casefold()
    return bool(prefix) and folded not in STANDARD and not folded.startswith((prefix or "").casefold())


Said = tuple[str, str, str]
"""A level's word, what is to be said, and what to do about it."""


class HeaderCheck:
    """The headers of one destination as `method` would send them to a peer of this dialect."""

    def __init__(self, method: HandoffMethod, headers: Sequence[SipHeader], dialect: Dialect) -> None:
        self._method = method
        self._headers = headers
        self._profile = dialect.profile
        self._limits = limits_of(dialect)

    def findings(self) -> Iterator[Said]:
        """Everything there is to say."""
        yield from self._way()
        yield from self._budget()
        seen: set[str] = set()
        for header in self._headers:
            if header.key.casefold() in seen:
                yield "warning", f"{header.key} is there twice, and peers read one of them", "remove one"
            seen.add(header.key.casefold())
            yield from self._header(header.key, header.value)

    def _way(self) -> Iterator[Said]:
        """What becomes of them all, by the way they go."""
        rules, name = self._profile.refer, self._profile.name
        if self._method is HandoffMethod.BYE and self._headers and not self._profile.bye_headers:
            yield "warning", f"{name} does not read the headers of a BYE", "hand them over by Get Handoff"
        if self._method is not HandoffMethod.REFER:
            return
        named = any(header.key.casefold() == UUI_HEADER.casefold() for header in self._headers)
        if rules.uui is not None and not named:
            yield (
                "info",
                f"{name} reads {UUI_HEADER} in Refer-To",
                f"add the header {UUI_HEADER} to send data along",
            )
        if rules.uui is not None and rules.uui_length is not None:
            yield from self._uui_length(rules.uui_length)
        others = len(self._headers) - (named and rules.uui is not None)
        if others and not rules.custom_headers:
            if rules.uri_headers:
                yield "info", f"the headers go inside Refer-To, where {name} reads them", "nothing to do"
            else:
                yield "warning", f"{name} drops the headers of a REFER", "use Get Handoff, or another method"

    def _uui_length(self, limit: int) -> Iterator[Said]:
        for header in self._headers:
            if header.key.casefold() == UUI_HEADER.casefold() and len(header.value) > limit:
                message = f"{header.key} is longer than the {limit} characters that are known to arrive"
                yield "warning", message, "shorten it, or hand over by Get Handoff"

    def _budget(self) -> Iterator[Said]:
        budget = MAX_HEADERS if self._limits.count is None else min(self._limits.count, MAX_HEADERS)
        counted = [header for header in self._headers if header.key.casefold() != "reason"]
        if len(counted) > budget:
            lost = ", ".join(header.key for header in counted[budget:])
            message = f"{len(counted)} headers are more than the {budget} that get through; left out: {lost}"
            yield "error", message, f"remove {len(counted) - budget}, or put the most important ones first"
        total = sum(size_of(header.key, header.value) for header in counted)
        if self._limits.total_length is not None and total > self._limits.total_length:
            message = f"the headers take {total} bytes, and {self._limits.total_length} get through"
            yield "error", message, "shorten or remove some; the last ones are left out"

    def _header(self, name: str, value: str) -> Iterator[Said]:
        fault = name_fault(name) or value_fault(value) or limit_fault(value, self._limits)
        if fault is not None:
            yield "error", f"{name!r} is not sent: {fault}", "change the header"
            return
        if any(name.casefold().startswith(own) for own in self._limits.reserved):
            yield "error", f"{self._profile.name} keeps names like {name} for itself", "name it otherwise"
            return
        prefix = self._limits.prefix
        if lacks_prefix(name, prefix):
            yield (
                "warning",
                f"{name} does not begin with {prefix}, and may get lost on the way",
                f"name it {prefix}{name}",
            )
        unsure = [each for each in variables_of(value) if each not in CALL_VARIABLES]
        if unsure:
            message = f"{name} is left out when the state has no {' or no '.join(unsure)}"
            yield "info", message, "set it in conv.state before the handoff"
