"""Rules that every test lives by: a tier by folder, no program missing in CI, no task left running."""

from __future__ import annotations

import asyncio
import asyncio.runners
import logging
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

TESTS = Path(__file__).parent
TIERS = ("unit", "conformance", "scenarios", "integration", "browser", "docs")

# A busy machine is no failure; in CI the same examples run each time, so that red means a change and not luck.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

# Names of the tasks that were still pending when an event loop of the present test was closed.
leaked: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the tier whose folder it lies in."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        tier = item.path.relative_to(TESTS).parts[0]
        if tier not in TIERS:
            message = f"{item.path} is in none of the tiers {', '.join(TIERS)}"
            raise pytest.UsageError(message)
        item.add_marker(tier)


NPM_PROGRAMS = TESTS.parent / ".venv" / "npm" / "node_modules" / ".bin"
"""Programs that `tools/npm_packages.sh` installs."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start with a clean slate; skip a test whose outside programs are missing, which in CI is a failure."""
    leaked.clear()
    needed = [program for mark in item.iter_markers("needs") for program in mark.args]
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(NPM_PROGRAMS)))
    missing = [program for program in needed if shutil.which(program, path=path) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)} (see `make test`)"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; CI skips nothing", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn any skip into a failure in CI."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI skips nothing: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _watch_for_leaked_tasks() -> Iterator[None]:
    """Note the tasks that a closing event loop has to cancel: the test should have ended them."""
    cancel_all_tasks = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def note_and_cancel(loop: asyncio.AbstractEventLoop) -> None:
        leaked.extend(task.get_name() + ": " + repr(task.get_coro()) for task in asyncio.all_tasks(loop))
        cancel_all_tasks(loop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.runners, "_cancel_all_tasks", note_and_cancel)
        yield


@pytest.fixture(autouse=True)
def _restore_logs() -> Iterator[None]:
    """Give the next test the logs that this one found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test that left tasks running."""
    result = yield
    if leaked:
        names = "\n  ".join(leaked)
        pytest.fail(f"tasks left running at the end of the test:\n  {names}", pytrace=False)
    return result
