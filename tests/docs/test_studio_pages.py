"""The pages about the studio: every page is listed with the right that it takes, every picture is there and shown."""

from __future__ import annotations

import importlib
import pkgutil
import re
import struct
from pathlib import Path

import tieline.studio.pages
from tieline.studio.menu import PAGES, Group

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "studio.md"
PICTURES = TUTORIAL.parent / "pictures"
MOST_BYTES = 120 * 1024
WIDEST = 1280


def _rows(page: Path) -> list[list[str]]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def test_every_page_of_the_menu_is_listed_in_its_order() -> None:
    for found in pkgutil.walk_packages(tieline.studio.pages.__path__, "tieline.studio.pages."):
        importlib.import_module(found.name)
    wanted = [["**Overview**", "`/`", "`look`"]]
    for group in Group:
        wanted.append([f"*{group.value}*", "", ""])
        pages = sorted((one for one in PAGES.values() if one.group is group), key=lambda one: one.order)
        wanted += [[f"**{one.title}**", f"`{one.path}`", f"`{one.right.value}`"] for one in pages]
    listed = _rows(ROOT / "docs" / "reference" / "studio.md")[1:]
    assert [[row[0], row[1], row[3]] for row in listed] == wanted


def test_pictures_are_there_small_and_shown() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(pictures/([\w-]+\.png)\)", TUTORIAL.read_text(encoding="utf-8")))
    there = {one.name: one.read_bytes() for one in PICTURES.iterdir()}
    assert set(there) == shown
    assert len(there) <= 12
    for name, data in there.items():
        width = struct.unpack(">I", data[16:20])[0]
        assert (len(data) <= MOST_BYTES, width <= WIDEST) == (True, True), name
