"""Pin every package, direct and indirect, into `requirements/*.txt`.

    python tools/lock.py             keep today's pins where they still fit, add what is missing
    python tools/lock.py --upgrade   take the newest of everything that pyproject.toml allows

Needs pip 22.2 or later and nothing else. `run.txt` is what the server needs, with the offline voice and the build
backend; `dev.txt` is what tests and checks need besides. pip resolves for the Python that runs this script; packages
that only other supported Pythons need are pinned too, with their marker.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from pip._vendor.packaging.markers import default_environment
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OTHER_PYTHONS = ("3.12", "3.13", "3.14")
HEADER = "# Written by tools/lock.py from pyproject.toml; do not edit by hand.\n"

Pins = dict[str, str]


def resolve(wanted: list[str], kept: Pins, *options: str) -> dict[str, dict[str, Any]]:
    """Ask pip what it would install, without installing: name to package metadata."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()))
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        command += ["--dry-run", "--ignore-installed", "--report", "-", "-c", str(constraints)]
        done = subprocess.run([*command, *options, *wanted], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit("lock: pip found no set of packages that fits; its message is above")
        report = json.loads(done.stdout)
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"] for item in report["install"]}


def read_pins() -> Pins:
    """Read the pins of the last run."""
    lines = [line for path in REQUIREMENTS.glob("*.txt") for line in path.read_text().splitlines()]
    return dict(found.groups() for line in lines if (found := re.match(r"([\w.-]+)==([^\s;]+)", line)))  # type: ignore[misc]


def find_elsewhere(packages: dict[str, dict[str, Any]], direct: list[str], kept: Pins) -> list[str]:
    """Pin what only other supported Pythons need, each line with its marker."""
    asked = [(text, "") for text in direct]
    asked += [(text, "extra") for item in packages.values() for text in item.get("requires_dist", [])]
    lines = {}
    for text, kind in asked:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if requirement.marker is None or name in packages or (kind and "extra" in str(requirement.marker)):
            continue
        for python in OTHER_PYTHONS:
            environment = default_environment() | {
                "python_version": python,
                "python_full_version": python + ".0",
            }
            if not requirement.marker.evaluate(environment | {"extra": ""}):
                continue
            options = [
                "--no-deps",
                "--only-binary=:all:",
                "--ignore-requires-python",
                "--target=unused",
                f"--python-version={python}",
            ]
            bare = f"{requirement.name}{requirement.specifier}"
            version = resolve([bare], kept, *options)[name]["version"]
            lines[name] = f"{name}=={version} ; {requirement.marker}"
            break
    return list(lines.values())


def write(path: Path, lines: list[str]) -> None:
    """Write one file of pins, sorted."""
    path.write_text(HEADER + "".join(f"{line}\n" for line in sorted(lines)))
    print(f"{path.relative_to(ROOT)}: {len(lines)} packages")


def main() -> None:
    """Resolve both environments and write their pins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--upgrade", action="store_true", help="forget today's pins and take the newest that fit"
    )
    kept = {} if parser.parse_args().upgrade else read_pins()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    run = [*project["build-system"]["requires"], *project["project"]["dependencies"], *extras["offline"]]
    dev = [*run, *extras["dev"]]

    everything = resolve(dev, kept)
    pins = {name: item["version"] for name, item in everything.items()}
    needed = resolve(run, pins)
    elsewhere = find_elsewhere(everything, dev, kept | pins)

    write(REQUIREMENTS / "run.txt", [f"{name}=={pins[name]}" for name in needed] + elsewhere)
    write(REQUIREMENTS / "dev.txt", [f"{name}=={pins[name]}" for name in everything if name not in needed])


if __name__ == "__main__":
    main()
