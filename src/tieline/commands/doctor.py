"""The checks of `tieline doctor`, in order: each names what it looked at, what is wrong, and how to put it right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tieline.commands import doctor_database, doctor_machine, doctor_network, doctor_targets, doctor_tls
from tieline.commands.findings import Finding
from tieline.config import Settings, load_settings
from tieline.errors import ConfigurationError, TielineError

Check = Callable[[Settings], Iterator[Finding]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("addresses", doctor_network.check_addresses),
    ("ports", doctor_network.check_ports),
    ("port range", doctor_network.check_port_range),
    ("certificates", doctor_tls.check_certificates),
    ("clock", doctor_machine.check_clock),
    ("files", doctor_machine.check_file_limit),
    ("database", doctor_database.check_database),
    ("voice", doctor_machine.check_voice),
    ("resources", doctor_database.check_resources),
    ("targets", doctor_targets.check_targets),
)
"""Every check by name; docs and tests read it."""


def run_checks(config: Path | None) -> list[Finding]:
    """All findings. Settings that cannot be read end the examination there."""
    try:
        settings = load_settings(config)
    except ConfigurationError as error:
        return [
            Finding("settings", "fault", line, "Mend the settings; `tieline settings` lists them.")
            for line in error.message.splitlines()
        ]
    source = (
        str(settings.source) if settings.source is not None else "defaults and environment (no tieline.toml)"
    )
    found = [Finding("settings", "ok", f"read from {source}")]
    for name, check in CHECKS:
        try:
            found.extend(check(settings))
        except (TielineError, OSError) as error:
            found.append(Finding(name, "fault", f"the check could not be made: {error}"))
    return found
