"""Resources as a file that `tieline apply` reads back to the same resources.

Keys and tokens are written as hashes; secrets of projects and trunks as references to environment variables.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tieline.model.handoff import Destination, Rung
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEndpoint
from tieline.resources.diff import to_ranges
from tieline.resources.kinds import KINDS, identity_field


def export_resources(resources: Resources) -> str:
    """The YAML text. Secrets are references to environment variables, which a comment on top lists."""
    slugs = _slugs(resources)
    document: dict[str, Any] = {}
    for kind in KINDS:
        found = [dict(_fields(one, slugs)) for one in getattr(resources, kind)]
        if found:
            document[kind] = found
    wanted = "".join(f"#   {name}\n" for name in sorted(set(_variables(document))))
    return (f"{WANTED}{wanted}\n" if wanted else "") + write_document(document)


WANTED = """\
# No secret is in this file. Where it is applied, these environment variables have to hold them:
"""


def _variables(value: Any) -> Iterator[str]:
    """The environment variables that a document refers to."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "value_from_env":
                yield str(one)
            else:
                yield from _variables(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _variables(one)


def resource_fields(
    resources: Resources, kind: str, name: str, *, clear: bool = True
) -> dict[str, Any] | None:
    """The fields of one resource as a file has them; None when there is none of that name.

    Its secrets are in clear, or without `clear` references to environment variables.
    For changing some of them and applying the rest as it was; what has its default is left out.
    """
    for one in getattr(resources, kind):
        if getattr(one, identity_field(kind)) == name:
            fields = dict(_fields(one, _slugs(resources)))
            if clear:
                fields |= {field: getattr(one, field) for field in _secret_fields(one) if field in fields}
                if fields.get("secrets"):
                    fields["secrets"] = dict(one.secrets)
            return fields
    return None


def destination_fields(destination: Destination) -> dict[str, Any]:
    """A destination's fields as a file has them; what has its default is left out."""
    return _without_defaults(destination)


def write_document(document: dict[str, Any]) -> str:
    """A resource file from its sections."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _slugs(resources: Resources) -> dict[str, str]:
    slugs = {account.id: account.slug for account in resources.accounts}
    return slugs | {project.id: project.slug for project in resources.projects}


def _fields(record: Any, slugs: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for info in msgspec.structs.fields(record):
        value = getattr(record, info.name)
        if value == info.default:
            continue
        if info.name in {"account", "project"}:
            value = slugs.get(value, value)
        elif info.name == "numbers" and not isinstance(record, TwilioConnection):
            value = [DoubleQuotedScalarString(number) for number in to_ranges(value)]
        elif info.name == "secrets":
            value = {key: {"value_from_env": key} for key in value}
        elif info.name in _secret_fields(record):
            value = {"value_from_env": variable_of(record, info.name)}
        elif info.name == "scopes":
            value = sorted(str(scope) for scope in value)
        elif info.name == "handoffs":
            value = [_without_defaults(one) for one in value]
        elif info.name == "numbers":
            value = [
                {
                    **_without_defaults(one),
                    **({"project": slugs.get(one.project, one.project)} if one.project else {}),
                }
                for one in value
            ]
        yield info.name, _plain(value)


_VARIABLES: dict[type, str] = {Trunk: "TRUNK", WebhookEndpoint: "WEBHOOK", TwilioConnection: "TWILIO"}


def _secret_fields(record: Any) -> tuple[str, ...]:
    """The fields of a resource that hold a secret by themselves; a project's are in its mapping."""
    return record.hidden if type(record) in _VARIABLES else ()


def variable_of(record: Any, field: str) -> str:
    """The environment variable that an export refers to for a resource's secret."""
    return re.sub(r"[^A-Z0-9]", "_", f"{_VARIABLES[type(record)]}_{record.name}_{field}".upper())


def _rung(rung: Rung) -> Any:
    """One step of a ladder, the short way where it names a method alone."""
    if rung.destination is None and rung.method is not None:
        return str(rung.method)
    return {key: _plain(value) for key, value in msgspec.structs.asdict(rung).items() if value is not None}


def _without_defaults(record: msgspec.Struct) -> dict[str, Any]:
    """A nested record with only what differs from its defaults, and its method always."""
    found: dict[str, Any] = {}
    for info in msgspec.structs.fields(record):
        value = getattr(record, info.name)
        if info.name == "fallback" and value is not None:
            found[info.name] = [_rung(one) for one in value]
        elif isinstance(value, msgspec.Struct):
            found[info.name] = _without_defaults(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            found[info.name] = [_without_defaults(one) for one in value]
        elif value != info.default or info.name == "method":
            found[info.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """Only what YAML has by itself."""
    if isinstance(value, msgspec.Struct):
        return _without_defaults(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, DoubleQuotedScalarString):
        return value
    if isinstance(value, str):
        text = str(value)
        return DoubleQuotedScalarString(text) if text[:1] in "+0123456789" else text
    return msgspec.to_builtins(value)
