"""`tieline handoff` and `tieline profile`."""

from __future__ import annotations

from pathlib import Path

from tests.unit.commands.conftest import Tieline

FILE = """\
accounts: [{slug: acme}]
projects:
  - slug: desk
    answer_only: true
    numbers: [100]
    secrets: {CRM: {value_from_env: NOWHERE_SET}}
    handoffs:
      - name: back
        sip_config: {method: bye}
        sip_headers: [{key: X-contained, value: "false"}]
      - name: people
        sip_config: {method: refer, phone_number: "+15550100"}
        fallback: [{destination: back, method: bye}]
  - slug: quiet
    answer_only: true
trunks:
  - {name: five9, networks: 192.0.2.1, profile: five9, username: u, password: {value_from_env: NOWHERE}, target: h}
  - {name: sbc, networks: 192.0.2.2, refer_domain: sbc.example.com}
api_keys:
  - {name: k, scopes: chat, project: desk, value_from_env: A}
  - {name: l, scopes: chat, project: desk, value_from_env: B}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "handoffs.yaml"
    path.write_text(text)
    return str(path)


def test_handoffs_of_a_file_are_listed_and_checked_without_its_secrets(
    tieline: Tieline, tmp_path: Path
) -> None:
    file = write(tmp_path, FILE)
    rows = tieline("handoff", "list", "-f", file, "--json").json
    assert [(one["destination"], one["default"], one["method"], one["fallback"]) for one in rows] == [
        ("back", True, "bye", "of the profile"),
        ("people", False, "refer", "bye to back"),
    ]
    ran = tieline("handoff", "check", "-f", file)
    assert ran.status == 0, ran.err
    assert "five9 refuses REFER, so the ladder begins with its next step" in ran.out
    found = tieline("handoff", "check", "-f", file, "--trunk", "sbc", "--json").json
    assert found["ok"] is True
    assert all("sbc" in one["trunks"] for one in found["findings"])


def test_what_cannot_work_ends_with_status_1(tieline: Tieline, tmp_path: Path) -> None:
    file = write(tmp_path, FILE.replace("fallback: [{destination: back, method: bye}]", "fallback: []"))
    ran = tieline("handoff", "check", "-f", file, "--project", "desk", "--json")
    assert (ran.status, ran.json["ok"]) == (1, False)
    assert ran.json["findings"][0]["fix"] == "take the method invite or bye"
    assert tieline("handoff", "check", "-f", file, "--project", "quiet").out == "no destinations to check\n"
    assert (
        tieline("handoff", "check", "-f", file, "--trunk", "none").err == "tieline: there is no trunk none\n"
    )
    assert "there is no project none" in tieline("handoff", "check", "-f", file, "--project", "none").err


def test_the_database_is_checked_without_a_file(applied: Tieline, tmp_path: Path) -> None:
    assert applied("handoff", "check").out == "no destinations to check\n"
    assert "no destinations" in applied("handoff", "list").err
    text = (
        "projects:\n  - slug: desk\n    answer_only: true\n    numbers: [100]\n"
        "    handoffs: [{name: x, sip_config: {method: bye}}]\n"
    )
    ran = applied("apply", "-f", write(tmp_path, text))
    assert (ran.status, ran.err) == (0, "")
    assert applied("handoff", "check").out == "1 destination on 1 trunk: nothing to remark upon\n"
    assert "x" in applied("handoff", "list").out


def test_apply_and_doctor_say_what_will_not_get_through(applied: Tieline, tmp_path: Path) -> None:
    text = (
        "projects:\n  - slug: desk\n    answer_only: true\n    numbers: [100]\n    handoffs:\n"
        "      - {name: x, sip_config: {method: bye}, sip_headers: [{key: Odd-Name, value: y}]}\n"
    )
    file = write(tmp_path, text)
    ran = applied("apply", "-f", file, "--json")
    assert ran.json["remarks"][0]["level"] == "warning"
    again = applied("apply", "-f", write(tmp_path, text.replace("value: y", "value: z")))
    assert again.err.startswith("warning: desk: x on sbc: ")
    found = [one for one in applied("doctor", "--json").json["findings"] if one["check"] == "handoffs"]
    assert found[0]["level"] == "advice"
    bad = text.replace("{method: bye}", "{method: invite}")
    refused = applied("apply", "-f", write(tmp_path, bad))
    assert refused.status == 3
    assert "handoffs.yaml:6: projects.desk.handoffs: x on sbc: invite has no route" in refused.err


def test_profiles(tieline: Tieline) -> None:
    rows = {row["name"]: row for row in tieline("profile", "list", "--json").json}
    assert rows["five9"]["max_headers"] == 10
    assert "Genesys Cloud" in tieline("profile", "list").out
    shown = tieline("profile", "show", "five9").out
    assert "X-Five9-Session-Id, X-CallSessionID, X-CallID" in shown
    assert "after refer" in shown
    assert "- Not confirmed" in shown
    assert tieline("profile", "show", "genesys", "--json").json["refer"]["uui"] == "hex"
    ran = tieline("profile", "show", "avaya")
    assert (ran.status, "there is no profile avaya" in ran.err) == (1, True)
