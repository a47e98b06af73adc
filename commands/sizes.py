"""How large a picture becomes: from a name, an aspect ratio, one side alone, or the picture it is made from."""

from __future__ import annotations

import math
import re

from bot.errors import BadRequest
from bot.images import Range, Size

NAMED = {
    "square": Size(1024, 1024),
    "portrait": Size(832, 1216),
    "landscape": Size(1216, 832),
    "tall": Size(768, 1344),
    "wide": Size(1344, 768),
}
USUAL = NAMED["square"]
MEGAPIXEL = 1024 * 1024
STEP = 16
"""The model draws in blocks of 16 pixels."""

_RATIO = re.compile(r"\s*(\d{1,4}(?:\.\d{1,4})?)\s*[:x×/]\s*(\d{1,4}(?:\.\d{1,4})?)\s*", re.IGNORECASE)


def parse_size(text: str) -> Size:
    """Read `1216x832`, `1024` or a name such as `wide`. Raises BadRequest."""
    named = NAMED.get(text.strip().lower())
    return named or Size.parse(text)


def parse_ratio(text: str, side: Range) -> Size:
    """Read `16:9` and give the best size for it. Raises BadRequest for nonsense, and for what is too narrow."""
    match = _RATIO.fullmatch(text)
    if match is None or not float(match[1]) or not float(match[2]):
        raise BadRequest(f"An aspect ratio looks like 16:9, not “{text[:40]}”.", field="ar")
    ratio, widest = float(match[1]) / float(match[2]), side.high / side.low
    if not 1 / widest * 0.999 <= ratio <= widest * 1.001:
        raise BadRequest(f"{text.strip()} is too narrow; it goes up to {widest:.3g}:1 and 1:{widest:.3g}.", field="ar")
    return for_ratio(ratio, side)


def for_ratio(ratio: float, side: Range) -> Size:
    """The size of about one megapixel whose shape comes closest, both sides in range and multiples of 16."""
    widths = range(_up(side.low), int(side.high) + 1, STEP)
    fits = ((width, _near(width / ratio + tie, side)) for width in widths for tie in (-STEP / 2, STEP / 2))
    # A tenth of the weight for the number of pixels: 16:9 is 1360×768 rather than 1280×720.
    best = min(
        fits,
        key=lambda it: (
            abs(math.log(it[0] / it[1] / ratio)) + 0.1 * abs(math.log(it[0] * it[1] / MEGAPIXEL)),
            it,
        ),
    )
    return Size(*best)


def like(source: Size, side: Range) -> Size:
    """What to draw from a picture: its own size where the model can draw that, else its shape, as far as it goes."""
    if source.width in side and source.height in side:
        return Size(_near(source.width, side), _near(source.height, side))
    widest = side.high / side.low
    return for_ratio(min(widest, max(1 / widest, source.width / source.height)), side)


def other_side(given: int, ratio: float, side: Range) -> int:
    """The side that was not given: `given` times the ratio, in range and a multiple of 16."""
    return _near(given * ratio, side)


def _near(pixels: float, side: Range) -> int:
    lowest, highest = _up(side.low), int(side.high) // STEP * STEP
    return min(highest, max(lowest, round(pixels / STEP) * STEP))


def _up(pixels: float) -> int:
    return math.ceil(pixels / STEP) * STEP
