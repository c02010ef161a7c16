"""What an operator can set, type, watch and call is on its page, and the examples on the pages work."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tieline.cli import app
from tieline.commands import doctor
from tieline.commands.context import EXIT_CODES
from tieline.config import SETTINGS, load_settings
from tieline.http.openapi import openapi_document
from tieline.http.routes import ROUTES
from tieline.model.resources import Resources
from tieline.observe.metrics import METRICS
from tieline.resources.kinds import KINDS, NESTED
from tieline.resources.plan import Applier

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def read(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def verbs(command: Any, name: str) -> dict[str, Any]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return {name: command}
    found: dict[str, Any] = {}
    for word, one in inner.items():
        found |= verbs(one, f"{name} {word}")
    return found


VERBS = verbs(typer.main.get_command(app), "tieline")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.key)
def test_settings(setting: Any) -> None:
    page = read("settings")
    section = page.split(f"## [{setting.section}]")[1].split("\n## ")[0]
    assert f"| `{setting.name}` |" in section
    assert setting.env in section


@pytest.mark.parametrize("metric", METRICS, ids=lambda one: one.name)
def test_metrics(metric: Any) -> None:
    assert f"| `{metric.name}` | {metric.kind} |" in read("metrics")


@pytest.mark.parametrize("verb", VERBS)
def test_commands(verb: str) -> None:
    section = read("cli").split(f"\n## {verb}\n")[1].split("\n## ")[0]
    command = VERBS[verb]
    assert " ".join(command.help.split()) in section
    for parameter in command.params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert option in {"--help", "-h"} or f"`{option}`" in section


def test_every_option_has_help() -> None:
    missing = [
        f"{verb} {parameter.name}"
        for verb, command in VERBS.items()
        for parameter in command.params
        if not parameter.help
    ]
    assert missing == []


def test_exit_statuses() -> None:
    assert all(f"| {code} |" in read("cli") for code in EXIT_CODES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: one.name)
def test_routes(route: Any) -> None:
    section = read("http").split(f"\n## {route.method} {route.path}\n")[1].split("\n## ")[0]
    for parameter in route.parameters:
        assert f"`{parameter.name}`" in section
    for status in route.statuses:
        assert str(status) in section


def test_http_fields() -> None:
    page = read("http")
    for name, schema in openapi_document()["components"]["schemas"].items():
        section = page.split(f"\n### {name}\n")[1].split("\n### ")[0]
        for field in schema.get("properties", {}):
            assert f"`{field}`" in section


def test_resource_fields() -> None:
    page = read("resources")
    for kind, fields in {**KINDS, **NESTED}.items():
        section = page.split(f"\n## {kind}\n")[1].split("\n## ")[0]
        assert all(f"`{field.name}`" in section and field.description for field in fields)


def test_the_example_resource_file_applies() -> None:
    text = re.findall(r"```yaml\n(.*?)```", read("resources"), re.DOTALL)[0]
    plan = Applier(Path("resources.yaml"), text, {}, os.urandom).plan(Resources())
    assert len(plan.issued) == 3


def test_the_example_settings_load() -> None:
    settings = load_settings(ROOT / "deploy" / "tieline.toml", environ={})
    assert settings.sip.advertised_host == "203.0.113.7"
    unit = (ROOT / "deploy" / "tieline.service").read_text()
    waits = re.search(r"TimeoutStopSec=(\d+)", unit)
    assert waits is not None
    assert int(waits[1]) > settings.server.drain_timeout_s


def test_doctor_says_what_it_looks_at() -> None:
    said = VERBS["tieline doctor"].help
    for name, _ in doctor.CHECKS:
        assert name in {"files", "resources"} or name in said
