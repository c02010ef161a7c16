"""Reads settings from `tieline.toml` and the environment. `TIELINE_<SECTION>_<NAME>` wins over the file."""

from __future__ import annotations

import difflib
import ipaddress
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from tieline.config.records import Settings, rtp_capacity
from tieline.config.table import ENV_PREFIX, SECTIONS, SETTINGS, Setting
from tieline.errors import ConfigurationError
from tieline.model.record import Record

DEFAULT_FILE = "tieline.toml"

_BY_KEY = {setting.key: setting for setting in SETTINGS}
_BY_ENV = {setting.env: setting for setting in SETTINGS}
_RESERVED_ENV = frozenset({"TIELINE_CONFIG", "TIELINE_STORE_KEY"})


class _Fault(Record):
    """One thing wrong with the settings, and where."""

    where: str
    message: str
    key: str | None = None
    file: str | None = None
    line: int | None = None


def load_settings(
    file: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Settings from `file` (else `tieline.toml` in `directory`, if there), the environment, then `overrides`.

    `overrides` maps `section.name` to a value, as text or typed. Raises `ConfigurationError` that lists every
    fault with file, line and key; its `faults` field holds them as dicts.
    """
    environ = os.environ if environ is None else environ
    if file is None:
        found = (directory or Path.cwd()) / DEFAULT_FILE
        file = found if found.is_file() else None
    faults: list[_Fault] = []
    values: dict[str, tuple[Any, _Fault]] = {}
    if file is not None:
        values.update(_from_file(file, faults))
    values.update(_from_environment(environ, faults))
    for key, value in (overrides or {}).items():
        if key in _BY_KEY:
            values[key] = (value, _Fault(where=f"option {key}", message="", key=key))
        else:
            faults.append(_Fault(where=f"option {key}", message=_unknown(key, _BY_KEY), key=key))
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for key, (value, place) in values.items():
        setting = _BY_KEY[key]
        try:
            sections[setting.section][setting.name] = _convert(setting, value)
        except ValueError as error:
            faults.append(msgspec.structs.replace(place, message=f"{key}: {error}"))
    settings = Settings(
        source=file,
        **{name: SECTIONS[name](**fields) for name, fields in sections.items()},  # type: ignore[arg-type]
    )
    if not faults:
        places = {key: place for key, (_, place) in values.items()}
        faults.extend(_cross_faults(settings, places))
    if faults:
        _refuse(faults)
    return settings


def places_of(file: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Where each setting that is set is set, by key: `tieline.toml:12`, or the environment variable.

    As the file is now, which may have changed since the settings were read.
    """
    faults: list[_Fault] = []
    values = _from_file(file, faults) if file is not None else {}
    values |= _from_environment(environ, faults)
    return {key: place.where for key, (_, place) in values.items()}


def _refuse(faults: list[_Fault]) -> None:
    first = faults[0]
    raise ConfigurationError(
        "\n".join(f"{fault.where}: {fault.message}" for fault in faults),
        file=first.file,
        line=first.line,
        field=first.key,
        faults=[msgspec.structs.asdict(fault) for fault in faults],
    )


def _from_file(file: Path, faults: list[_Fault]) -> dict[str, tuple[Any, _Fault]]:
    """The file's values by key, each with its place; what is wrong with the file goes to `faults`."""
    name = str(file)
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        faults.append(_Fault(where=name, message=f"cannot be read: {error.strerror}", file=name))
        return {}
    except UnicodeDecodeError:
        faults.append(_Fault(where=name, message="is not UTF-8 text", file=name))
        return {}
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else None
        where = f"{name}:{line}" if line else name
        faults.append(_Fault(where=where, message=f"not valid TOML: {error}", file=name, line=line))
        return {}
    values: dict[str, tuple[Any, _Fault]] = {}
    for section, content in document.items():
        if section not in SECTIONS or not isinstance(content, dict):
            place = _place(name, text, section, None)
            known = (
                f"[{section}] must be a table"
                if section in SECTIONS
                else _unknown(section, SECTIONS, "section")
            )
            faults.append(msgspec.structs.replace(place, message=known))
            continue
        names = [field.name for field in msgspec.structs.fields(SECTIONS[section])]
        for key, value in content.items():
            place = _place(name, text, section, key)
            if key in names:
                values[f"{section}.{key}"] = (value, place)
            else:
                elsewhere = None if difflib.get_close_matches(key, names) else _section_of(key)
                message = _unknown(f"{section}.{key}", [f"{section}.{known}" for known in names])
                faults.append(msgspec.structs.replace(place, message=elsewhere or message))
    return values


def _section_of(name: str) -> str | None:
    """A hint for a key that exists under another section."""
    homes = [setting.key for setting in SETTINGS if setting.name == name]
    return f"unknown setting; did you mean {' or '.join(homes)}?" if homes else None


def _place(file: str, text: str, section: str, key: str | None) -> _Fault:
    """Where `section.key` stands in the file: the line of the key, else of the section, else of the file."""
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]")
    current, section_line = False, None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[", line):
            current = bool(header.match(line))
            section_line = number if current else section_line
        elif (key is not None and current and re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line)) or re.match(
            rf"\s*{re.escape(section)}\s*(\.\s*{re.escape(key or '')}\s*)?=", line
        ):
            section_line = number
            break
    where = f"{file}:{section_line}" if section_line else file
    full = section if key is None else f"{section}.{key}"
    return _Fault(where=where, message="", key=full, file=file, line=section_line)


def _from_environment(environ: Mapping[str, str], faults: list[_Fault]) -> dict[str, tuple[Any, _Fault]]:
    values: dict[str, tuple[Any, _Fault]] = {}
    prefixes = tuple(f"{ENV_PREFIX}{section.upper()}_" for section in SECTIONS)
    for name, value in environ.items():
        if name in _BY_ENV:
            key = _BY_ENV[name].key
            values[key] = (value, _Fault(where=f"environment variable {name}", message="", key=key))
        elif name.startswith(prefixes) and name not in _RESERVED_ENV:
            faults.append(_Fault(where=f"environment variable {name}", message=_unknown(name, _BY_ENV)))
    return values


def _unknown(name: str, known: Mapping[str, Any] | list[str], noun: str = "setting") -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else f"; see `tieline settings` for every {noun}"
    return f"unknown {noun} {name}{hint}"


def _convert(setting: Setting, value: Any) -> Any:
    """`value` as the setting's type. Text from the environment is read leniently, TOML strictly."""
    if isinstance(value, str) and not value and setting.kind.endswith("unset"):
        return None
    lenient = isinstance(value, str)
    if lenient and bool in get_args(setting.annotation):
        value = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), value)
    try:
        converted = msgspec.convert(value, setting.annotation, strict=not lenient)
    except msgspec.ValidationError as error:
        unit = f" ({setting.unit})" if setting.unit else ""
        raise ValueError(f"{value!r} is not good here, wanted {setting.kind}{unit}: {error}") from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError(f"{value!r} is not good here, wanted a finite {setting.kind}")
    return converted


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _cross_faults(settings: Settings, places: Mapping[str, _Fault]) -> Iterator[_Fault]:
    """Faults that show only when two settings are looked at together."""

    def fault(key: str, message: str) -> _Fault:
        place = places.get(key, _Fault(where=f"setting {key}", message="", key=key))
        return msgspec.structs.replace(place, message=f"{key}: {message}")

    rtp, sip = settings.rtp, settings.sip
    if rtp.port_last < rtp.port_first:
        yield fault("rtp.port_last", f"{rtp.port_last} is below rtp.port_first {rtp.port_first}")
    elif rtp_capacity(rtp) < settings.server.max_calls:
        yield fault(
            "rtp.port_last",
            f"the range {rtp.port_first}-{rtp.port_last} carries {rtp_capacity(rtp)} calls (two ports each), "
            f"fewer than server.max_calls {settings.server.max_calls}",
        )
    if not sip.udp_host and not sip.tcp_host and not (sip.tls_host and sip.tls_certificate):
        yield fault("sip.udp_host", "SIP over UDP, TCP and TLS are all off; no call could arrive")
    for needed, dependent in (
        ("tls_certificate", "tls_key"),
        ("tls_certificate", "tls_client_ca"),
        ("tls_client_certificate", "tls_client_key"),
    ):
        if getattr(sip, dependent) and not getattr(sip, needed):
            yield fault(f"sip.{dependent}", f"means nothing without sip.{needed}")
    for one in settings.studio.trusted_proxies.split(","):
        if one.strip() and not _is_network(one.strip()):
            yield fault("studio.trusted_proxies", f"{one.strip()} is no address and no network")
    if settings.agent.warm_runners > settings.agent.max_runners:
        yield fault("agent.warm_runners", f"more than agent.max_runners {settings.agent.max_runners}")
