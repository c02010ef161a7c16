"""SMS templates read from a project's `config/sms_templates.yaml`; mistakes become findings."""

from __future__ import annotations

from typing import Any

from tieline.agent.sms import sender_of
from tieline.agent.spec import Finding, Level
from tieline.agent.yaml_file import YamlFile, find_line
from tieline.model.environment import Environment
from tieline.model.sms import MAX_CONTENT, SmsSender, SmsTemplate
from tieline.model.sms_tokens import tokens_of

LIST = "sms_templates"
NUMBERS = "env_phone_numbers"
SERVICES = "env_messaging_services"
FIELDS = frozenset({"name", "text", "content", NUMBERS, SERVICES})
ENVIRONMENTS = {
    "sandbox": Environment.SANDBOX,
    "pre_release": Environment.PRE_RELEASE,
    "pre-release": Environment.PRE_RELEASE,
    "live": Environment.LIVE,
}
"""The environments as the file spells them."""


def read_templates(file: YamlFile, findings: list[Finding]) -> tuple[SmsTemplate, ...]:
    """The templates that could be read."""
    return TemplateReader(file.file, findings).read(file)


class TemplateReader:
    """Reads one `sms_templates.yaml`."""

    def __init__(self, file: str, findings: list[Finding]) -> None:
        self._file = file
        self._findings = findings

    def read(self, file: YamlFile) -> tuple[SmsTemplate, ...]:
        """The templates in the order of the file, each name once."""
        if not file.exists:
            return ()
        entries = file.data.get(LIST)
        if entries is None:
            if file.data:
                self._say(f"the list is expected under the key {LIST!r}.", None)
            return ()
        if not isinstance(entries, list):
            self._say(f"{LIST} must be a list.", file.line(LIST))
            return ()
        found: dict[str, SmsTemplate] = {}
        for index, entry in enumerate(entries):
            line = find_line(entries, index)
            template = self._read_one(entry, line)
            if template is None:
                continue
            if template.name in found:
                self._say(f"the name {template.name!r} is used twice.", line)
                continue
            found[template.name] = template
        return tuple(found.values())

    def _say(self, message: str, line: int | None, level: Level = Level.ERROR) -> None:
        self._findings.append(Finding(file=self._file, line=line, level=level, message=message))

    def _read_one(self, entry: Any, line: int | None) -> SmsTemplate | None:
        if not isinstance(entry, dict):
            self._say("a template must be a mapping with a name and a text.", line)
            return None
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            self._say("a template has no name.", line)
            return None
        for key in entry:
            if key not in FIELDS:
                message = f"{name}: {key} is not known and not used."
                self._say(message, find_line(entry, key), Level.UNSUPPORTED)
        text = entry.get("text", entry.get("content"))
        if not isinstance(text, str) or not text.strip():
            self._say(f"{name}: the text is missing, or is not text.", find_line(entry, "text") or line)
            return None
        self._check_text(name, text, find_line(entry, "text") or line)
        return SmsTemplate(name=name, content=text, senders=self._read_senders(name, entry))

    def _check_text(self, name: str, text: str, line: int | None) -> None:
        if len(text) > MAX_CONTENT:
            message = f"{name}: the text has {len(text)} characters; {MAX_CONTENT} can be sent."
            self._say(message, line)
        for token in tokens_of(text):
            if token.kind is None:
                message = f"{name}: {token.written} cannot be filled in, so sending the template will fail."
                self._say(message, line, Level.WARNING)

    def _read_senders(self, name: str, entry: dict[str, Any]) -> tuple[SmsSender, ...]:
        """Senders by environment; a Messaging Service goes before a number, an empty value is none."""
        found: dict[Environment, SmsSender] = {}
        for key in (NUMBERS, SERVICES):
            senders = entry.get(key)
            if senders is None:
                continue
            if not isinstance(senders, dict):
                self._say(f"{name}: {key} must map environments to senders.", find_line(entry, key))
                continue
            for env, value in senders.items():
                if value is None or value == "":
                    continue
                sender = self._read_sender(name, key, env, value, find_line(senders, env))
                if sender is not None:
                    found[sender.env] = sender
        return tuple(found[env] for env in Environment if env in found)

    def _read_sender(self, name: str, key: str, env: Any, value: Any, line: int | None) -> SmsSender | None:
        known = ENVIRONMENTS.get(env) if isinstance(env, str) else None
        if known is None:
            self._say(f"{name}: {key} names {env!r}, which is no environment.", line)
            return None
        sender = sender_of(known, str(value)) if isinstance(value, str | int) else None
        if sender is None:
            self._say(f"{name}: the sender in {env} is no number and no Messaging Service SID.", line)
        return sender
