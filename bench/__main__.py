"""All benches, one after another: `python -m bench [name ...]`; `python -m bench --list` names them.

Each prints its conditions, its figures, and the reference that ran beside it. The figures quoted in the documentation
come from here.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Sequence

BENCHES = (
    "sip_core",
    "store",
    "reserve",
    "agent",
    "calls",
    "memory",
    "media",
    "relay",
    "handoffs",
    "tls",
    "flood",
    "long_call",
    "studio",
)
"""In the order in which they run: what a part costs alone, then the whole."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benches, or all of them; the exit status is that of the worst."""
    wanted = list(sys.argv[1:] if arguments is None else arguments)
    if wanted in (["--list"], ["-h"], ["--help"]):
        for name in BENCHES:
            about = (importlib.import_module(f"bench.{name}").__doc__ or "").strip().splitlines()[0]
            print(f"{name:10} {about}")
        return 0
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        print(f"no bench called {', '.join(unknown)}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    worst = 0
    for name in wanted or BENCHES:
        print(f"\n== {name} " + "=" * (70 - len(name)), flush=True)
        worst = max(worst, run(name))
    return worst


def run(name: str) -> int:
    """Run one bench with its defaults, in a process of its own: they pin themselves to cores."""
    return subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
