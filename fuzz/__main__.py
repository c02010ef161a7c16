"""`python -m fuzz TARGET [--seconds N]`: run one target, or all of them in turn, under atheris.

Needs the extra `fuzz` (`pip install -e .[fuzz]`). A crash is written to `fuzz/crashes/<target>/`; the test tier replays
that folder, so committing the file makes the crash a test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from fuzz.seeds import CRASHES
from fuzz.targets import TARGETS


def main() -> None:
    """Run the chosen targets one after another, each in a process of its own; exit 1 when one found a crash."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="*", help=f"of {', '.join(TARGETS)}; all without it")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs (60)")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.target if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    crashed = []
    for name in chosen.target or TARGETS:
        sys.stderr.write(f"fuzz: {name} for {chosen.seconds} s\n")
        done = subprocess.run([sys.executable, "-m", "fuzz.run", name, str(chosen.seconds)], check=False)
        if done.returncode:
            crashed.append(name)
    if crashed:
        sys.exit(f"fuzz: {', '.join(crashed)} crashed; see {CRASHES}")


if __name__ == "__main__":
    main()
