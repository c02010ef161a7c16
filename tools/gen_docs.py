"""Write the reference pages that are made from the code; `make docs` runs this.

    python tools/gen_docs.py           write every page anew
    python tools/gen_docs.py --check   write nothing; exit with 1 and name the pages that are stale

A generator is a function without arguments that returns a page's whole Markdown, registered with its path below
`docs/`. It must give the same text on every machine: no times, no versions, no absolute paths, everything sorted.
Put it in a module `tools/pages_<subject>.py`; every such module is found by its name.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NOTICE = "<!-- Written by `make docs`; do not edit by hand. -->\n\n"

Generator = Callable[[], str]

_generators: dict[str, Generator] = {}


def page(path: str) -> Callable[[Generator], Generator]:
    """Register the generator of one page, for example `@page("reference/settings.md")`."""

    def register(generator: Generator) -> Generator:
        if path in _generators and _generators[path] is not generator:
            message = f"docs/{path} has two generators"
            raise ValueError(message)
        _generators[path] = generator
        return generator

    return register


def load_generators() -> dict[str, Generator]:
    """Import every `tools/pages_*.py` and return the generators by page."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    for module in sorted((ROOT / "tools").glob("pages_*.py")):
        importlib.import_module(f"tools.{module.stem}")
    # Under `python tools/gen_docs.py` this file is __main__; the generators register with tools.gen_docs.
    registry: dict[str, Generator] = importlib.import_module("tools.gen_docs")._generators
    return dict(sorted(registry.items()))


def render(generator: Generator) -> str:
    """Render one page with its notice."""
    return NOTICE + generator().strip() + "\n"


def find_stale(generators: dict[str, Generator], docs: Path = DOCS) -> list[str]:
    """Name the pages whose file differs from what their generator writes, and notices without a generator."""
    stale = []
    for path, generator in generators.items():
        file = docs / path
        if not file.exists() or file.read_text(encoding="utf-8") != render(generator):
            stale.append(path)
    for file in docs.rglob("*.md"):
        path = str(file.relative_to(docs))
        if path not in generators and file.read_text(encoding="utf-8").startswith(NOTICE):
            stale.append(path)
    return sorted(stale)


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="write the generated reference pages")
    parser.add_argument("--check", action="store_true", help="write nothing, name the stale pages")
    check = parser.parse_args().check
    generators = load_generators()
    stale = find_stale(generators)
    if check:
        print("\n".join(f"stale: docs/{path}" for path in stale))
        sys.exit(1 if stale else 0)
    for path in stale:
        if path not in generators:
            (DOCS / path).unlink()
            print(f"docs/{path}: removed, nothing generates it")
            continue
        (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / path).write_text(render(generators[path]), encoding="utf-8")
        print(f"docs/{path}: written")
    print(f"{len(generators)} generated pages, {len(stale)} changed")


if __name__ == "__main__":
    main()
