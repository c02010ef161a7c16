"""Make the tutorial's pictures anew: walk the newcomer's story in a browser, and keep its pictures small.

`.venv/bin/python tools/pictures.py` needs chromium and the npm packages of the browser tests. The story
(`tests/browser/test_newcomer.py`) leaves its pictures in `build/screenshots`; those that the tutorial shows are written
to `docs/tutorial/pictures`, with a palette of 256 colours.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STORY = "tests/browser/test_newcomer.py"
TAKEN = ROOT / "build" / "screenshots"
SHOWN = ROOT / "docs" / "tutorial" / "pictures"
PAGE = ROOT / "docs" / "tutorial" / "studio.md"
COLOURS = 256
SIGNATURE = b"\x89PNG\r\n\x1a\n"

Colour = tuple[int, int, int]


def main() -> int:
    """Walk, then keep what the page shows; the walk's exit status."""
    walked = subprocess.run([sys.executable, "-m", "pytest", "-q", STORY], cwd=ROOT, check=False)
    if walked.returncode:
        return walked.returncode
    names = sorted(set(re.findall(r"\(pictures/([\w-]+)\.png\)", PAGE.read_text(encoding="utf-8"))))
    SHOWN.mkdir(exist_ok=True)
    for name in names:
        small = with_palette((TAKEN / f"newcomer-{name}.png").read_bytes())
        (SHOWN / f"{name}.png").write_bytes(small)
        print(f"{name}.png: {len(small) // 1024} KiB")
    return 0


def with_palette(png: bytes) -> bytes:
    """The same picture in its most frequent colours; every other one becomes the nearest of them.

    Takes what chromium writes: eight bits a channel, RGB or RGBA without transparency, not interlaced.
    """
    width, height, pixels = read_png(png)
    palette = [colour for colour, _ in Counter(pixels).most_common(COLOURS)]
    index = {colour: number for number, colour in enumerate(palette)}
    for colour in set(pixels) - set(palette):
        index[colour] = min(range(len(palette)), key=lambda one: _distance(colour, palette[one]))
    rows = b"".join(
        b"\0" + bytes(index[pixel] for pixel in pixels[line * width : (line + 1) * width])
        for line in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", bytes(sum(palette, ()))),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def read_png(png: bytes) -> tuple[int, int, list[Colour]]:
    """Width, height and the pixels row by row."""
    if not png.startswith(SIGNATURE):
        raise ValueError("no PNG")
    at, data, width, height, channels = len(SIGNATURE), b"", 0, 0, 3
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if depth != 8 or colour not in {2, 6} or interlaced:
                raise ValueError("not a PNG as chromium writes it")
            channels = 4 if colour == 6 else 3
        elif kind == b"IDAT":
            data += body
        at += length + 12
    raw, stride, before = zlib.decompress(data), width * channels, bytes(width * channels)
    pixels: list[Colour] = []
    for line in range(height):
        start = line * (stride + 1)
        before = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, channels)
        pixels += [(before[x], before[x + 1], before[x + 2]) for x in range(0, stride, channels)]
    return width, height, pixels


def _unfiltered(kind: int, row: bytearray, above: bytes, step: int) -> bytes:
    """One row without PNG's filter (RFC 2083, section 6)."""
    for x in range(len(row)):
        left = row[x - step] if x >= step else 0
        corner = above[x - step] if x >= step else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above[x]
        elif kind == 3:
            guess = (left + above[x]) // 2
        elif kind == 4:
            guess = min((left, above[x], corner), key=lambda one: abs(left + above[x] - corner - one))
        else:
            break
        row[x] = (row[x] + guess) & 255
    return bytes(row)


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    sys.exit(main())
