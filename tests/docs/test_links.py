"""Every link between our pages leads somewhere, and every page can be reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def read_prose(page: Path) -> str:
    """Read a page without its code."""
    return re.sub(
        r"`[^`\n]*`", lambda code: "x" * len(code[0]), FENCE.sub("", page.read_text(encoding="utf-8"))
    )


def read_anchors(page: Path) -> set[str]:
    """Name every heading of a page as it is linked to."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    plain = [
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).lower()) for text in headings
    ]
    return {text.strip().replace(" ", "-") for text in plain}


def list_links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each link of a page to a file of ours, as file and anchor."""
    for target in LINK.findall(read_prose(page)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        yield ((page.parent / name).resolve() if name else page), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for file, anchor in list_links(page):
        if not file.exists():
            broken.append(str(file))
        elif anchor and file.suffix == ".md" and anchor not in read_anchors(file):
            broken.append(f"{file}#{anchor}")
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        waiting.extend(file / "index.md" if file.is_dir() else file for file, _ in list_links(page))
    lost = [str(page.relative_to(ROOT)) for page in sorted(DOCS.rglob("*.md")) if page not in reached]
    assert lost == []
