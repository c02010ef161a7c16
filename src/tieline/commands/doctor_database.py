"""Checks of the database, its disk, and what is configured in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tieline.commands.findings import Finding
from tieline.config import Settings
from tieline.errors import ConfigurationError
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk

SYNC_PROBES = 5
SLOW_SYNC_MS = 20.0
LOW_SPACE_BYTES = 1 << 30
NO_SPACE_BYTES = 64 << 20


def check_database(settings: Settings) -> Iterator[Finding]:
    """Whether the database can be written, how fast its disk is, whether its schema is ours and there is room."""
    from tieline.store.migration import SchemaState, schema_state

    path = Path(settings.store.path)
    folder = path.absolute().parent
    if not folder.is_dir():
        yield Finding("database", "fault", f"there is no folder {folder}", "Make it, or set store.path.")
        return
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        yield Finding(
            "database", "fault", f"{path} cannot be written",
            "Give the user of the server the right to write it and its folder.",
        )  # fmt: skip
        return
    if path.exists():
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            state = schema_state(connection)
        except sqlite3.Error as error:
            yield Finding(
                "database", "fault", f"{path} is not a usable database: {error}", "Restore it from a backup."
            )
            return
        finally:
            connection.close()
        if state is SchemaState.OLD:
            yield Finding(
                "database",
                "fault",
                f"{path} has an older schema",
                "Stop the server and run `tieline migrate`.",
            )
        else:
            yield Finding("database", "ok", f"{path}: schema is current")
    else:
        yield Finding("database", "ok", f"{path} will be made at the first start")
    sync_ms = _sync_ms(folder)
    if sync_ms > SLOW_SYNC_MS:
        yield Finding(
            "database", "advice",
            f"the disk takes {sync_ms:.1f} ms to make a write durable; every reply waits for that",
            "Put store.path on a local SSD.",
        )  # fmt: skip
    else:
        yield Finding("database", "ok", f"the disk makes a write durable in {sync_ms:.2f} ms")
    free = shutil.disk_usage(folder).free
    if free < LOW_SPACE_BYTES:
        level = "fault" if free < NO_SPACE_BYTES else "advice"
        yield Finding("database", level, f"{free >> 20} MiB are free in {folder}", "Make room.")  # type: ignore[arg-type]


def _sync_ms(folder: Path) -> float:
    """The median time of a small write with fsync, in milliseconds."""
    times: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".tieline-doctor-") as file:
        for _ in range(SYNC_PROBES):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return sorted(times)[len(times) // 2]


def check_resources(settings: Settings) -> Iterator[Finding]:
    """Whether there is something to serve, and every project loads."""
    if not Path(settings.store.path).is_file():
        yield Finding(
            "resources",
            "advice",
            "nothing is configured yet",
            "Write a resource file and `tieline apply` it.",
        )
        return
    resources, unsealed = asyncio.run(read_resources(settings))
    if not resources.trunks:
        yield Finding(
            "resources", "fault", "there is no trunk: every call is refused",
            "Add the peer's networks under `trunks` and apply.",
        )  # fmt: skip
    if not resources.projects:
        yield Finding("resources", "fault", "there is no project", "Add one under `projects` and apply.")
    if not resources.api_keys:
        yield Finding("resources", "advice", "there is no API key", "Make one with `tieline keys create`.")
    yield from _check_secrets(settings, resources, unsealed)
    yield from _check_projects(resources)
    yield from _check_handoffs(resources)
    yield from _check_numbers(resources)
    for pool in resources.pools:
        if not pool.numbers:
            yield Finding(
                "resources", "fault", f"the pool {pool.name} has no numbers", "Add numbers and apply."
            )


def _check_numbers(resources: Resources) -> Iterator[Finding]:
    """Whether calls to every number can be meant for one project only; older databases were not kept so."""
    from tieline.resources.number_checks import check_numbers

    found: list[Finding] = []

    def fault(kind: str, name: str, field: str, message: str, item: str | None = None) -> None:
        fix = "Take it from one of them, or give the trunk an account or `require_token`."
        found.append(Finding("resources", "fault", f"{kind}.{name}.{field}: {message}", fix))

    check_numbers(resources, fault)
    yield from found


def _check_secrets(settings: Settings, resources: Resources, unsealed: int) -> Iterator[Finding]:
    """Whether secrets are encrypted and can be opened, and their key is nobody else's to read."""
    from tieline.store.seal import seal_of, secrets_of, unopened

    holders: tuple[Project | Trunk, ...] = (*resources.projects, *resources.trunks)
    count = sum(len(secrets_of(one)) for one in holders)
    if not count:
        return
    seal = seal_of(Path(settings.store.path), settings.store.key_file)
    try:
        seal.has_key()
    except ConfigurationError as error:
        yield Finding("secrets", "fault", error.message, "Mend the key; without it the secrets stay closed.")
    faults = [f"project {one.slug}: {fault}" for one in resources.projects if (fault := unopened(one))]
    faults += [f"trunk {one.name}: {fault}" for one in resources.trunks if (fault := unopened(one))]
    for fault in faults:
        what, _, fix = fault.partition("; ")
        yield Finding("secrets", "fault", what, f"{fix[:1].upper()}{fix[1:]}.")
    if unsealed:
        yield Finding(
            "secrets", "advice", f"{unsealed} secrets are stored in clear, or under an older key",
            "Run `tieline apply` with any resource file: it encrypts them with the first key.",
        )  # fmt: skip
    if seal.key_file.is_file() and seal.key_file.stat().st_mode & 0o077:
        yield Finding(
            "secrets", "fault", f"others than its owner may read the key file {seal.key_file}",
            f"Run `chmod 600 {seal.key_file}`.",
        )  # fmt: skip
    if not faults and not unsealed:
        yield Finding("secrets", "ok", f"{count} are encrypted, with the key from {seal.place}")


async def read_resources(settings: Settings) -> tuple[Resources, int]:
    """What is configured, and how many secrets are not encrypted as they should be."""
    from tieline.clock import SystemClock
    from tieline.store.anchor import steady_anchor
    from tieline.store.seal import seal_of
    from tieline.store.sqlite import SqliteStore

    path = Path(settings.store.path)
    store = SqliteStore(path, seal=seal_of(path, settings.store.key_file))
    await store.open(SystemClock(steady_anchor(path)).utc())
    try:
        return await store.resources(), await store.unsealed_secrets()
    finally:
        await store.close()


def _check_handoffs(resources: Resources) -> Iterator[Finding]:
    """What of handoffs will not get through."""
    from tieline.resources.handoff_check import check_handoffs

    for remark in check_handoffs(resources):
        if remark.level != "info":
            said = f"project {remark.project}: {remark.destination} on {', '.join(remark.trunks)}: {remark.message}"
            fix = f"{remark.fix[:1].upper()}{remark.fix[1:]}."
            yield Finding("handoffs", "fault" if remark.level == "error" else "advice", said, fix)


def _check_projects(resources: Resources) -> Iterator[Finding]:
    from tieline.agent.project import check_project

    for project in resources.projects:
        if project.path is None:
            yield Finding("resources", "ok", f"project {project.slug}: answers only")
            continue
        if not Path(project.path).is_dir():
            yield Finding(
                "resources", "fault", f"project {project.slug}: the folder {project.path} is gone",
                "Put it back, or apply its new path.",
            )  # fmt: skip
            continue
        report = check_project(project.path, destinations=project.handoffs)
        for finding in report.errors:
            yield Finding("resources", "fault", f"project {project.slug}: {finding}", "Mend the file.")
        if report.ok:
            others = len(report.unsupported) + len(report.warnings)
            more = f"; {others} remarks, see `tieline project check {project.slug}`" if others else ""
            yield Finding("resources", "ok", f"project {project.slug}: loads{more}")
