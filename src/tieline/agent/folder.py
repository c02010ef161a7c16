"""Reads a project folder without running any of its code, and says of every file what becomes of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tieline.agent.destinations import read_destinations
from tieline.agent.secret_file import SECRETS_FILE
from tieline.agent.sms_file import read_templates
from tieline.agent.spec import Finding, FlowSpec, Level, LoadReport, ProjectSpec
from tieline.agent.unsupported import NEEDS_CHAT, NEEDS_MODEL, NEEDS_SPEECH
from tieline.agent.yaml_file import YamlFile, read_yaml

SIGNATURES = {
    "start_function": ("conv",),
    "end_function": ("conv",),
    "turn_function": ("conv", "user_input"),
    "handoff_failed_function": ("conv",),
    "bridge_ended_function": ("conv",),
}
"""Functions that we call ourselves, with the arguments they are given."""
STEP_SIGNATURE = ("conv", "flow")

UNSUPPORTED_FILES = {
    "config/entities.yaml": f"entities are not collected: {NEEDS_MODEL}",
    "config/variant_attributes.yaml": "variant attributes are not read; conv.variant_name is kept",
    "config/translations.yaml": "translations are not read",
    "config/api_integrations.yaml": "API integrations are not called; call the API from a function",
}
UNSUPPORTED_FOLDERS = {
    "agent_settings": f"agent settings are not used: {NEEDS_MODEL}",
    "topics": f"topics are not answered: {NEEDS_MODEL}",
    "chat": f"chat settings are not used: {NEEDS_CHAT}",
    "test_suite": "test suites are not run",
    "voice": f"this voice setting is not used: {NEEDS_SPEECH}",
    "config": "this file is not known to this release and not read",
}
VOICE_FILE = "voice/configuration.yaml"
HANDOFFS_FILE = "config/handoffs.yaml"
TEMPLATES_FILE = "config/sms_templates.yaml"
RECORDINGS = "voice/recordings"
READ_FILES = frozenset({VOICE_FILE, HANDOFFS_FILE, TEMPLATES_FILE, f"{RECORDINGS}.yaml", *UNSUPPORTED_FILES})
PASSED_OVER = frozenset({"_gen", "tests", "functions", "flows", "project.yaml", SECRETS_FILE})
"""Names at the top of a project that are read elsewhere or belong to nobody."""
MAX_SOURCE = 1024 * 1024
"""Bytes of a Python file; a longer one is not loaded."""


class LoadedFolder(msgspec.Struct, frozen=True, kw_only=True):
    """A project folder, read: what it describes, and what there is to say about it."""

    spec: ProjectSpec
    report: LoadReport


def load_folder(path: str | Path) -> LoadedFolder:
    """Read the project in `path`. Never raises for what the folder holds: the report says it."""
    return FolderReader(Path(path)).read()


class FolderReader:
    """The reading of one folder: collects findings on the way."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._findings: list[Finding] = []

    def read(self) -> LoadedFolder:
        """Read everything."""
        root = self._root
        if not root.is_dir():
            self._say(str(root), Level.ERROR, "there is no such project folder.")
            return LoadedFolder(spec=ProjectSpec(root=str(root)), report=self._report())
        name = self._read_project_file()
        greeting, language = self._read_voice()
        functions = self._read_functions()
        flows = self._read_flows()
        destinations = read_destinations(self._yaml(HANDOFFS_FILE), self._findings)
        templates = read_templates(self._yaml(TEMPLATES_FILE), self._findings)
        self._note_unsupported()
        spec = ProjectSpec(
            root=str(root),
            name=name,
            greeting=greeting,
            language=language,
            functions=functions,
            flows=flows,
            destinations=destinations,
            sms_templates=templates,
        )
        if "turn_function" not in functions and not any(flow.function_steps for flow in flows):
            message = (
                "there is no turn_function.py and no function step, so nothing answers the caller's input."
            )
            self._say("functions", Level.WARNING, message)
        return LoadedFolder(spec=spec, report=self._report())

    def _report(self) -> LoadReport:
        ordered = sorted(self._findings, key=lambda item: (item.file, item.line or 0))
        return LoadReport(findings=tuple(ordered))

    def _say(self, file: str, level: Level, message: str, line: int | None = None) -> None:
        self._findings.append(Finding(file=file, line=line, level=level, message=message))

    def _yaml(self, file: str) -> YamlFile:
        return read_yaml(self._root, file, self._findings)

    def _names(self, folder: str, pattern: str) -> list[Path]:
        place = self._root / folder
        return sorted(item for item in place.glob(pattern) if item.is_file()) if place.is_dir() else []

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _read_project_file(self) -> str:
        file = self._yaml("project.yaml")
        if not file.exists:
            message = "it is missing; the folder's name stands in for the project's."
            self._say("project.yaml", Level.WARNING, message)
            return self._root.name
        return file.text("project_name") or file.text("project_id") or self._root.name

    def _read_voice(self) -> tuple[str, str | None]:
        file = self._yaml(VOICE_FILE)
        greeting = file.data.get("greeting")
        text: str | None
        if isinstance(greeting, dict):
            section = file.section("greeting")
            text, language = section.text("welcome_message"), section.text("language_code")
        else:
            text, language = file.text("greeting"), file.text("language_code")
        if text and ("{{" in text):
            message = "the greeting holds a {{reference}}, which is spoken as it is written."
            self._say(VOICE_FILE, Level.UNSUPPORTED, message, file.line("greeting"))
        if isinstance(file.data.get("style_prompt"), dict) and file.section("style_prompt").data.get(
            "prompt"
        ):
            message = f"style_prompt is not used: {NEEDS_MODEL}."
            self._say(VOICE_FILE, Level.UNSUPPORTED, message, file.line("style_prompt"))
        disclaimer = file.data.get("disclaimer_messages")
        if isinstance(disclaimer, dict) and disclaimer.get("enabled") and disclaimer.get("message"):
            message = "disclaimer_messages are not spoken; put the disclaimer into the greeting."
            self._say(VOICE_FILE, Level.UNSUPPORTED, message, file.line("disclaimer_messages"))
        known = {"greeting", "language_code", "style_prompt", "disclaimer_messages"}
        for key in file.data:
            if key not in known:
                self._say(VOICE_FILE, Level.UNSUPPORTED, f"{key} is not used.", file.line(key))
        return text or "", language

    def _read_functions(self) -> tuple[str, ...]:
        return tuple(
            path.stem
            for path in self._names("functions", "*.py")
            if self._read_python(path, SIGNATURES.get(path.stem), required=path.stem in SIGNATURES)
        )

    def _read_python(self, path: Path, signature: tuple[str, ...] | None, *, required: bool) -> bool:
        """Whether the file may be imported: its name is one, it parses, its function can be called as we do."""
        file = self._relative(path)
        if path.stem == "__init__":
            return False
        if not path.stem.isidentifier():
            self._say(file, Level.ERROR, "the file's name is not a Python name, so no function can have it.")
            return False
        try:
            source = path.read_bytes()
            if len(source) > MAX_SOURCE:
                raise ValueError(f"the file is larger than {MAX_SOURCE // 1024} KiB.")
            tree = ast.parse(source, filename=file)
        except SyntaxError as error:
            self._say(file, Level.ERROR, f"it is not Python: {error.msg}.", error.lineno)
            return False
        except (OSError, ValueError) as error:
            self._say(file, Level.ERROR, f"it cannot be read: {error}")
            return False
        function = find_definition(tree.body, path.stem)
        if function is None:
            if not binds_name(tree.body, path.stem):
                level = Level.ERROR if required else Level.WARNING
                self._say(file, level, f"it does not define a function {path.stem}, which its name promises.")
        elif isinstance(function, ast.AsyncFunctionDef):
            message = f"{path.stem} is async; functions are synchronous."
            self._say(file, Level.ERROR, message, function.lineno)
        elif signature is not None and not accepts(function.args, len(signature)):
            message = f"{path.stem} is called as {path.stem}({', '.join(signature)}) and does not take that."
            self._say(file, Level.ERROR, message, function.lineno)
        return True

    def _read_flows(self) -> tuple[FlowSpec, ...]:
        place = self._root / "flows"
        folders = sorted(item for item in place.iterdir() if item.is_dir()) if place.is_dir() else []
        flows: list[FlowSpec] = []
        for folder in folders:
            if folder.name.startswith(("__", ".")):
                continue
            flow = self._read_flow(folder)
            if flow is not None:
                if any(other.name == flow.name for other in flows):
                    self._say(
                        f"flows/{folder.name}/flow_config.yaml", Level.ERROR, "another flow has this name."
                    )
                flows.append(flow)
        return tuple(flows)

    def _read_flow(self, folder: Path) -> FlowSpec | None:
        base = self._relative(folder)
        config = self._yaml(f"{base}/flow_config.yaml")
        if not folder.name.isidentifier():
            self._say(base, Level.ERROR, "the folder's name is not a Python name; use lower-case snake_case.")
            return None
        if not config.exists:
            self._say(f"{base}/flow_config.yaml", Level.ERROR, "it is missing.")
            return None
        steps = [
            path.stem
            for path in self._names(f"{base}/function_steps", "*.py")
            if self._read_python(path, STEP_SIGNATURE, required=True)
        ]
        functions = [
            path.stem
            for path in self._names(f"{base}/functions", "*.py")
            if self._read_python(path, None, required=False)
        ]
        start = config.text("start_step") or ""
        flow = FlowSpec(
            name=config.text("name") or folder.name,
            folder=folder.name,
            start_step=start,
            function_steps=tuple(steps),
            prompt_steps=self._read_prompt_steps(base),
            functions=tuple(functions),
        )
        if not start:
            self._say(config.file, Level.ERROR, "start_step is missing.")
        elif flow.find_step(start) is None:
            message = f"start_step {start!r} is not a step of this flow."
            self._say(config.file, Level.ERROR, message, config.line("start_step"))
        return flow

    def _read_prompt_steps(self, base: str) -> dict[str, str]:
        steps: dict[str, str] = {}
        for path in self._names(f"{base}/steps", "*.yaml"):
            file = self._relative(path)
            step = self._yaml(file)
            steps[step.text("name") or path.stem] = file
            message = f"this prompt step cannot be entered: {NEEDS_MODEL}; write it as a function step."
            self._say(file, Level.UNSUPPORTED, message)
        return steps

    def _note_unsupported(self) -> None:
        for file, reason in UNSUPPORTED_FILES.items():
            if (self._root / file).is_file():
                self._say(file, Level.UNSUPPORTED, f"{reason}.")
        for folder, reason in UNSUPPORTED_FOLDERS.items():
            for path in self._names(folder, "**/*"):
                file = self._relative(path)
                passed = file in READ_FILES or file.startswith(f"{RECORDINGS}/")
                if not passed and not path.name.startswith("."):
                    self._say(file, Level.UNSUPPORTED, f"{reason}.")
        for path in sorted(self._root.iterdir()):
            name = path.name
            if name in PASSED_OVER or name in UNSUPPORTED_FOLDERS or name.startswith((".", "__")):
                continue
            if path.suffix in {".md", ".toml", ".txt"} or name in {"resources.yaml", "LICENSE"}:
                continue
            self._say(name, Level.WARNING, "it is no part of a project and not read.")


def find_definition(body: Iterable[ast.stmt], name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The last top-level function called `name`."""
    found = None
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            found = node
    return found


def binds_name(body: Iterable[ast.stmt], name: str) -> bool:
    """Whether the module gives `name` a value in some other way: an import, an assignment."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            (a.asname or a.name) == name for a in node.names
        ):
            return True
        targets: list[Any] = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return True
    return False


def accepts(arguments: ast.arguments, count: int) -> bool:
    """Whether a function with these parameters can be called with `count` positional arguments."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    if any(default is None for default in arguments.kw_defaults):
        return False
    return required <= count and (count <= positional or arguments.vararg is not None)
