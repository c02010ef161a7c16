"""Help, exit statuses, settings, OpenAPI, doctor, migrate, chat."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Tieline
from tieline.commands import doctor_database
from tieline.config import SETTINGS, Settings
from tieline.model.project import Project
from tieline.model.resources import Resources


def test_help_and_version(tieline: Tieline) -> None:
    assert tieline("--help").status == 0
    assert tieline("--version").out.startswith("tieline ")
    assert tieline("pool", "--help").status == 0


def test_usage(tieline: Tieline) -> None:
    ran = tieline("nonsense")
    assert (ran.status, "No such command" in ran.err) == (2, True)
    assert tieline("calls", "list", "-n", "0").status == 2


def test_settings_faults_are_status_3(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "tieline.toml").write_text("[http]\nprot = 1\n")
    for words in (("serve",), ("keys", "list"), ("settings",), ("openapi",)):
        ran = tieline(*words)
        assert ran.status == 3
        assert "did you mean http.port?" in ran.err
    assert tieline("serve", "--config", "none.toml").status == 3


def test_a_database_that_is_none(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "tieline.db").write_bytes(b"this is no database" * 100)
    ran = tieline("keys", "list")
    assert ran.status == 3
    assert len(ran.err.splitlines()) <= 2


def test_settings(tieline: Tieline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_HTTP_PORT", "1234")
    rows = {row["setting"]: row for row in tieline("settings", "--json").json}
    assert rows.keys() == {row.key for row in SETTINGS}
    assert (rows["http.port"]["value"], rows["http.port"]["default"]) == (1234, 8080)
    assert "http.port" in tieline("settings", "--defaults").out


def test_openapi(tieline: Tieline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_SERVER_PUBLIC_URL", "https://tieline.example")
    assert tieline("openapi").json["servers"] == [{"url": "https://tieline.example"}]


def test_migrate(tieline: Tieline, tmp_path: Path) -> None:
    assert "has schema" in tieline("migrate").out
    assert (tmp_path / "tieline.db").exists()


LOCAL = """\
[http]
port = 0
[sip]
udp_host = "127.0.0.1"
udp_port = 0
tcp_host = "127.0.0.1"
tcp_port = 0
[rtp]
bind_host = "127.0.0.1"
port_first = 12000
port_last = 12999
"""


def findings(tieline: Tieline, tmp_path: Path, more: str = "") -> dict[str, list[tuple[str, str]]]:
    (tmp_path / "tieline.toml").write_text(more or LOCAL)
    found: dict[str, list[tuple[str, str]]] = {}
    for one in tieline("doctor", "--json").json["findings"]:
        found.setdefault(one["check"], []).append((one["level"], one["message"]))
    return found


def test_doctor_finds_nothing_wrong(applied: Tieline, tmp_path: Path) -> None:
    found = findings(applied, tmp_path)
    assert [level for rows in found.values() for level, _ in rows if level == "fault"] == []
    assert found["voice"][0][1].startswith("speaks en-us")
    assert ("ok", "project desk: answers only") in found["resources"]
    assert applied("doctor").status == 0


def test_doctor_names_faults(tieline: Tieline, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = (
            f'[http]\nport = {port}\n[sip]\nudp_host = "192.0.2.55"\nudp_port = 5060\ntcp_host = ""\n'
            '[rtp]\nadvertised_host = "0.0.0.0"\nport_first = 40000\nport_last = 40999\n'
            '[store]\npath = "none/tieline.db"\n[voice]\nlanguage = "xx-nowhere"\n'
        )
        found = findings(tieline, tmp_path, config)
    said = {(check, level) for check, rows in found.items() for level, _ in rows}
    assert ("ports", "fault") in said
    assert ("addresses", "fault") in said
    assert ("database", "fault") in said
    assert ("voice", "fault") in said
    assert any("no address to send to" in message for _, message in found["addresses"])
    assert any("is not an address of this machine" in message for _, message in found["addresses"])
    assert tieline("doctor").status == 1


def test_doctor_on_bad_settings(tieline: Tieline, tmp_path: Path) -> None:
    found = findings(tieline, tmp_path, "[http]\nprot = 1\nport = -1\n")
    assert [level for level, _ in found["settings"]] == ["fault", "fault"]
    assert found.keys() == {"settings"}


def test_doctor_on_unresolvable_and_wide_open(tieline: Tieline, tmp_path: Path) -> None:
    config = '[http]\nhost = "0.0.0.0"\nport = 0\n[sip]\nadvertised_host = "no.such.host.invalid"\n'
    found = findings(tieline, tmp_path, config)
    assert any("cannot be resolved" in message for _, message in found["addresses"])
    assert any("without TLS" in message for _, message in found["addresses"])
    assert found["resources"] == [("advice", "nothing is configured yet")]


def test_doctor_on_resources(applied: Tieline, tmp_path: Path) -> None:
    functions = tmp_path / "agent" / "functions"
    functions.mkdir(parents=True)
    (functions / "start_function.py").write_text("def start_function(conv):\n    pass\n")
    (tmp_path / "p.yaml").write_text(
        "accounts: [{slug: a}]\nprojects: [{slug: one, path: agent}]\npools: [{name: e, project: one, numbers: []}]\n"
    )
    assert applied("apply", "-f", "p.yaml", "--prune").status == 0
    found = findings(applied, tmp_path)
    messages = [message for _, message in found["resources"]]
    assert any("no trunk" in message for message in messages)
    assert any("no API key" in message for message in messages)
    assert any(message.startswith("project one: loads") for message in messages)
    assert any("has no numbers" in message for message in messages)
    (functions / "start_function.py").write_text("def\n")
    assert any("start_function.py" in message for _, message in findings(applied, tmp_path)["resources"])
    (functions / "start_function.py").unlink()
    functions.rmdir()
    (tmp_path / "agent").rmdir()
    assert any("is gone" in message for _, message in findings(applied, tmp_path)["resources"])


def test_chat(tieline: Tieline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = tmp_path / "agent" / "functions"
    functions.mkdir(parents=True)
    (functions / "start_function.py").write_text(
        "def start_function(conv):\n    return {'utterance': 'Hello ' + conv.integration_attributes['name']}\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("/hangup\n"))
    ran = tieline("chat", "agent", "--attributes", '{"name": "Ada"}')
    assert (ran.status, "Hello Ada" in ran.out) == (0, True)
    assert tieline("chat", "agent", "-a", "[1]").status == 2
    assert tieline("chat", "agent", "-a", "{").status == 2


def test_chat_by_slug(applied: Tieline) -> None:
    assert applied("chat", "desk").err == "tieline: desk has no agent to talk to\n"
    assert applied("chat", "none").status == 1


AGENT = """\
def start_function(conv):
    said = [conv.utils.get_secret("crm"), conv.sip_headers["X-Tier"], conv.caller_number, conv.callee_number]
    said.append(conv.context.get("contact_id", ""))
    conv.call_handoff(destination="desk")
    return {"utterance": " ".join(said)}
"""
PROJECT = """\
accounts: [{slug: a}]
projects:
  - slug: one
    path: agent
    secrets: {crm: {value_from_env: CRM_PASSWORD}}
    handoffs:
      - {name: desk, sip_config: {method: bye}, sip_headers: [{key: X-Reason, value: asked}]}
"""


@pytest.fixture
def project(tieline: Tieline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tieline:
    """The same, with a project that has a folder, a secret and a destination."""
    functions = tmp_path / "agent" / "functions"
    functions.mkdir(parents=True)
    (functions / "start_function.py").write_text(AGENT)
    (tmp_path / "p.yaml").write_text(PROJECT)
    monkeypatch.setenv("CRM_PASSWORD", "swordfish")
    ran = tieline("apply", "-f", "p.yaml")
    assert ran.status == 0, ran.err
    return tieline


def test_chat_with_what_is_configured(project: Tieline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    given = ("-H", "X-Tier: gold", "--caller", "+15550100001", "--callee", "+15550100002")
    ran = project("chat", "one", *given)
    assert ran.status == 0, ran.out
    assert "< swordfish gold +15550100001 +15550100002" in ran.out
    assert "=   X-Reason: asked" in ran.out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    of_genesys = project("chat", "one", *given, "-H", "x-inin-cnv: 7f3c", "--profile", "genesys")
    assert "+15550100002 7f3c" in of_genesys.out
    assert "there is no profile none" in project("chat", "one", *given, "--profile", "none").err
    for bad in ("X-Tier", ": gold", "X Tier: gold", "X-Tier: a\nb"):
        assert project("chat", "one", "--header", bad).status == 2


def test_project_check_takes_what_is_configured(project: Tieline) -> None:
    assert "can be served" in project("project", "check", "one").out


def test_secrets_need_their_key(project: Tieline, tmp_path: Path) -> None:
    database, key = tmp_path / "tieline.db", tmp_path / "tieline.db.key"
    assert b"swordfish" not in database.read_bytes()
    assert findings(project, tmp_path)["secrets"] == [
        ("ok", "1 are encrypted, with the key from tieline.db.key")
    ]
    key.chmod(0o644)
    assert findings(project, tmp_path)["secrets"][0][0] == "fault"
    key.chmod(0o600)
    key.rename(tmp_path / "away")
    ran = project("chat", "one")
    assert (ran.status, "secrets that cannot be opened: crm; bring back the key" in ran.err) == (3, True)
    assert findings(project, tmp_path)["secrets"] == [
        ("fault", "project one: secrets that cannot be opened: crm")
    ]
    assert project("project", "list").status == 0
    assert "swordfish" not in project("export").out
    assert project("apply", "-f", "p.yaml").status == 0
    assert findings(project, tmp_path)["secrets"][0][0] == "ok"


def test_a_secret_that_is_no_text(project: Tieline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "\udcff")
    ran = project("apply", "-f", "p.yaml")
    assert (ran.status, "CRM_PASSWORD is not UTF-8 text" in ran.err) == (3, True)


def test_doctor_on_keys(project: Tieline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = (tmp_path / "tieline.db.key").read_text().strip()
    monkeypatch.setenv("TIELINE_STORE_KEY", "hunter2")
    found = findings(project, tmp_path)["secrets"]
    assert [level for level, _ in found] == ["fault", "fault"]
    assert "hunter2" not in str(found)
    monkeypatch.setenv("TIELINE_STORE_KEY", f"{'A' * 43}= {old}")
    assert findings(project, tmp_path)["secrets"][0][0] == "advice"
    assert project("apply", "-f", "p.yaml").out == "nothing to change\n"
    assert findings(project, tmp_path)["secrets"] == [
        ("ok", "1 are encrypted, with the key from TIELINE_STORE_KEY")
    ]


def test_help_is_quick_because_imports_are_late() -> None:
    code = (
        "import sys, tieline.cli; heavy = {'fastapi', 'uvicorn', 'sqlalchemy', 'phonenumbers', 'prometheus_client',"
        " 'ruamel.yaml', 'structlog'}; print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_doctor_finds_numbers_that_two_have(
    project: Tieline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan refuses them today; in a database of an older version they may be."""
    two = tuple(
        Project(id=name, slug=name, account="a", answer_only=True, numbers=("100",))
        for name in ("one", "two")
    )

    async def read(_settings: Settings) -> tuple[Resources, int]:
        return Resources(projects=two), 0

    monkeypatch.setattr(doctor_database, "read_resources", read)
    rows = findings(project, tmp_path)["resources"]
    assert ("fault", "projects.two.numbers: 100 already routes to one") in rows


def test_python_m_tieline() -> None:
    ran = subprocess.run([sys.executable, "-m", "tieline", "pool", "plan", "--rate", "1", "--json"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    assert json.loads(ran.stdout)["rate"] == 1
