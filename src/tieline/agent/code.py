"""A project's Python: imported once, found by name, kept apart from the server's own modules.

Project files import one another as `functions.x` and `flows.a.functions.b` (or relatively). A finder answers for
those names, `_gen` and `plog` only; the project folder never enters `sys.path`, so no file of a project can stand in
for a library, and nothing else of the folder can be imported.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tieline.agent.gen import make_gen_module, make_plog_module
from tieline.agent.spec import FlowSpec, ProjectSpec, to_slug

Function = Callable[..., Any]

OURS = ("_gen", "plog")
PACKAGES = ("functions", "flows")


class StepNotFound(LookupError):
    """A flow, step or function was named that the project does not have."""


class ProjectFinder:
    """An import finder for one project folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a project module, or None for every other name."""
        head, *rest = name.split(".")
        if head in OURS:
            return None if rest else importlib.util.spec_from_loader(name, MadeModules())
        if head not in PACKAGES:
            return None
        place = self._root.joinpath(head, *rest)
        source = place.with_name(f"{place.name}.py")
        if source.is_file():
            return importlib.util.spec_from_file_location(name, source)
        if place.is_dir() or not rest:
            init = place / "__init__.py"
            if init.is_file():
                return importlib.util.spec_from_file_location(
                    name, init, submodule_search_locations=[str(place)]
                )
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        return None


class MadeModules(importlib.abc.Loader):
    """The loader of `_gen` and `plog`, which no file holds."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """A fresh module."""
        return make_gen_module() if spec.name == "_gen" else make_plog_module()

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is left to do."""


def is_project_module(name: str) -> bool:
    """Whether a module name belongs to projects."""
    return name.partition(".")[0] in (*OURS, *PACKAGES)


class ProjectCode:
    """A project's functions, by name, after their files have been imported.

    `failures` maps files (relative to the project) that could not be imported to the exception. Imports made later,
    inside a function, need `importing()` around the call.
    """

    def __init__(self, spec: ProjectSpec, secrets: dict[str, str] | None = None) -> None:
        self.spec = spec
        self.secrets = secrets or {}
        self.failures: dict[str, BaseException] = {}
        self._on_file: Callable[[str], None] | None = None
        self._finder = ProjectFinder(Path(spec.root))
        self._modules: dict[str, types.ModuleType] = {}
        self._functions: dict[str, Function] = {}
        self._flow_functions: dict[tuple[str, str], Function] = {}
        self._steps: dict[tuple[str, str], Function] = {}
        self._flows = {flow.name: flow for flow in spec.flows}

    @contextmanager
    def importing(self) -> Iterator[None]:
        """While it lasts, project imports in this process mean this project."""
        outside = {name: sys.modules.pop(name) for name in list(sys.modules) if is_project_module(name)}
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self._finder)
        try:
            yield
        finally:
            sys.meta_path.remove(self._finder)
            for name in [name for name in sys.modules if is_project_module(name)]:
                self._modules[name] = sys.modules.pop(name)
            sys.modules.update(outside)

    def install(self) -> None:
        """Make project imports mean this project for the rest of the process."""
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self._finder)

    def load(self, on_file: Callable[[str], None] | None = None) -> None:
        """Import every file. A file that fails is remembered in `failures`; the others are still usable.

        `on_file` is told each file (relative to the project) just before it is imported.
        """
        self._on_file = on_file
        with self.importing():
            for name in self.spec.functions:
                self._load_one(f"functions.{name}", name, self._functions, name)
            for flow in self.spec.flows:
                for name in flow.functions:
                    module = f"flows.{flow.folder}.functions.{name}"
                    self._load_one(module, name, self._flow_functions, (flow.name, name))
                for name in flow.function_steps:
                    module = f"flows.{flow.folder}.function_steps.{name}"
                    self._load_one(module, name, self._steps, (flow.name, name))

    def _load_one(self, module_name: str, name: str, table: dict[Any, Function], key: object) -> None:
        file = module_name.replace(".", "/") + ".py"
        if self._on_file is not None:
            self._on_file(file)
        try:
            module = importlib.import_module(module_name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.failures[file] = error
            return
        function = getattr(module, name, None)
        if callable(function):
            table[key] = function

    def find_entry(self, name: str) -> Function | None:
        """The global function `name`, or None."""
        return self._functions.get(name)

    def find_function(self, name: str) -> Function:
        """The global function `name`. Raises `StepNotFound`."""
        try:
            return self._functions[name]
        except KeyError:
            raise StepNotFound(f"There is no functions/{name}.py with a function of that name.") from None

    def find_flow_function(self, flow: str, name: str) -> Function:
        """The transition function `name` of `flow`. Raises `StepNotFound`."""
        try:
            return self._flow_functions[flow, name]
        except KeyError:
            raise StepNotFound(
                f"The flow {flow!r} has no functions/{name}.py with a function of that name."
            ) from None

    def find_flow(self, name: str) -> FlowSpec:
        """The flow called `name`. Raises `StepNotFound`."""
        flow = self._flows.get(name) or self.spec.find_flow(name)
        if flow is None:
            known = ", ".join(self._flows) or "none"
            raise StepNotFound(f"There is no flow {name!r}. Flows: {known}.")
        return flow

    def find_step(self, flow_name: str, step_name: str) -> str:
        """The canonical name of a step of a flow. Raises `StepNotFound`."""
        flow = self.find_flow(flow_name)
        step = flow.find_step(step_name)
        if step is None:
            known = ", ".join((*flow.function_steps, *flow.prompt_steps)) or "none"
            raise StepNotFound(f"The flow {flow.name!r} has no step {step_name!r}. Steps: {known}.")
        return step

    def find_step_function(self, flow_name: str, step: str) -> Function:
        """The function of a step. Raises `StepNotFound` for a prompt step or a file that did not load."""
        function = self._steps.get((flow_name, step))
        if function is None:
            flow = self.find_flow(flow_name)
            if step in flow.prompt_steps:
                raise StepNotFound(
                    f"The step {step!r} of {flow_name!r} is a prompt step; it needs a language model."
                )
            raise StepNotFound(f"The step {step!r} of {flow_name!r} has no function {to_slug(step)!r}.")
        return function
