"""The pages about the studio: every page is listed with the right that it takes, every picture is there and shown."""

from __future__ import annotations

import importlib
import pkgutil
import re
import struct
import zlib
from pathlib import Path

import tieline.studio.pages
from tieline.studio.menu import PAGES, Group
from tools import pictures

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


def test_a_picture_keeps_its_colours_in_a_palette() -> None:
    colours = [(index % 7, 40, 200 - index % 3) for index in range(6 * 4)]
    rows = b"".join(
        b"\x01" + bytes(_filtered([part for one in colours[line * 6 : line * 6 + 6] for part in one]))
        for line in range(4)
    )
    written = pictures.SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", 6, 4, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""),
        )
    )  # fmt: skip
    assert pictures.read_png(written) == (6, 4, colours)
    small = pictures.with_palette(written)
    at = small.index(b"PLTE")
    palette = small[at + 4 : at + 4 + struct.unpack(">I", small[at - 4 : at])[0]]
    at = small.index(b"IDAT")
    lines = zlib.decompress(small[at + 4 : at + 4 + struct.unpack(">I", small[at - 4 : at])[0]])
    indexes = [one for line in range(4) for one in lines[line * 7 + 1 : line * 7 + 7]]
    assert [tuple(palette[one * 3 : one * 3 + 3]) for one in indexes] == colours


def _filtered(row: list[int]) -> list[int]:
    """A row as differences to the pixel on its left."""
    return [(value - (row[at - 3] if at >= 3 else 0)) & 255 for at, value in enumerate(row)]
