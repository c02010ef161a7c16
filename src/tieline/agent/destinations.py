"""Handoff destinations: read from `config/handoffs.yaml`, merged with those configured on the server."""

from __future__ import annotations

from typing import Any

import msgspec

from tieline.agent.destination_fields import FieldReader
from tieline.agent.sms import merge_templates
from tieline.agent.spec import Finding, Level, ProjectSpec
from tieline.agent.yaml_file import YamlFile, find_line
from tieline.model.handoff import Destination, SipHeader
from tieline.model.sms import SmsTemplate
from tieline.model.uui import UUI_HEADERS

FIELDS = frozenset({"name", "description", "is_default", "sip_config", "sip_headers", "fallback", "between"})
FORBIDDEN = ("\r", "\n", "\0")


def read_destinations(file: YamlFile, findings: list[Finding]) -> tuple[Destination, ...]:
    """The destinations of a `handoffs.yaml`; mistakes become findings. Without a default the first one is it."""
    return DestinationReader(file.file, findings).read(file)


def merge_destinations(
    base: tuple[Destination, ...], over: tuple[Destination, ...]
) -> tuple[Destination, ...]:
    """`base` with the destinations of `over` in place of those of the same name, and the rest behind.

    A default in `over` takes the place of the one in `base`.
    """
    if any(item.is_default for item in over):
        base = tuple(msgspec.structs.replace(item, is_default=False) for item in base)
    named = {item.name: item for item in over}
    merged = [named.pop(item.name, item) for item in base]
    return with_default((*merged, *named.values()))


def merge_spec(
    spec: ProjectSpec, configured: tuple[Destination, ...], templates: tuple[SmsTemplate, ...] = ()
) -> ProjectSpec:
    """The spec with the destinations and SMS templates configured on the server merged over its own."""
    return msgspec.structs.replace(
        spec,
        destinations=merge_destinations(spec.destinations, configured),
        sms_templates=merge_templates(spec.sms_templates, templates),
    )


def with_default(destinations: tuple[Destination, ...]) -> tuple[Destination, ...]:
    """The destinations with the first one as default when none is marked."""
    if not destinations or any(item.is_default for item in destinations):
        return destinations
    return (msgspec.structs.replace(destinations[0], is_default=True), *destinations[1:])


class DestinationReader:
    """Reads one `handoffs.yaml`."""

    def __init__(self, file: str, findings: list[Finding]) -> None:
        self._file = file
        self._findings = findings

    def read(self, file: YamlFile) -> tuple[Destination, ...]:
        """The destinations that could be read."""
        if not file.exists:
            return ()
        entries = file.data.get("handoffs")
        if entries is None:
            if file.data:
                self._say("the list is expected under the key 'handoffs'.", None)
            return ()
        if not isinstance(entries, list):
            self._say("handoffs must be a list.", file.line("handoffs"))
            return ()
        found: list[Destination] = []
        for index, entry in enumerate(entries):
            line = find_line(entries, index)
            destination = self._read_one(entry, line)
            if destination is None:
                continue
            if any(other.name == destination.name for other in found):
                self._say(f"the name {destination.name!r} is used twice.", line)
                continue
            if destination.is_default and any(other.is_default for other in found):
                self._say(f"{destination.name!r} is a second default; exactly one is possible.", line)
                destination = msgspec.structs.replace(destination, is_default=False)
            found.append(destination)
        self._check_ladders(found, file.line("handoffs"))
        if found and not any(item.is_default for item in found):
            message = f"no destination is the default; the first one, {found[0].name!r}, is taken."
            self._say(message, None, Level.WARNING)
        return with_default(tuple(found))

    def _check_ladders(self, found: list[Destination], line: int | None) -> None:
        """A ladder may name destinations that only the server has; a wrong name looks the same from here."""
        known = {item.name for item in found}
        for item in found:
            for rung in item.fallback or ():
                name = rung.destination
                if name is not None and name not in known and name.lower() != "default":
                    message = f"{item.name}: fallback names {name!r}, which is not in this file."
                    self._say(message, line, Level.WARNING)

    def _say(self, message: str, line: int | None, level: Level = Level.ERROR) -> None:
        self._findings.append(Finding(file=self._file, line=line, level=level, message=message))

    def _read_one(self, entry: Any, line: int | None) -> Destination | None:
        if not isinstance(entry, dict):
            self._say("a destination must be a mapping with a name and a sip_config.", line)
            return None
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            self._say("a destination has no name.", line)
            return None
        for key in entry:
            if key not in FIELDS:
                self._say(
                    f"{name}: {key} is not known and not used.", find_line(entry, key), Level.UNSUPPORTED
                )
        default = entry.get("is_default", False)
        if not isinstance(default, bool):
            self._say(f"{name}: is_default must be true or false.", find_line(entry, "is_default"))
        fields = FieldReader(name, self._say)
        config = fields.config(entry.get("sip_config"), find_line(entry, "sip_config") or line)
        if config is None:
            return None
        between = entry.get("between")
        return Destination(
            name=name,
            description=str(entry.get("description") or ""),
            is_default=default is True,
            sip_config=config,
            sip_headers=self._read_headers(
                name, entry.get("sip_headers"), find_line(entry, "sip_headers") or line
            ),
            fallback=fields.fallback(entry.get("fallback"), find_line(entry, "fallback") or line),
            between=None if between is None else fields.text(between, "between", find_line(entry, "between")),
        )

    def _read_headers(self, name: str, headers: Any, line: int | None) -> tuple[SipHeader, ...]:
        if headers is None:
            return ()
        pairs: list[tuple[Any, Any]] = []
        if isinstance(headers, dict):
            pairs = list(headers.items())
        elif isinstance(headers, list) and all(isinstance(item, dict) for item in headers):
            pairs = [(item.get("key"), item.get("value")) for item in headers]
        else:
            self._say(f"{name}: sip_headers must be a list of key and value.", line)
        found = []
        for key, value in pairs:
            header = self._read_header(name, key, value, line)
            if header is not None:
                found.append(header)
        return tuple(found)

    def _read_header(self, name: str, key: Any, value: Any, line: int | None) -> SipHeader | None:
        if not isinstance(key, str) or not key or value is None or isinstance(value, dict | list):
            self._say(f"{name}: a SIP header needs a key and a value.", line)
            return None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if any(mark in key + text for mark in FORBIDDEN):
            self._say(f"{name}: the SIP header {key!r} holds a line break or NUL.", line)
            return None
        if not key.lower().startswith("x-") and key not in UUI_HEADERS:
            self._say(f"{name}: the SIP header {key} does not start with X-.", line, Level.WARNING)
        return SipHeader(key=key, value=text)
