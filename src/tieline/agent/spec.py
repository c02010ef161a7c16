"""What is known of a project before any of its code runs: read from its files, sent to its host process."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tieline.model.handoff import Destination
from tieline.model.sms import SmsTemplate


class Level(StrEnum):
    """How much a finding matters: an error keeps the project from being served."""

    ERROR = "error"
    UNSUPPORTED = "unsupported"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say about a project file. `file` is relative to the project folder; `line` counts from 1."""

    file: str
    line: int | None = None
    level: Level
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.level}: {self.message}"


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything found while loading a project, in the order of the files."""

    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that keep the project from being served."""
        return tuple(f for f in self.findings if f.level is Level.ERROR)

    @property
    def unsupported(self) -> tuple[Finding, ...]:
        """Files and settings that this release does not use."""
        return tuple(f for f in self.findings if f.level is Level.UNSUPPORTED)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings worth a look that change nothing."""
        return tuple(f for f in self.findings if f.level is Level.WARNING)

    @property
    def ok(self) -> bool:
        """Whether the project can be served."""
        return not self.errors

    def plus(self, findings: list[Finding] | tuple[Finding, ...]) -> LoadReport:
        """This report with more findings behind its own."""
        return LoadReport(findings=(*self.findings, *findings))


class FlowSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A flow as its folder describes it.

    `function_steps` and `functions` are names of Python files without `.py`; `prompt_steps` maps the names by which
    prompt steps are known to their files. `start_step` is as written in `flow_config.yaml`.
    """

    name: str
    folder: str
    start_step: str
    function_steps: tuple[str, ...] = ()
    prompt_steps: dict[str, str] = {}
    functions: tuple[str, ...] = ()

    def find_step(self, name: str) -> str | None:
        """The canonical name of the step called `name` (exactly, or up to case, spaces and punctuation)."""
        if name in self.function_steps or name in self.prompt_steps:
            return name
        wanted = to_slug(name)
        for step in (*self.function_steps, *self.prompt_steps):
            if to_slug(step) == wanted:
                return step
        return None


class ProjectSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A project as its folder describes it.

    `root` is the absolute folder. `functions` names the files of `functions/` without `.py`. `destinations` are those
    of `config/handoffs.yaml`, and `sms_templates` those of `config/sms_templates.yaml`, with the ones configured on
    the server merged over them.
    """

    root: str
    name: str = ""
    greeting: str = ""
    language: str | None = None
    functions: tuple[str, ...] = ()
    flows: tuple[FlowSpec, ...] = ()
    destinations: tuple[Destination, ...] = ()
    sms_templates: tuple[SmsTemplate, ...] = ()

    def find_flow(self, name: str) -> FlowSpec | None:
        """The flow called `name`: by its configured name, else by its folder, case and punctuation aside."""
        for flow in self.flows:
            if flow.name == name:
                return flow
        wanted = to_slug(name)
        for flow in self.flows:
            if wanted in (to_slug(flow.name), flow.folder):
                return flow
        return None


def to_slug(name: str) -> str:
    """`name` in lower-case snake_case, as folders and files spell it."""
    words = "".join(char if char.isalnum() else " " for char in name.lower()).split()
    return "_".join(words)
