"""Pictures that say by their pixels which job they were drawn for, however they came to be where they are seen."""

from __future__ import annotations

import io
import zlib

from PIL import Image

SIDE = 8
"""Pixels of one bit: a square, black or white."""
BITS = 32
CHECK = 16
"""More bits, so that any other picture is taken for none of these."""
ROW = 8


def marked(number: int) -> bytes:
    """A PNG that shows this number, below 2 ** 32."""
    bits = _bits(number)
    picture = Image.new("1", (ROW, len(bits) // ROW))
    picture.putdata([bit * 255 for bit in bits])
    file = io.BytesIO()
    picture.resize((picture.width * SIDE, picture.height * SIDE)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def number_in(data: bytes) -> int | None:
    """The number that a picture shows; None for any other picture, and for what is none."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError):
        return None
    if grey.size != (ROW * SIDE, (BITS + CHECK) // ROW * SIDE):
        return None
    bits = [_light(grey, place) for place in range(BITS + CHECK)]
    number = sum(bit << place for place, bit in enumerate(bits[:BITS]))
    return number if _bits(number) == bits else None


def _light(grey: Image.Image, place: int) -> int:
    value = grey.getpixel((place % ROW * SIDE + SIDE // 2, place // ROW * SIDE + SIDE // 2))
    return int(isinstance(value, int) and value > 127)


def _bits(number: int) -> list[int]:
    check = zlib.crc32(number.to_bytes(4, "big")) & 0xFFFF
    return [number >> place & 1 for place in range(BITS)] + [check >> place & 1 for place in range(CHECK)]
