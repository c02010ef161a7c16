"""The pages that list what an operator can set, type, watch, call and configure; made from the code's own tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import typer

from tieline.cli import app
from tieline.commands.context import EXIT_CODES
from tieline.config import SECTIONS, SETTINGS
from tieline.http.openapi import openapi_document
from tieline.http.routes import ROUTES, STATUS_MEANINGS, Route
from tieline.observe.metrics import METRICS
from tieline.resources.kinds import KINDS, NESTED
from tools.gen_docs import page

NUMBERS_INTRO = """\
Numbers are kept in one canonical form: E.164, or bare digits for an extension. Names are letters, digits, `.`,
`_` and `-`. Exactly one destination of a project is its default.

No call may be meant for two: a number belongs to one project of an account, and to one pool on each trunk. Two
accounts may have the same number only while no trunk brings the calls of both; a trunk without `account` does,
unless its calls have to name their project by a token (`require_token`)."""
KEYS_INTRO = """\
New keys and tokens are shown once and stored hashed (SHA-256 of 256 random bits). One that is there already
keeps its value. `value_from_env` takes a value of your own from the environment. `tieline export` writes the
resources back as such a file."""
APPLY_INTRO = """\
`tieline apply -f resources.yaml` makes what the file describes. Named resources are created or replaced as the
file has them (a field left out has its default); others stay, unless `--prune` is given. It is safe to repeat;
`--dry-run` shows the differences. Every fault comes with file, line and field, all of them at once, and a file
with a fault changes nothing."""
HTTP_INTRO = """\
The key goes into the header `x-api-key`; `POST /handoff` takes it as `Authorization: Bearer` too. Every answer
has `X-Correlation-Id`; a client may send its own (letters, digits, `.`, `_`, `:`, `-`, at most 128). The
account and the project in a path may be given by id or by slug. `tieline openapi` and `GET /openapi.json` give
the same facts as OpenAPI."""
CLI_INTRO = """\
Every command takes `--help`. Lists are tables for people and JSON with `--json`. Errors are one or two lines on
standard error. Commands that look at or change resources work on the database file of the settings; a running
server takes up a change within a second or two."""
METRICS_INTRO = """\
`GET /metrics` shows these in the Prometheus text format, and the `process_*` metrics of the server's own
process. Every label has a closed list of values, so the number of series is known beforehand; all of them are
there from the start, at 0."""
ADDRESSES_INTRO = """\
The address that a socket is bound to and the address that peers are told are separate settings, for SIP
(`sip.udp_host`, `sip.tcp_host`; `sip.advertised_host`) and for RTP (`rtp.bind_host`; `rtp.advertised_host`)."""
SETTINGS_INTRO = """\
Settings come from `tieline.toml` in the current directory (or from the file that `--config` or the environment
variable `TIELINE_CONFIG` names). An environment variable wins over the file. An unknown key or a bad value is
refused with file, line and key. `tieline settings` shows what is in force.

One more thing comes from the environment only: `TIELINE_STORE_KEY`, the key that projects' secrets are encrypted
with, in place of the key file; several with commas between, of which the first encrypts and all decrypt. See
[how to keep it](../howto/deploy.md#keep-the-secrets-key)."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if str(value) else "empty"


@page("reference/settings.md")
def settings_page() -> str:
    """Every setting."""
    parts = [
        "# Settings",
        SETTINGS_INTRO,
        '```toml\n[sip]\nadvertised_host = "203.0.113.7"\n\n[rtp]\nport_first = 20000\nport_last = 20999\n```',
        ADDRESSES_INTRO,
    ]
    for section, record in SECTIONS.items():
        rows = [
            (
                f"`{row.name}`",
                row.kind,
                _value(row.default),
                row.unit,
                row.description,
                f"`{row.env}`",
            )
            for row in SETTINGS
            if row.section == section
        ]
        head = ("name", "kind", "default", "unit", "meaning", "environment")
        parts += [f"## [{section}]", str(record.__doc__), table(head, rows)]
    return "\n\n".join(parts)


@page("reference/metrics.md")
def metrics_page() -> str:
    """Every metric."""
    rows = [
        (
            f"`{row.name}`",
            row.kind,
            "; ".join(
                f"`{label}`: {', '.join(str(v) for v in values)}" for label, values in row.labels.items()
            ),
            row.help,
        )
        for row in METRICS
    ]
    return "\n\n".join(
        [
            "# Metrics",
            METRICS_INTRO,
            table(("name", "type", "labels", "meaning"), rows),
        ]
    )


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _commands(one, f"{name} {word}")


def _option(parameter: Any) -> tuple[str, str]:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).upper()}`", parameter.help or ""
    names = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
    needed = " Required." if parameter.required else ""
    repeated = " May be repeated." if parameter.multiple and "repeat" not in (parameter.help or "") else ""
    default = ""
    if parameter.default not in {None, False} and not callable(parameter.default) and not parameter.required:
        default = (
            f" Default {parameter.default:g}."
            if isinstance(parameter.default, float)
            else f" Default {parameter.default}."
        )
    return names, f"{parameter.help or ''}{needed}{repeated}{default}"


@page("reference/cli.md")
def cli_page() -> str:
    """Every command."""
    parts = [
        "# Command line",
        CLI_INTRO,
        "## Exit statuses",
        table(("status", "meaning"), ((str(code), words) for code, words in sorted(EXIT_CODES.items()))),
    ]
    for name, command in _commands(typer.main.get_command(app), "tieline"):
        parts += [f"## {name}", " ".join((command.help or "").split())]
        rows = [_option(one) for one in command.params if one.name != "help"]
        if rows:
            parts.append(table(("argument or option", "meaning"), rows))
        if command.epilog:
            lines = command.epilog.removeprefix("\b\nExamples:\n").splitlines()
            parts.append("\n".join(("```", *(line.strip() for line in lines), "```")))
    return "\n\n".join(parts)


def _schema_rows(schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    def kind(one: dict[str, Any]) -> str:
        if "$ref" in one:
            return str(one["$ref"].rsplit("/", 1)[1])
        if "anyOf" in one:
            return " or ".join(kind(inner) for inner in one["anyOf"])
        if one.get("type") == "array":
            return f"list of {kind(one['items'])}"
        return str(one.get("format") or one.get("type") or one.get("const", "any"))

    required = set(schema.get("required", ()))
    return [
        (
            f"`{name}`",
            kind(one) + ("" if name in required else ", may be left out"),
            one.get("description", ""),
        )
        for name, one in schema.get("properties", {}).items()
    ]


def _route_parts(route: Route) -> Iterator[str]:
    yield f"## {route.method} {route.path}"
    yield f"{route.summary} " + (f"Scope `{route.scope}`." if route.scope else "Needs no key.")
    if route.parameters:
        rows = [(f"`{one.name}`", one.place, one.description) for one in route.parameters]
        yield table(("parameter", "in", "meaning"), rows)
    if route.body is not None:
        yield f"Body: `{route.body.__name__}`."
    answer = f"`{route.answer.__name__}`" if route.answer else "text"
    errors = ", ".join(str(status) for status in route.statuses)
    error = f" Errors {errors}: `{route.error.__name__}`." if route.error else ""
    yield f"Answer 200: {answer}.{error}"


@page("reference/http.md")
def http_page() -> str:
    """Every route and every field."""
    parts = [
        "# HTTP API",
        HTTP_INTRO,
        "## Statuses",
        table(("status", "meaning"), ((str(code), words) for code, words in sorted(STATUS_MEANINGS.items()))),
    ]
    for route in ROUTES:
        parts += _route_parts(route)
    schemas = openapi_document()["components"]["schemas"]
    bodies = {
        route.body.__name__: route.body.model_json_schema() for route in ROUTES if route.body is not None
    }
    parts.append("## Shapes")
    for name, schema in sorted({**schemas, **bodies}.items()):
        parts += [f"### {name}", str(schema.get("description", ""))]
        if "enum" in schema:
            parts.append("One of " + ", ".join(f"`{word}`" for word in schema["enum"]) + ".")
        rows = _schema_rows(schema)
        if rows:
            parts.append(table(("field", "kind", "meaning"), rows))
    return "\n\n".join(part for part in parts if part)


EXAMPLE = """\
accounts:
  - slug: acme
    name: Acme Ltd

projects:
  - slug: front-desk
    account: acme
    answer_only: true            # or: path: ./front_desk
    numbers: [100, "+15550999000"]
    handoffs:
      - name: billing
        description: Questions about bills
        sip_config: {method: bye}
        sip_headers:
          - {key: X-destination, value: billing}
          - {key: X-contained, value: $contained}
    handoff_api:
      state_keys: [handoff_reason, customer_id]
      aliases: {customer_id: customerId}

pools:
  - name: inbound
    project: front-desk
    numbers: [+15550100000-+15550100099, +15550200000]
    trunks: [sbc]

trunks:
  - name: sbc
    networks: [192.0.2.0/24]
    account: acme
    max_calls: 100

sip_tokens:
  - {name: front-desk-live, project: front-desk}

api_keys:
  - {name: reserve, project: front-desk, scopes: ["dni:reserve"]}
  - {name: outcome, project: front-desk, scopes: ["handoff:read"], expires_at: 2031-12-31}
"""


@page("reference/resources.md")
def resources_page() -> str:
    """Every field of a resource file."""
    parts = [
        "# Resource files",
        APPLY_INTRO,
        KEYS_INTRO,
        NUMBERS_INTRO,
        f"```yaml\n{EXAMPLE}```",
    ]
    head = ("field", "kind", "meaning")
    for kind, fields in {**KINDS, **NESTED}.items():
        rows = [
            (f"`{one.name}`" + (" (required)" if one.required else ""), one.kind, one.description)
            for one in fields
        ]
        parts += [f"## {kind}", table(head, rows)]
    return "\n\n".join(parts)
