"""`python -m fuzz.run TARGET SECONDS`: one target under atheris, in a process of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("fuzz: atheris is not installed; pip install -e '.[fuzz]'")

with atheris.instrument_imports(include=["tieline"]):
    from fuzz.targets import TARGETS

from fuzz.seeds import CRASHES, seeds


def run(name: str, seconds: int) -> None:
    """Fuzz one target; does not return."""
    target = TARGETS[name]
    folder = CRASHES / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            Path(corpus, f"{number:04}").write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-artifact_prefix={folder}{os.sep}",
            "-max_len=8192",
            "-timeout=20",
        ]
        atheris.Setup([f"fuzz {name}", *options, corpus], target)
        atheris.Fuzz()


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
