"""Settings: one table, read from `tieline.toml` and the environment.

The records below *are* the table: every field carries its type, default, meaning and unit, and the loader, the
command `tieline settings`, the reference page and the tests all read `SETTINGS`, which is derived from them.
An environment variable `TIELINE_<SECTION>_<NAME>` wins over the file.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from tieline.errors import ConfigurationError
from tieline.model.record import Record

DEFAULT_FILE = "tieline.toml"
ENV_PREFIX = "TIELINE_"

_Port = Annotated[int, Meta(ge=0, le=65535)]
_Positive = Annotated[float, Meta(gt=0)]
_NotNegative = Annotated[float, Meta(ge=0)]
_Count = Annotated[int, Meta(ge=1)]


def _about(description: str, unit: str = "") -> Meta:
    return Meta(description=description, extra={"unit": unit})


class UnknownPeers(StrEnum):
    """What happens to SIP from an address that belongs to no trunk."""

    REFUSE = "refuse"
    DROP = "drop"


class LogFormat(StrEnum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The lowest level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ServerSettings(Record):
    """The server as a whole."""

    public_url: Annotated[
        str | None,
        _about("Base URL under which clients reach the HTTP API; shown in OpenAPI and by the demo."),
    ] = None
    default_region: Annotated[
        Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None,
        _about("ISO 3166 country that completes national phone numbers where a trunk names none."),
    ] = None
    max_calls: Annotated[
        _Count, _about("Calls at one time; further ones get 503 with Retry-After.", "calls")
    ] = 250
    drain_timeout_s: Annotated[
        _NotNegative, _about("How long running calls may finish after SIGTERM before they are ended.", "s")
    ] = 30.0


class HttpSettings(Record):
    """The HTTP API."""

    host: Annotated[str, _about("Address that HTTP listens on.")] = "127.0.0.1"
    port: Annotated[_Port, _about("Port that HTTP listens on; 0 takes a free one.")] = 8080
    attributes_max_bytes: Annotated[
        Annotated[int, Meta(ge=2)],
        _about("Largest `attributes` object of a reservation, as JSON text; larger ones get 413.", "bytes"),
    ] = 65536
    attributes_max_depth: Annotated[
        Annotated[int, Meta(ge=1, le=200)],
        _about("Deepest nesting of `attributes`; deeper ones get 400.", "levels"),
    ] = 20
    max_wait_s: Annotated[
        Annotated[float, Meta(ge=0, le=300)], _about("Longest `?wait=` that Get Handoff grants.", "s")
    ] = 60.0


class SipSettings(Record):
    """SIP: where we listen, and the address we write into Via and Contact."""

    udp_host: Annotated[str, _about("Address that SIP over UDP is bound to; empty turns UDP off.")] = (
        "0.0.0.0"
    )
    udp_port: Annotated[_Port, _about("Port of SIP over UDP; 0 takes a free one.")] = 5060
    tcp_host: Annotated[str, _about("Address that SIP over TCP is bound to; empty turns TCP off.")] = (
        "0.0.0.0"
    )
    tcp_port: Annotated[_Port, _about("Port of SIP over TCP; 0 takes a free one.")] = 5060
    advertised_host: Annotated[
        str | None,
        _about(
            "Address or name that peers are told to reach us by; without it, the bound or routed address."
        ),
    ] = None
    advertised_port: Annotated[
        _Port | None, _about("Port that peers are told to reach us by; without it, the bound port.")
    ] = None
    unknown_peers: Annotated[
        UnknownPeers, _about("Answer an unknown peer's INVITE with 403 (`refuse`), or say nothing (`drop`).")
    ] = UnknownPeers.REFUSE
    max_message_bytes: Annotated[
        Annotated[int, Meta(ge=1500, le=65535)],
        _about("Largest SIP message that is parsed; larger ones get 513 or are dropped.", "bytes"),
    ] = 65535


class RtpSettings(Record):
    """Audio: where RTP is received, and the address we write into SDP."""

    bind_host: Annotated[str, _about("Address that RTP sockets are bound to.")] = "0.0.0.0"
    advertised_host: Annotated[
        str | None, _about("Address written into SDP; without it, the advertised SIP address.")
    ] = None
    port_first: Annotated[
        Annotated[int, Meta(ge=1024, le=65535)], _about("First port of the RTP range; even ports are used.")
    ] = 20000
    port_last: Annotated[
        Annotated[int, Meta(ge=1024, le=65535)], _about("Last port of the RTP range, included.")
    ] = 20999
    silence_timeout_s: Annotated[
        _NotNegative, _about("End a call after so long without any RTP; 0 never does.", "s")
    ] = 60.0
    media_processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)], _about("Processes that carry audio; about 300 calls each.")
    ] = 1


class StoreSettings(Record):
    """Where reservations, conversations and resources are kept."""

    path: Annotated[str, _about("The SQLite database file; `:memory:` keeps nothing (tests only).")] = (
        "tieline.db"
    )
    key_file: Annotated[
        str | None,
        _about(
            "File with the keys that projects' secrets are encrypted with; without it, `<store.path>.key`, "
            "which is made when needed."
        ),
    ] = None
    keep_days: Annotated[
        _NotNegative,
        _about(
            "How long ended conversations (turns, outcomes) and reservations are kept; 0 keeps them for ever.",
            "days",
        ),
    ] = 90.0
    idempotency_retention_s: Annotated[
        _Positive,
        _about(
            "How long an `Idempotency-Key` is remembered at least; it is forgotten within two hours after.",
            "s",
        ),
    ] = 86400.0


class AgentSettings(Record):
    """The processes that run the customer's functions."""

    function_limit_s: Annotated[_Positive, _about("Time limit of one function.", "s")] = 10.0
    start_limit_s: Annotated[
        _Positive, _about("Time limit of `start_function`, while the caller hears ringing.", "s")
    ] = 3.0
    runner_memory_mb: Annotated[
        Annotated[int, Meta(ge=64)], _about("Memory limit of one runner process.", "MiB")
    ] = 512
    max_runners: Annotated[_Count, _about("Runner processes of one project at one time.", "processes")] = 32
    warm_runners: Annotated[
        Annotated[int, Meta(ge=0)], _about("Runner processes kept ready between runs.", "processes")
    ] = 2


class VoiceSettings(Record):
    """The offline voice that speaks prompts."""

    name: Annotated[
        str, _about("eSpeak NG voice variant, for example `f2`; empty takes the language's own.")
    ] = ""
    language: Annotated[str, _about("Language of prompts, as eSpeak NG names it.")] = "en-us"


class LogSettings(Record):
    """Logs."""

    level: Annotated[LogLevel, _about("Lowest level written.")] = LogLevel.INFO
    format: Annotated[LogFormat, _about("`console` for people, `json` for machines.")] = LogFormat.CONSOLE
    personal_data: Annotated[
        bool, _about("Write values under a `pii.` key (numbers, attributes, digits). Off: they are dropped.")
    ] = False


class Settings(Record):
    """All settings, checked. `source` is the file they came from, if any."""

    server: ServerSettings = ServerSettings()
    http: HttpSettings = HttpSettings()
    sip: SipSettings = SipSettings()
    rtp: RtpSettings = RtpSettings()
    store: StoreSettings = StoreSettings()
    agent: AgentSettings = AgentSettings()
    voice: VoiceSettings = VoiceSettings()
    log: LogSettings = LogSettings()
    source: Path | None = None


class Setting(Record):
    """One row of the table: `key` is `section.name`, `kind` the type in words, `env` the environment variable."""

    section: str
    name: str
    env: str
    kind: str
    default: Any
    unit: str
    description: str
    annotation: Any

    @property
    def key(self) -> str:
        """`section.name`, as errors and `--set` say it."""
        return f"{self.section}.{self.name}"


SECTIONS: dict[str, type[Record]] = {
    "server": ServerSettings,
    "http": HttpSettings,
    "sip": SipSettings,
    "rtp": RtpSettings,
    "store": StoreSettings,
    "agent": AgentSettings,
    "voice": VoiceSettings,
    "log": LogSettings,
}
"""The sections of the file, in the order in which they are shown."""

_KIND_NAMES: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _kind(annotation: Any) -> str:
    """The type in words: an annotation like `Annotated[int, ...] | None` reads `whole number, or unset`."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    parts = get_args(annotation)
    if parts:
        words = [_kind(part) for part in parts if part is not type(None)]
        return " or ".join(words) + (", or unset" if type(None) in parts else "")
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " | ".join(annotation)
    return _KIND_NAMES[annotation]


def _rows() -> Iterator[Setting]:
    for section, record in SECTIONS.items():
        hints = get_type_hints(record, include_extras=True)
        for field in msgspec.structs.fields(record):
            annotation = hints[field.name]
            about = next(m for m in reversed(annotation.__metadata__) if m.description)
            yield Setting(
                section=section,
                name=field.name,
                env=f"{ENV_PREFIX}{section.upper()}_{field.name.upper()}",
                kind=_kind(annotation),
                default=field.default,
                unit=about.extra["unit"],
                description=about.description,
                annotation=annotation,
            )


SETTINGS: tuple[Setting, ...] = tuple(_rows())
"""Every setting there is."""

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
    if not sip.udp_host and not sip.tcp_host:
        yield fault("sip.udp_host", "SIP over UDP and over TCP are both off; no call could arrive")
    if settings.agent.warm_runners > settings.agent.max_runners:
        yield fault("agent.warm_runners", f"more than agent.max_runners {settings.agent.max_runners}")


def rtp_capacity(rtp: RtpSettings) -> int:
    """How many calls the port range carries: each takes an even port for RTP and leaves the next one free."""
    return len(range(rtp.port_first + rtp.port_first % 2, rtp.port_last + 1, 2))
