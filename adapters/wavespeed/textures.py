"""What a LoRA does to a simulated picture: a grey tile, chosen by the LoRA's name, that is laid all over it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw, ImageFilter

SIDE = 96
"""Pixels of a tile's side before it is enlarged by the scale."""

NEUTRAL = 128
"""The grey that changes nothing when overlaid."""

WORDS = {
    "knit": ("yarn", "knit", "wool", "crochet", "felt"),
    "brush": ("paint", "oil", "impasto", "water", "brush", "gouache", "acrylic"),
    "hatch": ("ink", "sketch", "pencil", "line", "draw", "etch", "manga"),
    "dots": ("comic", "pop", "halftone", "pixel", "retro", "poster", "anime"),
    "weave": ("fabric", "linen", "canvas", "textile", "stitch", "embroid"),
}


def texture(path: str, scale: float, size: tuple[int, int]) -> Image.Image:
    """The LoRA's tile, repeated over `size`; a higher scale (0..4) is coarser. The same for the same arguments."""
    tile = _tile(path, round(min(scale, 4.0) * 4))
    sheet = Image.new("L", size, NEUTRAL)
    for top in range(0, size[1], tile.height):
        for left in range(0, size[0], tile.width):
            sheet.paste(tile, (left, top))
    return Image.merge("RGB", (sheet, sheet, sheet))


def style(path: str) -> str:
    """Which of the styles a LoRA's path suggests; any, but always the same, where it suggests none."""
    name = path.lower()
    for kind, words in WORDS.items():
        if any(word in name for word in words):
            return kind
    return Random(path).choice(sorted(WORDS))


@lru_cache(maxsize=32)
def _tile(path: str, quarters: int) -> Image.Image:
    tile = Image.new("L", (SIDE, SIDE), NEUTRAL)
    STYLES[style(path)](ImageDraw.Draw(tile), Random(path))
    side = round(SIDE * (0.3 + quarters * 0.09))
    return tile.filter(ImageFilter.SMOOTH).resize((side, side), Image.Resampling.BICUBIC)


def _wrapped(pen: ImageDraw.ImageDraw, line: list[tuple[float, float]], fill: int, width: int) -> None:
    """Draw a line so that the tile fits to itself on all four sides."""
    for across in (-SIDE, 0, SIDE):
        for down in (-SIDE, 0, SIDE):
            pen.line([(x + across, y + down) for x, y in line], fill=fill, width=width, joint="curve")


def _knit(pen: ImageDraw.ImageDraw, rng: Random) -> None:
    """Two columns of V stitches, each a few strands of yarn."""
    pen.rectangle((0, 0, SIDE, SIDE), fill=70)
    half, step = SIDE / 4, SIDE / 4
    for column in range(4):
        lean = 1 if column % 2 else -1
        for row in range(4):
            middle, top = (column + 0.5) * half, row * step
            for strand in range(-4, 5):
                light = round(235 - abs(strand) * 26 + rng.uniform(-14, 14))
                x = middle + strand * half / 9
                ends = [(x + lean * half * 0.34, top + step * 1.15), (x - lean * half * 0.34, top + step * 0.05)]
                _wrapped(pen, ends[::-1], light, 3)


def _brush(pen: ImageDraw.ImageDraw, rng: Random) -> None:
    turn = rng.uniform(0, math.pi)
    for _ in range(150):
        x, y, angle = rng.random() * SIDE, rng.random() * SIDE, turn + rng.gauss(0, 0.35)
        long, light = rng.uniform(10, 26), round(rng.uniform(60, 200))
        curve = [
            (x + math.cos(angle + bend) * long * part, y + math.sin(angle + bend) * long * part)
            for part, bend in ((0.0, 0.0), (0.5, 0.1), (1.0, 0.3))
        ]
        _wrapped(pen, curve, light, rng.choice((2, 3, 4)))


def _hatch(pen: ImageDraw.ImageDraw, rng: Random) -> None:
    for slope, fill in ((1, 70), (-1, 96)):
        for start in range(0, SIDE, 8):
            sway = rng.uniform(-1.5, 1.5)
            _wrapped(
                pen, [(start, 0), (start + slope * SIDE / 2 + sway, SIDE / 2), (start + slope * SIDE, SIDE)], fill, 2
            )


def _dots(pen: ImageDraw.ImageDraw, rng: Random) -> None:
    pen.rectangle((0, 0, SIDE, SIDE), fill=172)
    step = SIDE // 8
    for row in range(-1, 9):
        for column in range(-1, 9):
            x, y = column * step + (step / 2 if row % 2 else 0), row * step
            pen.ellipse((x - 3.6, y - 3.6, x + 3.6, y + 3.6), fill=64)


def _weave(pen: ImageDraw.ImageDraw, rng: Random) -> None:
    step = SIDE // 8
    for row in range(8):
        for column in range(8):
            over = (row + column) % 2 == 0
            for strand in range(1, step - 1):
                light = round(196 - abs(strand - step / 2) * 18 + rng.uniform(-12, 12))
                x, y = column * step, row * step
                if over:
                    pen.line((x, y + strand, x + step, y + strand), fill=light)
                else:
                    pen.line((x + strand, y, x + strand, y + step), fill=light - 60)


STYLES: dict[str, Callable[[ImageDraw.ImageDraw, Random], None]] = {
    "brush": _brush,
    "dots": _dots,
    "hatch": _hatch,
    "knit": _knit,
    "weave": _weave,
}
