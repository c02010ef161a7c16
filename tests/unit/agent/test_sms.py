"""Text messages: what a function may queue, how templates are filled, and what a failed run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tieline.agent.folder import load_folder
from tieline.agent.messages import OutgoingMessage, TurnResult
from tieline.agent.sms import MAX_QUEUED, merge_templates
from tieline.agent.spec import Level
from tieline.model.environment import Environment
from tieline.model.sms import MAX_CONTENT, SmsSender, SmsTemplate
from tieline.testing.agents import AgentTalk, InMemoryAgent, write_project

SERVICE = "MG" + "0a" * 16
TEMPLATES = f"""
sms_templates:
  - name: booking
    text: "Hi {{{{vrbl:name}}}}, table {{{{attr:table.id}}}} for $guests at ${{time}}"
    env_phone_numbers: {{sandbox: "+15550100", live: "+1 (555) 010-1000", pre_release: ""}}
  - name: plain
    text: Thank you.
    env_messaging_services: {{live: {SERVICE}}}
    env_phone_numbers: {{live: "+15550100"}}
  - name: bare
    text: "{{{{vrbl:caller_number}}}}"
"""


def hear(folder: Path, body: str, *, templates: str = TEMPLATES, **fields: Any) -> TurnResult:
    source = f"from _gen import *\ndef turn_function(conv, user_input):\n    {body}\n"
    write_project(folder, {"functions/turn_function.py": source, "config/sms_templates.yaml": templates})
    talk = AgentTalk(folder, **fields)
    assert talk.report.ok, talk.report.errors
    return talk.hear("1")


def messages(result: TurnResult) -> list[OutgoingMessage]:
    assert result.failure is None, result.failure
    return result.messages


def failure(result: TurnResult) -> str:
    assert result.failure is not None
    assert result.messages == []
    return result.failure.message


def test_a_text_is_queued_as_it_is(tmp_path: Path) -> None:
    body = "conv.send_sms('+1 555 010 0777', '+15550100', 'Costs $name {{x}}', retry_count=0)"
    assert messages(hear(tmp_path, body)) == [
        OutgoingMessage(to="+15550100777", from_="+15550100", content="Costs $name {{x}}", retry_count=0)
    ]


@pytest.mark.parametrize("sender", ["+15550100", "54321", SERVICE, "Northwind"])
def test_senders_of_every_kind(tmp_path: Path, sender: str) -> None:
    (sent,) = messages(hear(tmp_path, f"conv.send_sms('+15550100', {sender!r}, 'Hi')"))
    assert sent.from_ == sender


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("send_sms('4711', '+15550100', 'Hi')", "ValueError: to_number of an SMS must be an E.164 number"),
        ("send_sms('sip:a@b', '+15550100', 'Hi')", "ValueError: to_number"),
        ("send_sms(None, '+15550100', 'Hi')", "TypeError: to_number of an SMS must be text, not NoneType."),
        ("send_sms('+15550100', '', 'Hi')", "ValueError: from_number of an SMS must be"),
        ("send_sms('+15550100', 'A name too long', 'Hi')", "ValueError: from_number"),
        ("send_sms('+15550100', 5, 'Hi')", "TypeError: from_number of an SMS must be text, not int."),
        ("send_sms('+15550100', '+15550100', ' \\n')", "ValueError: The content of an SMS is empty."),
        ("send_sms('+15550100', '+15550100', 7)", "TypeError: the content of an SMS must be text, not int."),
        ("send_sms('+15550100', '+15550100', 'x' * 1601)", "ValueError: The content of an SMS has 1601 characters"),
        ("send_sms('+15550100', '+15550100', 'a\\x00')", "ValueError: The content of an SMS holds a character"),
        ("send_sms('+15550100', '+15550100', '\\ud800')", "ValueError: The content of an SMS holds a character"),
        ("send_sms('+15550100', '+15550100', 'a', True)", "TypeError: retry_count of an SMS must be a whole number"),
        ("send_sms('+15550100', '+15550100', 'a', 11)", "ValueError: retry_count of an SMS must be from 0 to 10."),
        ("send_sms_template('+15550100', 'none')", "MissingTemplate: There is no SMS template 'none'. Configured: "),
        ("send_sms_template('+15550100', None)", "TypeError: the template of conv.send_sms_template must be text"),
        ("send_sms_template('+15550100', 'booking')",
         "MissingToken: The SMS template 'booking' is not sent: there is no value for {{vrbl:name}}, {{attr:"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_said_at_once(tmp_path: Path, call: str, message: str) -> None:
    assert message in failure(hear(tmp_path, f"conv.{call}"))


def test_a_template_is_filled_when_it_is_queued(tmp_path: Path) -> None:
    body = """conv.state.name = 'Ann'; conv.state.guests = 4
    conv.send_sms_template('+15550777', 'booking', 2)
    conv.state.name = 'Bob'"""
    (sent,) = messages(
        hear(tmp_path, body, integration_attributes={"table": {"id": 9}, "time": "19:00"}, env="live")
    )
    assert sent == OutgoingMessage(
        to="+15550777", from_="+15550101000", content="Hi Ann, table 9 for 4 at 19:00", template="booking",
        retry_count=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("env", "name", "sender"),
    [("sandbox", "plain", ""), ("live", "plain", SERVICE), ("pre-release", "bare", ""), ("live", "bare", "")],
)
def test_the_sender_is_that_of_the_environment(tmp_path: Path, env: str, name: str, sender: str) -> None:
    body = f"conv.send_sms_template('+15550777', '{name}')"
    (sent,) = messages(hear(tmp_path, body, env=env, caller_number="+15550777"))
    assert sent.from_ == sender


def test_the_queue_and_the_templates_can_be_looked_at(tmp_path: Path) -> None:
    body = """conv.send_sms('+15550777', '+15550100', 'Hi')
    conv.send_sms_template('+15550777', 'plain')
    assert conv.sms_queue == [OutgoingSMS('+15550777', '+15550100', 'Hi'), OutgoingSMSTemplate('+15550777', 'plain')]
    found = conv.sms_templates['booking']
    assert isinstance(found, SMSTemplate)
    assert (found.name, found.phone_number) == ('booking', '+15550101000')
    assert conv.sms_templates['bare'].phone_number is None"""
    assert len(messages(hear(tmp_path, body))) == 2


def test_a_run_that_fails_sends_nothing(tmp_path: Path) -> None:
    assert "ZeroDivisionError" in failure(hear(tmp_path, "conv.send_sms('+15550777', '54321', 'Hi'); 1 / 0"))


def test_a_function_may_catch_what_is_missing(tmp_path: Path) -> None:
    body = """try:
        conv.send_sms_template('+15550777', 'booking')
    except MissingToken:
        conv.send_sms_template('+15550777', 'plain')"""
    assert [one.content for one in messages(hear(tmp_path, body))] == ["Thank you."]


def test_a_turn_sends_a_bounded_number(tmp_path: Path) -> None:
    body = "for _ in range({}): conv.send_sms('+15550777', '54321', 'Hi')"
    assert len(messages(hear(tmp_path, body.format(MAX_QUEUED)))) == MAX_QUEUED
    assert "A turn may send 20 messages" in failure(hear(tmp_path, body.format(MAX_QUEUED + 1)))


def test_end_function_may_send(tmp_path: Path) -> None:
    source = "def end_function(conv):\n    conv.send_sms('+15550777', '54321', 'Bye')\n"
    write_project(tmp_path, {"functions/end_function.py": source})
    assert [one.content for one in messages(AgentTalk(tmp_path).end())] == ["Bye"]


def test_templates_of_the_server_are_laid_over_those_of_the_folder(tmp_path: Path) -> None:
    source = "def turn_function(conv, text):\n    conv.send_sms_template('+15550777', text)\n"
    write_project(tmp_path, {"functions/turn_function.py": source, "config/sms_templates.yaml": TEMPLATES})
    over = (SmsTemplate(name="plain", content="Many thanks."), SmsTemplate(name="new", content="News."))
    agent = InMemoryAgent(tmp_path, sms_templates=over)
    agent.load()
    talk = AgentTalk(tmp_path, agent=agent)
    assert [one.content for name in ("plain", "new") for one in messages(talk.hear(name))] == [
        "Many thanks.",
        "News.",
    ]
    assert [one.name for one in merge_templates(load_folder(tmp_path).spec.sms_templates, over)] == [
        "booking", "plain", "bare", "new",
    ]  # fmt: skip


def test_the_file_is_read_with_its_senders(tmp_path: Path) -> None:
    write_project(tmp_path, {"config/sms_templates.yaml": TEMPLATES})
    folder = load_folder(tmp_path)
    assert [str(one) for one in folder.report.findings if "sms" in one.file] == []
    booking, plain, bare = folder.spec.sms_templates
    assert booking.senders == (
        SmsSender(env=Environment.SANDBOX, number="+15550100"),
        SmsSender(env=Environment.LIVE, number="+15550101000"),
    )
    assert plain.senders == (SmsSender(env=Environment.LIVE, messaging_service_sid=SERVICE),)
    assert bare.senders == ()


@pytest.mark.parametrize(
    ("text", "line", "level", "message"),
    [
        ("x: 1", None, Level.ERROR, "the list is expected under the key 'sms_templates'."),
        ("sms_templates: 5", 1, Level.ERROR, "sms_templates must be a list."),
        ("sms_templates:\n  - 5", 2, Level.ERROR, "a template must be a mapping with a name and a text."),
        ("sms_templates:\n  - text: a", 2, Level.ERROR, "a template has no name."),
        ("sms_templates:\n  - name: a", 2, Level.ERROR, "a: the text is missing, or is not text."),
        ("sms_templates:\n  - name: a\n    text: [1]", 3, Level.ERROR, "a: the text is missing, or is not text."),
        ("sms_templates:\n  - {name: a, text: b}\n  - {name: a, text: c}", 3, Level.ERROR,
         "the name 'a' is used twice."),
        ("sms_templates:\n  - name: a\n    text: b\n    more: 1", 4, Level.UNSUPPORTED,
         "a: more is not known and not used."),
        ("sms_templates:\n  - name: a\n    text: '{{ho:desk}}'", 3, Level.WARNING,
         "a: {{ho:desk}} cannot be filled in, so sending the template will fail."),
        (f"sms_templates:\n  - name: a\n    text: {'x' * (MAX_CONTENT + 1)}", 3, Level.ERROR,
         "a: the text has 1601 characters; 1600 can be sent."),
        ("sms_templates:\n  - name: a\n    text: b\n    env_phone_numbers: 5", 4, Level.ERROR,
         "a: env_phone_numbers must map environments to senders."),
        ("sms_templates:\n  - name: a\n    text: b\n    env_phone_numbers: {prod: '+15550100'}", 4, Level.ERROR,
         "a: env_phone_numbers names 'prod', which is no environment."),
        ("sms_templates:\n  - name: a\n    text: b\n    env_phone_numbers:\n      live: hello there people", 5,
         Level.ERROR, "a: the sender in live is no number and no Messaging Service SID."),
    ],
)  # fmt: skip
def test_what_is_unreadable_is_a_finding(
    tmp_path: Path, text: str, line: int | None, level: Level, message: str
) -> None:
    write_project(tmp_path, {"config/sms_templates.yaml": text})
    found = [one for one in load_folder(tmp_path).report.findings if one.file == "config/sms_templates.yaml"]
    assert [(one.line, one.level, one.message) for one in found] == [(line, level, message)]


def test_an_empty_file_has_no_templates(tmp_path: Path) -> None:
    write_project(tmp_path, {"config/sms_templates.yaml": ""})
    assert load_folder(tmp_path).spec.sms_templates == ()
